//! The simulator for transports of your own.

mod failure;
mod workload;

use std::fmt;
use std::future::Future;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::time::{Duration, Instant};

use unstale::{Runtime, Transport};

pub use self::failure::Failure;
use self::workload::Work;
pub use self::workload::Workload;
use crate::attempt::attempt_with;
use crate::oracle::Violation;
use crate::plan::{FaultKind, Mode, Op, Plan, Profile, Request};
use crate::pool::in_order;
use crate::report::assemble::Assembly;
use crate::report::{Outcome, Report};
use crate::run::Options;
use crate::tier1::{self, Carrier, Own, STRUCK};

/// An error of yours.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Runs nodes on a [`Transport`] of yours in a simulated network full of faults, and checks every guarantee.
///
/// Each node is a process on a simulated host of its own, with its own clock; each broker is one too. The network is
/// [turmoil](crate::turmoil)'s: transport and broker open their connections with [`turmoil::net`](crate::turmoil::net),
/// and everything else is the code that you ship. A seed decides what the application does, what goes wrong and when;
/// the same seeds give the same [`Report`], but for the time that it took.
///
/// # What goes wrong
/// Whatever needs nothing of a broker but that it is a process on a host: partitions in both directions and in one,
/// messages that are held back or delayed, jitter; a broker that is killed and comes back empty; nodes that crash, are
/// cloned, stand still or are suspended, and do not read their subscription; a slow and a failing data source; bursts
/// of writes. The other kinds (a failover, say) reach into a broker, and are left out; the report's configuration
/// names them.
///
/// # What your code must keep to
/// Runs repeat themselves only if nothing else decides. So neither transport nor broker reads a clock, draws a random
/// number or iterates over a `HashMap` of its own accord: time, tasks and randomness come from
/// [`HostContext::runtime`], and in a broker from tokio, whose clock is the simulated one. State lives in the
/// transport and in the broker's future, not in what the closures capture: runs go on beside each other, and share
/// that. A connection that is cut off is silent for ever and reports no error, so every attempt needs a time-out.
///
/// # Example
/// `examples/scenario` is a whole one, with a broker and its transport. This is all that the simulator asks for:
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use unstale_sim::{Profile, Scenario, Workload};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let report = Scenario::new("my transport", |host| Ok(Arc::new(my_transport(host)?)))
///     .broker("broker", my_broker)
///     .nodes(3)
///     .freshness(Duration::from_millis(500))
///     .duration(Duration::from_secs(12))
///     .profile(Profile::Swarm)
///     .workload(Workload { reads_per_s: 20.0, writes_per_s: 4.0, keys: 8 })
///     .seeds(0..1)
///     .run();
/// # // The stand-in below connects to nobody, and that is found out.
/// # assert_eq!(report.unwrap_err().violation.guarantee, "G2");
/// # Ok(())
/// # }
/// # use unstale_sim::{BoxError, HostContext};
/// # fn my_transport(_: &HostContext) -> Result<Nobody, BoxError> { Ok(Nobody) }
/// # async fn my_broker() -> Result<(), BoxError> { std::future::pending().await }
/// # use unstale::transport::*;
/// # struct Nobody;
/// # #[async_trait::async_trait]
/// # impl Transport for Nobody {
/// #     async fn subscribe(&self) -> Result<Box<dyn Subscription>, TransportError> {
/// #         Err(TransportErrorKind::Unreachable.error("nobody is there"))
/// #     }
/// #     async fn publish(&self, _: bytes::Bytes) -> Result<(), TransportError> {
/// #         Err(TransportErrorKind::Unreachable.error("nobody is there"))
/// #     }
/// #     fn capabilities(&self) -> Capabilities { Capabilities::new("nobody") }
/// # }
/// ```
#[derive(Clone)]
#[must_use = "nothing happens before `run`"]
pub struct Scenario {
    name: String,
    own: Own,
    request: Request,
    work: Option<Work>,
    seeds: Range<u64>,
}

