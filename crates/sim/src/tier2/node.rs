//! A node of the discrete-event tier: its process, its transport, its caches.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use unstale::runtime::BoxFuture;
use unstale::simulation::{Limits, ManualNode};
use unstale::{Authentication, ConfigError, Counters, Fill, Freshness, NodeId, Runtime, Timestamp};

use super::naive::Naive;
use super::network::Path;
use super::queue::Attempt;
use crate::app::{Caches, SharedHistory, Watcher};
use crate::clock::MachineClock;
use crate::frames::NAMESPACE;
use crate::history::Place;
use crate::oracle::Terms;
use crate::plan::{Mode, Topology};
use crate::rng::Seeds;
use crate::value::{CacheName, Part, Value};

/// The protocol that a node follows.
pub(super) enum Participant {
    Real { manual: Box<ManualNode>, caches: Caches, watcher: Watcher },
    Naive(Naive),
}

/// A load that is under way.
pub(super) struct Load {
    pub(super) cache: CacheName,
    pub(super) key: u64,
    /// `None` for a naive node.
    pub(super) fill: Option<Fill<u64, Value>>,
    /// When the read began that it is for.
    pub(super) read: Place,
    pub(super) began: u64,
    pub(super) tag_late: bool,
    /// What the source said.
    pub(super) parts: Vec<Part>,
}

/// An invalidation whose receipt has not resolved.
pub(super) struct Waiting {
    pub(super) published: BoxFuture<bool>,
    pub(super) key: u64,
    pub(super) version: u64,
}

pub(super) struct SimNode {
    pub(super) life: u64,
    pub(super) participant: Option<Participant>,
    pub(super) clock: Arc<MachineClock>,
    /// Pauses and suspends that are on.
    pub(super) standing: u32,
    pub(super) path: Path,
    /// When the next wake is due; `u64::MAX` for none.
    pub(super) wake_at: u64,
    pub(super) next_connection: u64,
    /// Connections up to this one carry nothing any more, and nobody gets an error.
    pub(super) dead_connections: u64,
    pub(super) subscription: Option<Subscription>,
    /// The place in the stream up to which it has taken what was sent to it, if it follows.
    pub(super) follows: Option<u64>,
    /// The publishing connection; 0 for none.
    pub(super) publishing: u64,
    pub(super) publishes: BTreeSet<u64>,
    /// The publishing connection that last reached a server, and which.
    publishing_at: (u64, u64),
    pub(super) loads: Vec<Option<Load>>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) accepted: u64,
    /// Digests of the frames met on this subscription.
    pub(super) met: BTreeSet<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Subscription {
    pub(super) connection: u64,
    /// The server, once it has confirmed.
    pub(super) server: Option<u64>,
}

impl SimNode {
    pub(super) fn new(clock: Arc<MachineClock>) -> Self {
        Self {
            life: 0,
            participant: None,
            clock,
            standing: 0,
            path: Path::default(),
            wake_at: u64::MAX,
            next_connection: 1,
            dead_connections: 0,
            subscription: None,
            follows: None,
            publishing: 0,
            publishes: BTreeSet::new(),
            publishing_at: (0, 0),
            loads: Vec::new(),
            waiting: Vec::new(),
            accepted: 0,
            met: BTreeSet::new(),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.participant.is_some() && self.standing == 0
    }

    pub(super) fn open_connection(&mut self) -> u64 {
        self.next_connection += 1;
        self.next_connection
    }

    /// The server that a publishing connection leads to, which is the present primary if it is new; and whether it
    /// is new.
    pub(super) fn server_of(&mut self, connection: u64, primary: u64) -> (u64, bool) {
        let is_new = self.publishing_at.0 != connection;
        if is_new {
            self.publishing_at = (connection, primary);
        }
        (self.publishing_at.1, is_new)
    }

    /// The process is gone.
    pub(super) fn stop(&mut self) {
        self.participant = None;
        self.path.forget();
        self.subscription = None;
        self.publishing = 0;
        self.publishes.clear();
        self.loads.clear();
        self.waiting.clear();
        self.met.clear();
        self.accepted = 0;
        self.dead_connections = self.next_connection;
    }

    /// Whether an attempt of its transport is still waited for.
    pub(super) fn awaits(&self, attempt: Attempt) -> bool {
        match attempt {
            Attempt::Subscribe { connection } => self
                .subscription
                .is_some_and(|it| it.connection == connection && it.server.is_none()),
            Attempt::Publish { id } => self.publishes.contains(&id),
        }
    }

    pub(super) fn counters(&self) -> Option<Counters> {
        match &self.participant {
            Some(Participant::Real { manual, .. }) => Some(manual.counters()),
            _ => None,
        }
    }

    /// The name under which it speaks.
    pub(super) fn origin(&self) -> Option<NodeId> {
        match &self.participant {
            Some(Participant::Real { manual, .. }) => Some(manual.id()),
            _ => None,
        }
    }

    /// Its condition, as a report names it.
    pub(super) fn state(&self) -> &'static str {
        if self.standing > 0 {
            return "paused";
        }
        match &self.participant {
            None => "down",
            Some(Participant::Real { manual, .. }) => state_name(manual.status().state),
            Some(Participant::Naive(_)) => {
                let up = self.subscription.is_some_and(|it| it.server.is_some());
                if up { "live" } else { "disconnected" }
            }
        }
    }

