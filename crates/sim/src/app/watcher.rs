//! Carries what a node does to its caches into the history.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use unstale::simulation::{Named, Probe};
use unstale::{NodeId, Timestamp};

use super::Caches;
use crate::history::{Event, History};
use crate::value::Aim;

/// The history, as nodes reach it. All of a simulation runs on one thread: the lock is never contended.
pub(crate) type SharedHistory = Arc<Mutex<History>>;

pub(crate) fn lock(history: &SharedHistory) -> MutexGuard<'_, History> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches one life of one node.
#[derive(Clone)]
pub(crate) struct Watcher {
    inner: Arc<Inner>,
}

struct Inner {
    node: usize,
    history: SharedHistory,
    caches: OnceLock<Caches>,
    /// Every how many moves of the horizon the caches are looked into.
    look_every: u64,
    moves: AtomicU64,
    /// Everything that was applied or dropped.
    effects: AtomicU64,
}

impl Watcher {
    pub(crate) fn new(node: usize, history: SharedHistory, look_every: u64) -> Self {
        let inner = Inner {
            node,
            history,
            caches: OnceLock::new(),
            look_every,
            moves: AtomicU64::new(0),
            effects: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The caches that it looks into.
    pub(crate) fn watch(&self, caches: &Caches) {
        let _second = self.inner.caches.set(caches.clone());
    }

    /// How many targets were applied, and drops done.
    pub(crate) fn effects(&self) -> u64 {
        self.inner.effects.load(Ordering::Relaxed)
    }

    fn record(&self, event: &Event<'_>) {
        lock(&self.inner.history).record(event);
    }
}

impl Probe for Watcher {
    fn applied(&self, target: Named<'_>, _origin: Option<NodeId>) {
        self.inner.effects.fetch_add(1, Ordering::Relaxed);
        if let Some(aim) = Aim::of(target) {
            self.record(&Event::Applied { node: self.inner.node, aim });
        }
    }

    fn dropped(&self, _before: Timestamp) {
        self.inner.effects.fetch_add(1, Ordering::Relaxed);
        self.record(&Event::Dropped { node: self.inner.node });
    }

    fn advanced(&self, horizon: Timestamp) {
        let moves = self.inner.moves.fetch_add(1, Ordering::Relaxed);
        let looks = moves.is_multiple_of(self.inner.look_every);
        let caches = self.inner.caches.get().filter(|_| looks);
        let found = caches.map(Caches::found).unwrap_or_default();
        self.record(&Event::Advanced { node: self.inner.node, horizon, found: &found });
    }

    fn serving(&self, serving: bool) {
        if !serving {
            self.record(&Event::Dropped { node: self.inner.node });
        }
    }
}
