//! What a node does every few tens of milliseconds.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::health::Health;
use super::uplink::Router;
use crate::cache::domain::Domain;
use crate::mutation::{self, Mutation};
use crate::protocol::{Reason, State, Status, fence_interval, fence_timeout};
use crate::runtime::Runtime;
use crate::time::Timestamp;

/// How soon a machine suspend is noticed after the resume.
const TICK: Duration = Duration::from_millis(50);
/// Dead entries of one cache are reclaimed this often, and metrics exported.
const ROUND: Duration = Duration::from_secs(1);
/// A node whose caches were not read for this long proves no more than it needs to notice a dead connection.
const IDLE_AFTER: Duration = Duration::from_secs(600);
/// The same where every fence costs money.
const IDLE_AFTER_METERED: Duration = Duration::from_secs(60);
const IDLE_INTERVAL: Duration = Duration::from_secs(10);
/// The clocks came apart by this much: the machine was suspended.
const SUSPEND: Duration = Duration::from_millis(20);

/// Keeps the coarse clock right after a suspend, follows what the caches need of fences, and reclaims memory.
pub(super) struct Watchdog {
    idle_after: Duration,
    domain: Weak<Domain>,
    router: Arc<Router>,
    health: Arc<Health>,
    runtime: Arc<dyn Runtime>,
    #[cfg(feature = "metrics")]
    exporter: super::metrics::Exporter,
    reads: u64,
    last_read: Timestamp,
}

impl Watchdog {
    /// How long without a read until fences rest.
    pub(super) fn idle_after(metered: bool) -> Duration {
        if metered { IDLE_AFTER_METERED } else { IDLE_AFTER }
    }

    pub(super) fn new(
        idle_after: Duration,
        domain: Weak<Domain>,
        router: Arc<Router>,
        health: Arc<Health>,
        runtime: Arc<dyn Runtime>,
        #[cfg(feature = "metrics")] exporter: super::metrics::Exporter,
    ) -> Self {
        let last_read = runtime.now();
        Self {
            idle_after,
            domain,
            router,
            health,
            runtime,
            #[cfg(feature = "metrics")]
            exporter,
            reads: 0,
            last_read,
        }
    }

    /// Runs until the node is dropped.
    pub(super) async fn run(mut self) {
        let mut next_round = self.runtime.now();
        loop {
            let now = self.runtime.now();
            let Some(domain) = self.domain.upgrade() else { return };
            if !mutation::active(Mutation::SuspendNotNoticed)
                && self.runtime.resynchronize() > SUSPEND
            {
                tracing::info!("the machine was suspended: proving anew");
                self.router.lanes().iter().for_each(|lane| lane.hurry());
            }
            if is_connected(&self.health.status()) {
                domain.advance_connected(now);
            }
            self.adapt_fences(&domain, now);
            if now >= next_round {
                next_round = now.after(ROUND);
                domain.sweep();
                #[cfg(feature = "metrics")]
                self.exporter.export(&domain, &self.router, &self.health);
            }
            drop(domain);
            self.runtime.sleep_until(now.after(TICK)).await;
        }
    }

    fn adapt_fences(&mut self, domain: &Domain, now: Timestamp) {
        let reads = domain.reads_total();
        let resumed = reads != self.reads && now.since(self.last_read) > self.idle_after;
        if reads != self.reads {
            self.reads = reads;
            self.last_read = now;
        }
        let within = domain.smallest_within();
        let interval = match within {
            Some(within) if now.since(self.last_read) <= self.idle_after => fence_interval(within),
            _ => IDLE_INTERVAL,
        };
        let timeout = fence_timeout(within.unwrap_or(IDLE_INTERVAL));
        for lane in self.router.lanes() {
            let (known, _) = lane.fences();
            lane.set_fences(interval, timeout);
            if resumed || interval != known {
                lane.hurry();
            }
        }
    }
}

/// Whether the node has reason to believe that it hears the broker. A fence that is late is a reason not to.
fn is_connected(status: &Status) -> bool {
    match status.state {
        State::Live => true,
        State::Suspect => {
            status.reason != Some(Reason::FenceLate)
                || mutation::active(Mutation::LateFenceCountsAsConnected)
        }
        State::Starting | State::Disconnected => false,
    }
}
