//! A transport of a user's own in the simulator: a good one holds, and bad ones are found out.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "../examples/scenario/hub.rs"]
mod hub;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use unstale::transport::{Capabilities, Item, SequencerId, Subscription, TransportError};
use unstale::{Runtime, Transport};
use unstale_sim::plan::{Fault, FaultKind};
use unstale_sim::report::{Outcome, Report, Speed};
use unstale_sim::{BoxError, HostContext, Profile, Scenario, Workload};

fn scenario<T>(transport: T) -> Scenario
where
    T: Fn(&HostContext) -> Result<Arc<dyn Transport>, BoxError> + Send + Sync + 'static,
{
    Scenario::new("a hub", transport)
        .broker("hub", hub::serve)
        .nodes(3)
        .freshness(Duration::from_millis(500))
        .duration(Duration::from_secs(12))
        .workload(Workload { reads_per_s: 20.0, writes_per_s: 5.0, keys: 6 })
        .seeds(0..4)
}

fn good() -> Scenario {
    scenario(|host| Ok(Arc::new(hub::HubTransport::new(host))))
}

fn row<'a>(report: &'a Report, name: &str) -> Option<&'a str> {
    report.configuration.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
}

#[test]
fn a_good_transport_holds_and_repeats_itself() {
    let run = || good().run().unwrap();
    let [first, second] = [run(), run()].map(|report| Report { speed: Speed::default(), ..report });
    assert_eq!(first.verdict.outcome, Outcome::Held);
    assert_eq!(first.verdict.runs, 4);
    assert_eq!(first.title, "a hub");
    for id in ["G1", "G2", "G3", "G4", "G5", "NV"] {
        let row = first.guarantees.iter().find(|row| row.id == id).unwrap();
        assert!(row.checked > 0, "{id} was never checked");
    }
    assert!(first == second, "the same seeds gave another report");
}

#[test]
fn a_storm_is_held_too() {
    let report = good().profile(Profile::Storm).seeds(0..3).run().unwrap();
    assert_eq!(report.verdict.outcome, Outcome::Held);
}

#[test]
fn faults_that_reach_into_a_broker_are_left_out_and_named() {
    let scenario = good();
    let mut struck = 0;
    for seed in 0..50 {
        for fault in scenario.plan(seed).faults {
            let reaches = matches!(
                fault.kind,
                FaultKind::Failover { .. } | FaultKind::Cut { .. } | FaultKind::LoseTo { .. }
            );
            assert!(!reaches, "{fault:?}");
            struck += usize::from(matches!(fault.kind, FaultKind::BrokerRestart { .. }));
        }
    }
    assert!(struck > 10);
    let report = scenario.seeds(0..1).run().unwrap();
    let left_out = row(&report, "faults left out").unwrap();
    assert!(left_out.contains("failover") && !left_out.contains("partition"), "{left_out}");
    assert_eq!(row(&report, "brokers"), Some("hub"));
}

/// It opens a new subscription behind its caller's back whenever one ends.
struct Silent {
    inner: Arc<dyn Transport>,
    runtime: Arc<dyn Runtime>,
}

type Opening = Pin<Box<dyn Future<Output = Box<dyn Subscription>> + Send>>;

struct SilentSubscription {
    inner: Box<dyn Subscription>,
    sequencer: Option<SequencerId>,
    opening: Option<Opening>,
    again: Box<dyn Fn() -> Opening + Send>,
}

#[async_trait]
impl Transport for Silent {
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, TransportError> {
        let inner = self.inner.subscribe().await?;
        let (transport, runtime) = (Arc::clone(&self.inner), Arc::clone(&self.runtime));
        let again = move || -> Opening {
            let (transport, runtime) = (Arc::clone(&transport), Arc::clone(&runtime));
            Box::pin(async move {
                loop {
                    runtime.sleep_until(runtime.now().after(Duration::from_millis(100))).await;
                    if let Ok(opened) = transport.subscribe().await {
                        return opened;
                    }
                }
            })
        };
        let sequencer = inner.sequencer().cloned();
        let again = Box::new(again);
        Ok(Box::new(SilentSubscription { inner, sequencer, opening: None, again }))
    }

    async fn publish(&self, frame: Bytes) -> Result<(), TransportError> {
        self.inner.publish(frame).await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}

#[async_trait]
impl Subscription for SilentSubscription {
    fn sequencer(&self) -> Option<&SequencerId> {
        self.sequencer.as_ref()
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        loop {
            if let Some(opening) = &mut self.opening {
                match opening.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(opened) => (self.inner, self.opening) = (opened, None),
                }
            }
            match self.inner.poll_next(context) {
                Poll::Ready(Err(_)) => self.opening = Some((self.again)()),
                item => return item,
            }
        }
    }

    fn fence(&mut self, token: u64) {
        self.inner.fence(token);
    }

    async fn close(self: Box<Self>) {
        self.inner.close().await;
    }
}

fn silent() -> Scenario {
    scenario(|host| {
        let inner = Arc::new(hub::HubTransport::new(host));
        Ok(Arc::new(Silent { inner, runtime: Arc::clone(host.runtime()) }))
    })
}

#[test]
fn a_transport_that_reconnects_silently_is_found_out() {
    let failure = silent().seeds(0..40).run().unwrap_err();
    assert!(failure.violation.guarantee.starts_with('G'), "{failure}");
    assert_eq!(failure.plan.seed, failure.seed);
    assert_ne!(failure.report.verdict.outcome, Outcome::Held);
    assert!(failure.to_string().contains(&format!(".seeds({}..", failure.seed)), "{failure}");
    // The plan alone shows it too.
    let again = silent().run_plan(&failure.plan).unwrap_err();
    assert_eq!(again.violation, failure.violation);
}

#[test]
fn a_broker_that_fails_is_a_failure() {
    let scenario = Scenario::new("a hub", |host| Ok(Arc::new(hub::HubTransport::new(host))))
        .broker("hub", || async { Err("the disk is full".into()) })
        .seeds(0..1);
    let failure = scenario.run().unwrap_err();
    assert_eq!(failure.violation.guarantee, "NV");
    assert!(failure.violation.what.contains("the disk is full"), "{failure}");
}

#[test]
fn no_seed_proves_nothing() {
    let failure = good().seeds(3..3).run().unwrap_err();
    assert_eq!(failure.violation.what, "there was no seed to run");
    assert_eq!(failure.report.verdict.outcome, Outcome::Liveness);
}

#[test]
fn a_broker_that_is_killed_comes_back() {
    let scenario = good();
    let mut plan = scenario.plan(1);
    plan.faults = vec![Fault { at_ms: 2_000, kind: FaultKind::BrokerRestart { for_ms: 700 } }];
    let report = scenario.run_plan(&plan).unwrap();
    let states: Vec<_> = report.timeline.nodes.iter().flat_map(|row| &row.spans).collect();
    assert!(states.iter().any(|span| span.state != "live" && span.from_ms > 2_000.0));
    assert_eq!(report.timeline.shades.len(), 1);
}
