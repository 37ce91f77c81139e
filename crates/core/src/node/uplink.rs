//! From the caches to the lanes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use twox_hash::XxHash3_64;

use super::health::Health;
use super::lane::Lane;
use crate::cache::uplink::Uplink;
use crate::receipt::Receipt;
use crate::runtime::{BoxFuture, Runtime};
use crate::target::Target;
use crate::time::Timestamp;

/// Spreads targets over the lanes, and knows how far the proofs of all of them reach.
pub(super) struct Router {
    lanes: Vec<Arc<Lane>>,
    health: Arc<Health>,
    /// The horizon of each lane; the node's is the smallest.
    horizons: Arc<[AtomicU64]>,
    runtime: Arc<dyn Runtime>,
}

impl Router {
    pub(super) fn new(
        lanes: Vec<Arc<Lane>>,
        health: Arc<Health>,
        horizons: Arc<[AtomicU64]>,
        runtime: Arc<dyn Runtime>,
    ) -> Self {
        Self { lanes, health, horizons, runtime }
    }

    pub(super) fn lanes(&self) -> &[Arc<Lane>] {
        &self.lanes
    }

    /// Targets that wait for the broker.
    pub(super) fn outbox_len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.outbox.len()).sum()
    }

    /// The lane of a target, the same on every node: `docs/wire-format.md` says how.
    fn lane_of(&self, target: &Target) -> usize {
        let hash = match target {
            Target::Key { cache, key, .. } => {
                XxHash3_64::oneshot_with_seed(XxHash3_64::oneshot(cache.as_bytes()), key)
            }
            Target::Tag(name) | Target::Cache(name) => XxHash3_64::oneshot(name.as_bytes()),
            Target::Everything => 0,
        };
        (hash % self.lanes.len() as u64) as usize
    }
}

impl Uplink for Router {
    fn publish(&self, targets: Vec<Target>) -> Receipt {
        if let [lane] = &self.lanes[..] {
            return Receipt::new(lane.push(targets));
        }
        let mut spread: Vec<Vec<Target>> = self.lanes.iter().map(|_| Vec::new()).collect();
        for target in targets {
            spread[self.lane_of(&target)].push(target);
        }
        let lanes = self.lanes.iter().zip(spread).filter(|(_, targets)| !targets.is_empty());
        Receipt::join(lanes.map(|(lane, targets)| lane.push(targets)).collect())
    }

    fn prove(&self, not_before: Timestamp) -> BoxFuture<bool> {
        let mut stream = self.health.proofs();
        for (lane, horizon) in self.lanes.iter().zip(&self.horizons[..]) {
            if horizon.load(Ordering::Acquire) < not_before.as_nanos() {
                lane.hurry();
            }
        }
        // A fence that takes longer than this is late, whatever the status says by then.
        let (_, timeout) = self.lanes[0].fences();
        let late = self.runtime.sleep_until(self.runtime.now().after(timeout));
        Box::pin(async move {
            let proven = stream.wait_for(|proof| !proof.live || proof.horizon >= not_before);
            tokio::select! {
                biased;
                proof = proven => proof.is_ok_and(|proof| proof.horizon >= not_before),
                () = late => false,
            }
        })
    }
}
