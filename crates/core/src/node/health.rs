//! What a node tells of itself: status, counters, proofs.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::node_id::NodeId;
use crate::protocol::{Counters, Replica, State, Status};
use crate::time::Timestamp;

/// Collected from the drivers of all lanes.
#[derive(Debug)]
pub(super) struct Health {
    lanes: Mutex<Vec<Option<LaneHealth>>>,
    status: watch::Sender<Status>,
    proofs: watch::Sender<Proof>,
}

#[derive(Clone, Debug)]
struct LaneHealth {
    id: NodeId,
    status: Status,
    counters: Counters,
}

/// How far the proofs of all lanes reach, and whether more are to be expected soon.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proof {
    pub(super) horizon: Timestamp,
    pub(super) live: bool,
}

impl Health {
    pub(super) fn new(lanes: usize, now: Timestamp) -> Self {
        let starting = Status {
            state: State::Starting,
            since: now,
            reason: Some(crate::protocol::Reason::Connecting),
            warnings: Vec::new(),
        };
        Self {
            lanes: Mutex::new(vec![None; lanes]),
            status: watch::Sender::new(starting),
            proofs: watch::Sender::new(Proof { horizon: Timestamp::ZERO, live: false }),
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<Option<LaneHealth>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what a replica says of itself. Returns the node's status if it changed.
    pub(super) fn publish(&self, lane: usize, replica: &Replica) -> Option<Status> {
        let mut lanes = self.lanes();
        let counters = replica.counters();
        match &mut lanes[lane] {
            Some(known) if known.status == *replica.status() && known.id == replica.id() => {
                known.counters = counters;
                return None;
            }
            known => {
                let status = replica.status().clone();
                *known = Some(LaneHealth { id: replica.id(), status, counters });
            }
        }
        // The worst lane speaks for the node: nothing is proven that it has not proven.
        let worst = lanes.iter().flatten().map(|lane| &lane.status).max_by_key(|it| it.state)?;
        let mut combined = worst.clone();
        for status in lanes.iter().flatten().map(|lane| &lane.status) {
            combined.warnings.extend(status.warnings.iter().cloned());
        }
        combined.warnings.sort();
        combined.warnings.dedup();
        // The table stays locked: of two lanes that change together the later must have the last word.
        let live = combined.state == State::Live;
        self.proofs.send_if_modified(|proof| std::mem::replace(&mut proof.live, live) != live);
        let changed = self.status.send_if_modified(|status| {
            let changed = *status != combined;
            status.clone_from(&combined);
            changed
        });
        changed.then_some(combined)
    }

    pub(super) fn advance(&self, horizon: Timestamp) {
        self.proofs.send_if_modified(|proof| {
            let later = horizon > proof.horizon;
            proof.horizon = proof.horizon.max(horizon);
            later
        });
    }

    pub(super) fn proofs(&self) -> watch::Receiver<Proof> {
        self.proofs.subscribe()
    }

    pub(super) fn id(&self) -> NodeId {
        let first = self.lanes().first().and_then(|lane| lane.as_ref().map(|lane| lane.id));
        first.unwrap_or(NodeId::from_bytes([0; 16]))
    }

    pub(super) fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    pub(super) fn stream(&self) -> StatusStream {
        StatusStream { status: self.status.subscribe(), begun: false }
    }

    pub(super) fn counters(&self) -> Counters {
        let lanes = self.lanes();
        let each = lanes.iter().flatten().map(|lane| lane.counters);
        each.reduce(Counters::plus).unwrap_or_default()
    }
}

/// The condition of a node: first as it is, then at every change. Conditions that nobody waited for may be
/// skipped; the last one never is.
#[derive(Clone, Debug)]
pub struct StatusStream {
    status: watch::Receiver<Status>,
    begun: bool,
}

impl StatusStream {
    /// The next condition; `None` when the node is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Status> {
        if self.begun {
            self.status.changed().await.ok()?;
        }
        self.begun = true;
        Some(self.status.borrow_and_update().clone())
    }

    /// Waits until the node is in this condition; `false` when it is gone. Cancel safe.
    pub async fn reaches(&mut self, state: State) -> bool {
        self.status.wait_for(|status| status.state == state).await.is_ok()
    }
}
