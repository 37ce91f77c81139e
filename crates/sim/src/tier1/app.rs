//! What the application does in a process.

use std::sync::{Arc, Mutex, PoisonError};

use unstale::simulation::resident;
use unstale::{Cache, LoadContext, Loaded, Lookup};

use super::machine::sleep_ns;
use super::universe::{Process, Universe};
use crate::app::lock;
use crate::history::{Event, How};
use crate::plan::{Action, Means};
use crate::rng::stream_of;
use crate::value::{CacheName, Part, Value, below, is_absent, tag_name, tag_of};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The application of one node.
#[derive(Clone)]
pub(super) struct App {
    pub(super) universe: Arc<Universe>,
    pub(super) process: Process,
    pub(super) node: usize,
    /// Feeds the data source's latencies.
    pub(super) loads: Arc<Mutex<fastrand::Rng>>,
}

/// Ends a load in the history, however it ends.
struct Loading {
    universe: Arc<Universe>,
    node: usize,
    cache: CacheName,
    key: u64,
}

impl Drop for Loading {
    fn drop(&mut self) {
        let Self { node, cache, key, .. } = *self;
        self.universe.record(&Event::LoadEnded { node, cache, key });
    }
}

impl App {
    pub(super) fn new(universe: &Arc<Universe>, process: Process, node: usize, life: u64) -> Self {
        let loads = stream_of(universe.plan.seed, "loads", life);
        let loads = Arc::new(Mutex::new(loads));
        Self { universe: Arc::clone(universe), process, node, loads }
    }

    pub(super) async fn act(self, action: Action) {
        match action {
            Action::Read { key } => self.read(CacheName::Rows, key).await,
            Action::ReadLasting { key } => self.read(CacheName::Lasting, key).await,
            Action::ReadPage { key } => self.read(CacheName::Pages, key).await,
            Action::Write { key, by } => self.write(key, by).await,
        }
    }

    fn draw(&self, range: std::ops::Range<u64>) -> u64 {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner).u64(range)
    }

    // Reading.

    pub(super) async fn read(&self, name: CacheName, key: u64) {
        let Some(cache) = self.process.caches.get(name).cloned() else { return };
        let node = self.node;
        let began = lock(&self.universe.history).here();
        let lies_there = resident(&cache, &key).is_some_and(|entry| entry.served);
        let loads = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let told = Arc::clone(&loads);
        let app = self.clone();
        let result = cache
            .get_or_load_optional(&key, move |context| {
                told.store(true, std::sync::atomic::Ordering::Relaxed);
                app.load(name, key, context)
            })
            .await;
        let loaded = loads.load(std::sync::atomic::Ordering::Relaxed);
        let (how, value) = match result {
            Ok(value) if !loaded && lies_there => (How::Hit, value),
            Ok(value) => (How::Load, value),
            Err(_) => (How::Failed, None),
        };
        self.universe.record(&Event::Read { node, cache: name, key, began, how, value });
    }

    async fn load(
        self,
        cache: CacheName,
        key: u64,
        context: LoadContext,
    ) -> Result<Loaded<Value>, Failure> {
        let node = self.node;
        let began = Event::LoadBegan { node, cache, key, shared: true };
        let began = self.universe.record(&began).seq;
        let _loading = Loading { universe: Arc::clone(&self.universe), node, cache, key };
        match cache {
            CacheName::Rows | CacheName::Lasting => {
                self.load_row(cache, key, began, &context).await
            }
            CacheName::Shelves | CacheName::Pages => self.load_made(cache, key, began).await,
        }
    }

    async fn load_row(
        &self,
        cache: CacheName,
        key: u64,
        began: u64,
        context: &LoadContext,
    ) -> Result<Loaded<Value>, Failure> {
        let node = self.node;
        let tag = tag_name(tag_of(key));
        let tag_late = self.draw(0..2) == 0;
        if !tag_late {
            context.tag(&tag);
        }
        let most = self.universe.plan.topology.source_max_us * 1_000;
        let slow = self.universe.source().slowness_ms() * 1_000_000;
        let whole = self.draw(200_000..most.max(300_000)) + slow;
        let before = self.draw(0..whole);
        sleep_ns(before).await;
        let version = self.universe.source().version(key);
        sleep_ns(whole - before).await;
        if self.universe.source().is_failing() {
            return Err("the data source fails".into());
        }
        if tag_late {
            context.tag(&tag);
        }
        if is_absent(version) {
            self.universe.record(&Event::FoundNothing { node, cache, key, version, began });
            return Ok(Loaded::absent());
        }
        Ok(Loaded::new(Value::row(Part { cache, key, version, began })))
    }

    /// Shelves are made of rows, pages of shelves.
    async fn load_made(
        &self,
        cache: CacheName,
        key: u64,
        began: u64,
    ) -> Result<Loaded<Value>, Failure> {
        let mut parts = Vec::new();
        for key in below(key, self.universe.plan.topology.keys) {
            let inner =
                if cache == CacheName::Pages { CacheName::Shelves } else { CacheName::Rows };
            parts.extend(self.inner_read(inner, key).await?);
        }
        Ok(Loaded::new(Value { began, parts: parts.into() }))
    }

    async fn inner_read(&self, name: CacheName, key: u64) -> Result<Vec<Part>, Failure> {
        let Some(cache) = self.process.caches.get(name).cloned() else { return Ok(Vec::new()) };
        let app = self.clone();
        let load = move |context| async move { Box::pin(app.load(name, key, context)).await };
        let value = cache.get_or_load_optional(&key, load).await?;
        Ok(lock(&self.universe.history).facts.nodes[self.node].parts(name, key, value.as_ref()))
    }

    // Writing.

    async fn write(&self, key: u64, by: Means) {
        let node = self.node;
        let version = self.universe.commit(Some(node), key);
        let Process { node: handle, caches, .. } = &self.process;
        let receipts = match by {
            Means::Key => vec![caches.rows.invalidate(&key), caches.lasting.invalidate(&key)],
            Means::Tag => vec![handle.invalidate_tag(&tag_name(tag_of(key)))],
            Means::KeyAndTag => {
                vec![caches.rows.invalidate(&key), handle.invalidate_tag(&tag_name(tag_of(key)))]
            }
            Means::Cache => vec![caches.rows.clear(), caches.lasting.clear()],
            Means::Everything => vec![handle.clear()],
        };
        self.universe.record(&Event::Invalidated { node, key, version, by });
        for receipt in receipts {
            if receipt.published().await.is_err() {
                return;
            }
        }
        self.universe.record(&Event::Completed { key, version });
    }

    // The last part of a run.

    pub(super) fn reread(&self, name: CacheName) {
        let Some(cache): Option<&Cache<u64, Value>> = self.process.caches.get(name) else { return };
        for key in 0..self.universe.plan.topology.keys {
            let hit = !matches!(cache.lookup(&key), Lookup::Miss);
            self.universe.record(&Event::Reread { node: self.node, hit });
        }
    }
}
