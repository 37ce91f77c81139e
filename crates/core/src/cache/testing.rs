//! A clock that a test moves, and a node without a network.

#![cfg_attr(feature = "model", allow(dead_code, reason = "the model tests use a part of it"))]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::builder::CacheBuilder;
use super::cells::CellTable;
use super::domain::Domain;
use super::store::{CacheKey, CacheValue};
use super::uplink::Uplink;
use crate::freshness::Freshness;
use crate::receipt::Receipt;
use crate::runtime::{BoxFuture, Runtime};
use crate::target::Target;
use crate::time::Timestamp;

/// The staleness that the tests' nodes promise.
pub(crate) const WITHIN: Duration = Duration::from_millis(100);

/// A runtime whose time stands still until it is moved.
#[derive(Debug)]
pub(crate) struct ManualRuntime {
    now: watch::Sender<u64>,
    /// How far the cheap clock is ahead, in nanoseconds.
    ahead: AtomicU64,
    seed: AtomicU64,
}

impl ManualRuntime {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            now: watch::Sender::new(1_000_000_000),
            ahead: AtomicU64::new(0),
            seed: AtomicU64::new(1),
        })
    }

    /// Makes the cheap clock run ahead of the precise one.
    pub(crate) fn set_ahead(&self, by: Duration) {
        self.ahead.store(crate::time::saturating_nanos(by), Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, by: Duration) {
        let by = crate::time::saturating_nanos(by);
        self.now.send_modify(|now| *now += by);
    }
}

impl Runtime for ManualRuntime {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(*self.now.borrow())
    }

    fn upper_now(&self) -> Timestamp {
        self.now().after(Duration::from_nanos(self.ahead.load(Ordering::Relaxed)))
    }

    fn resynchronize(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<()> {
        let mut now = self.now.subscribe();
        Box::pin(async move {
            // An error would say that the runtime is gone, and time with it.
            if now.wait_for(|now| *now >= deadline.as_nanos()).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }

    fn spawn(&self, _name: &'static str, _task: BoxFuture<()>) {
        panic!("caches spawn nothing");
    }

    fn random_seed(&self) -> u64 {
        self.seed.fetch_add(1, Ordering::Relaxed)
    }
}

/// Remembers what was published; proves what it is told to.
#[derive(Default)]
pub(crate) struct FakeUplink {
    published: std::sync::Mutex<Vec<Target>>,
    domain: std::sync::OnceLock<std::sync::Weak<Domain>>,
    proves: AtomicBool,
    proofs_asked: AtomicU64,
}

impl FakeUplink {
    pub(crate) fn take_published(&self) -> Vec<Target> {
        std::mem::take(&mut *self.published.lock().unwrap())
    }

    /// From now on every proof that is asked for arrives at once.
    pub(crate) fn set_proves(&self, proves: bool) {
        self.proves.store(proves, Ordering::Relaxed);
    }

    pub(crate) fn proofs_asked(&self) -> u64 {
        self.proofs_asked.load(Ordering::Relaxed)
    }
}

impl Uplink for FakeUplink {
    fn publish(&self, targets: Vec<Target>) -> Receipt {
        self.published.lock().unwrap().extend(targets);
        Receipt::nothing_to_publish()
    }

    fn prove(&self, not_before: Timestamp) -> BoxFuture<bool> {
        self.proofs_asked.fetch_add(1, Ordering::Relaxed);
        let domain = self.domain.get().and_then(std::sync::Weak::upgrade);
        let proves = self.proves.load(Ordering::Relaxed);
        Box::pin(async move {
            if let Some(domain) = domain.filter(|_| proves) {
                domain.advance_horizon(not_before.after(Duration::from_millis(1)));
            }
            proves
        })
    }
}

/// A domain with all that a test needs to drive it.
pub(crate) struct TestNode {
    pub(crate) runtime: Arc<ManualRuntime>,
    pub(crate) uplink: Arc<FakeUplink>,
    pub(crate) domain: Arc<Domain>,
}

impl TestNode {
    pub(crate) fn new() -> Self {
        Self::with(Freshness::Within(WITHIN))
    }

    pub(crate) fn with(freshness: Freshness) -> Self {
        Self::with_cells(freshness, CellTable::new(1))
    }

    pub(crate) fn with_cells(freshness: Freshness, cells: CellTable) -> Self {
        let runtime = ManualRuntime::new();
        let uplink = Arc::new(FakeUplink::default());
        let domain = Domain::with_cells(
            Arc::clone(&runtime) as Arc<dyn Runtime>,
            Arc::clone(&uplink) as Arc<dyn Uplink>,
            freshness,
            cells,
        );
        uplink.domain.set(Arc::downgrade(&domain)).unwrap();
        Self { runtime, uplink, domain }
    }

    pub(crate) fn cache<K: CacheKey, V: CacheValue>(&self, name: &str) -> CacheBuilder<K, V> {
        CacheBuilder::new(Arc::clone(&self.domain), name)
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.runtime.advance(by);
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.runtime.now()
    }

    /// Proves that everything up to now was applied.
    pub(crate) fn prove_now(&self) {
        self.domain.advance_horizon(self.runtime.now());
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        // Every load has ended: none may be left behind in the tables.
        if !std::thread::panicking() {
            self.domain.shared.waits.assert_empty();
        }
    }
}