    /// Loads of this row that are under way.
    pub(super) fn loading(&self, cache: CacheName, key: u64) -> usize {
        self.loads.iter().flatten().filter(|load| (load.cache, load.key) == (cache, key)).count()
    }
}

pub(crate) fn state_name(state: unstale::State) -> &'static str {
    match state {
        unstale::State::Live => "live",
        unstale::State::Starting => "starting",
        unstale::State::Suspect => "suspect",
        unstale::State::Disconnected => "disconnected",
    }
}

/// For how long silent nodes are listed by those with a short memory.
pub(crate) const SHORT_WINDOW: Duration = Duration::from_millis(1_200);

/// Tables so small that a run of seconds fills them, and times that end within it.
pub(crate) fn limits(topology: &Topology) -> Limits {
    let mut limits = Limits::default();
    if topology.tiny_tables {
        limits.outbox_targets = Some(8);
        limits.log_frames = Some(24);
        limits.origins = Some(topology.nodes.max(3));
        limits.own_frames = Some(6);
        limits.answer_bytes = Some(2_000);
        limits.ranges = Some(2);
    }
    if topology.short_memory {
        limits.beacon_steady = Some(Duration::from_millis(400));
        limits.vector_window = Some(SHORT_WINDOW);
    }
    limits
}

/// Starts a process.
pub(super) fn start(
    topology: &Topology,
    terms: &Terms,
    node: usize,
    clock: &Arc<MachineClock>,
    seeds: Seeds,
    history: &SharedHistory,
    look_every: u64,
) -> Result<Participant, ConfigError> {
    if topology.mode == Mode::Naive {
        return Ok(Participant::Naive(Naive::default()));
    }
    let runtime: Arc<dyn Runtime> =
        Arc::new(NodeRuntime { clock: Arc::clone(clock), seeds, drawn: AtomicU64::new(0) });
    let freshness = match topology.mode {
        Mode::Within { ms } => Freshness::Within(Duration::from_millis(ms)),
        Mode::Eventual | Mode::Naive => Freshness::Eventual { cap: None },
    };
    let mut builder = ManualNode::builder(NAMESPACE, runtime)
        .freshness(freshness)
        .native_fences(topology.native_fences)
        .limits(limits(topology));
    if topology.authenticated {
        builder = builder.authentication(Authentication::sign_with(1, SECRET));
    }
    if topology.tiny_tables {
        builder = builder.max_frame_bytes(4 * 1024);
    }
    let mut manual = builder.build();
    let caches = Caches::build(&manual, terms, topology, node)?;
    manual.adapt_fences();
    let watcher = Watcher::new(node, Arc::clone(history), look_every);
    watcher.watch(&caches);
    manual.set_probe(Arc::new(watcher.clone()));
    Ok(Participant::Real { manual: Box::new(manual), caches, watcher })
}

/// Shared by all simulated nodes.
pub(crate) const SECRET: &[u8] = b"a secret of the simulation's own";

/// Time and randomness of one process.
#[derive(Debug)]
struct NodeRuntime {
    clock: Arc<MachineClock>,
    seeds: Seeds,
    drawn: AtomicU64,
}

impl Runtime for NodeRuntime {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn upper_now(&self) -> Timestamp {
        self.clock.upper_now()
    }

    fn resynchronize(&self) -> Duration {
        self.clock.resynchronize()
    }

    /// Nothing that is moved by hand sleeps.
    fn sleep_until(&self, _deadline: Timestamp) -> BoxFuture<()> {
        Box::pin(std::future::pending())
    }

    fn spawn(&self, _name: &'static str, _task: BoxFuture<()>) {}

    fn random_seed(&self) -> u64 {
        self.seeds.draw(self.drawn.fetch_add(1, Ordering::Relaxed))
    }
}