/// The host that a transport is made on.
#[derive(Clone, Debug)]
pub struct HostContext {
    node: usize,
    runtime: Arc<dyn Runtime>,
    brokers: Vec<String>,
}

impl HostContext {
    pub(crate) fn new(node: usize, runtime: Arc<dyn Runtime>, brokers: Vec<String>) -> Self {
        Self { node, runtime, brokers }
    }

    /// The node, from zero.
    pub fn node(&self) -> usize {
        self.node
    }

    /// Time, tasks and randomness of this process. What it spawns stands still when the process does, and is gone
    /// when it is killed.
    pub fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.runtime
    }

    /// The hosts of the brokers, in the order in which they were added: names that turmoil resolves.
    pub fn brokers(&self) -> &[String] {
        &self.brokers
    }
}

impl Scenario {
    /// A scenario for this transport. `transport` is called once in each life of each process, and an error from it
    /// is a failure of the run.
    ///
    /// By default: a few nodes, as many as the seed says, without a broker; [`Profile::Swarm`] for 30 s; a freshness
    /// and a workload that the seed draws; ten seeds.
    pub fn new<T>(name: impl Into<String>, transport: T) -> Self
    where
        T: Fn(&HostContext) -> Result<Arc<dyn Transport>, BoxError> + Send + Sync + 'static,
    {
        Self {
            name: name.into(),
            own: Own { transport: Arc::new(transport), brokers: Vec::new() },
            // The transport itself says whether it has fences.
            request: Request { native_fences: Some(false), ..Request::default() },
            work: None,
            seeds: 0..10,
        }
    }

    /// Adds a host with this name, and runs the broker's process on it: `run` is called again whenever it was killed.
    /// An error from it is a failure of the run.
    pub fn broker<F>(
        mut self,
        name: impl Into<String>,
        run: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), BoxError>> + 'static,
    {
        let run = move || -> futures_util::future::LocalBoxFuture<'static, turmoil::Result> {
            let process = run();
            Box::pin(async move {
                process.await.map_err(|error| -> Box<dyn std::error::Error> { error })
            })
        };
        self.own.brokers.push((name.into(), Arc::new(run)));
        self
    }

    /// How many nodes there are; at least one. The cost of a step grows with their cube: up to 24 or so.
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.request.nodes = Some(nodes);
        self
    }

    /// Reads demand `Freshness::Within` this, in whole milliseconds.
    pub fn freshness(mut self, within: Duration) -> Self {
        let ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX).max(1);
        self.request.mode = Some(Mode::Within { ms });
        self
    }

    /// Reads demand no more than `Freshness::Eventual`.
    pub fn eventual(mut self) -> Self {
        self.request.mode = Some(Mode::Eventual);
        self
    }

    /// The length of each run in simulated time. The last 8 s are without faults, in which nodes converge; a swarm
    /// takes 10 s at least, and a storm always 15 s.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.request.duration = Some(duration);
        self
    }

    /// How rough the weather is.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.request.profile = profile;
        self
    }

    /// What the application does, by rates.
    pub fn workload(mut self, workload: Workload) -> Self {
        self.work = Some(Work::Rates(workload));
        self
    }

    /// What the application does, one by one.
    pub fn operations(mut self, operations: impl IntoIterator<Item = Op>) -> Self {
        self.work = Some(Work::Listed(operations.into_iter().collect()));
        self
    }

    /// The seeds: a run for each.
    pub fn seeds(mut self, seeds: Range<u64>) -> Self {
        self.seeds = seeds;
        self
    }

    /// The plan of a seed: what [`run`](Self::run) runs for it.
    pub fn plan(&self, seed: u64) -> Plan {
        let mut plan = Plan::draw_with(&self.request, seed, STRUCK);
        if let Some(work) = &self.work {
            work.put(&mut plan);
        }
        plan
    }

    /// Runs all seeds, two at a time.
    ///
    /// # Errors
    /// A guarantee did not hold; or something panicked, your code included; or there was no seed to run, which
    /// proves nothing.
    pub fn run(&self) -> Result<Report, Failure> {
        let count = usize::try_from(self.seeds.end.saturating_sub(self.seeds.start));
        let reproduce = format!(".seeds({}..{})", self.seeds.start, self.seeds.end);
        let plan = |job: usize| self.plan(self.seeds.start + job as u64);
        self.run_plans(count.unwrap_or(usize::MAX), plan, reproduce)
    }

    /// Runs one plan: of a [`Failure`], say, with some of it left out. Faults of kinds that need a broker of the
    /// simulator's own do nothing.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_plan(&self, plan: &Plan) -> Result<Report, Failure> {
        self.run_plans(1, |_| plan.clone(), ".run_plan(..)".to_owned())
    }

    fn run_plans(
        &self,
        count: usize,
        plan: impl Fn(usize) -> Plan + Sync,
        reproduce: String,
    ) -> Result<Report, Failure> {
        let own = Arc::new(self.own.clone());
        let mut assembly = Assembly::default();
        let begin = now();
        let work = |job: usize| {
            let plan = plan(job);
            let attempt = attempt_with(|| {
                let carrier = Carrier::Own(Arc::clone(&own));
                tier1::run(&plan, carrier, plan.topology.nodes, Options::default())
            });
            (plan, attempt)
        };
        in_order(count, work, |_, (plan, attempt)| {
            assembly.absorb(0, plan, attempt);
            ControlFlow::Continue(())
        });
        let wall = now().duration_since(begin);
        let mut report = assembly.report(wall.as_secs_f64());
        report.title.clone_from(&self.name);
        report.configuration = self.configuration(&assembly);
        report.reproduce = reproduce;
        let (Some(shown), failure) = (assembly.shown(), assembly.failure()) else {
            return Err(self.nothing_proven(report));
        };
        let Some(failure) = failure else { return Ok(report) };
        if count > 1 {
            report.reproduce = format!(".seeds({0}..{1})", failure.seed, failure.seed + 1);
        }
        Err(Failure {
            violation: failure.violation.clone(),
            seed: failure.seed,
            plan: Box::new(shown.plan.clone()),
            report: Box::new(report),
        })
    }

    fn nothing_proven(&self, mut report: Report) -> Failure {
        report.verdict.outcome = Outcome::Liveness;
        report.verdict.headline = "nothing was proven".to_owned();
        let violation = Violation {
            guarantee: "NV".to_owned(),
            at_ns: 0,
            nodes: Vec::new(),
            what: "there was no seed to run".to_owned(),
        };
        let seed = self.seeds.start;
        Failure { violation, seed, plan: Box::new(self.plan(seed)), report: Box::new(report) }
    }

    fn configuration(&self, assembly: &Assembly) -> Vec<(String, String)> {
        let brokers: Vec<_> = self.own.brokers.iter().map(|(name, _)| name.as_str()).collect();
        let left_out: Vec<_> =
            FaultKind::NAMES.iter().copied().filter(|name| !STRUCK.contains(name)).collect();
        let mut rows = vec![
            ("transport".to_owned(), self.name.clone()),
            ("brokers".to_owned(), brokers.join(", ")),
            ("seeds".to_owned(), format!("{}..{}", self.seeds.start, self.seeds.end)),
            ("faults left out".to_owned(), left_out.join(", ")),
        ];
        if let Some(shown) = assembly.shown() {
            let Plan { seed, profile, topology, .. } = &shown.plan;
            let timeline = format!(
                "seed {seed}: {profile}, {} nodes, {}, {} rows",
                topology.nodes, topology.mode, topology.keys
            );
            rows.push(("timeline".to_owned(), timeline));
        }
        rows.push(("digest of all traces".to_owned(), format!("{:016x}", assembly.digest())));
        rows
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario")
            .field("name", &self.name)
            .field("request", &self.request)
            .field("work", &self.work)
            .field("seeds", &self.seeds)
            .finish_non_exhaustive()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long it takes is shown beside the results, and decides none"
)]
fn now() -> Instant {
    Instant::now()
}
