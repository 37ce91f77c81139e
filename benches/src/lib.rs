//! What the benchmarks share: live nodes with caches, their floors, and where the figures go.

#[cfg(feature = "protocol")]
mod by_hand;
mod flood;
mod keys;
mod laden;
mod member;
mod paired;
mod redis_server;
mod report;

#[cfg(feature = "protocol")]
pub use by_hand::{HandClock, HandNode};
pub use flood::flood;
pub use keys::{DRAWN, hot, shuffled, uniform, zipf};
pub use laden::Laden;
pub use member::Member;
pub use paired::{Paired, Subject, cpu_time, process_cpu_time, timed};
pub use redis_server::{Cluster, Meter, RedisServer, Work};
pub use report::{Quantiles, Report, is_quick};

use std::time::Duration;

use tokio::runtime::Runtime;
use unstale::{Cache, CacheBuilder, CacheValue, Freshness, Loaded, Node, NodeBuilder, State};
use unstale_memory::Hub;

/// Keys of every cache here; all of them fit.
pub const KEYS: u64 = 10_000;

/// Room in every cache: twice the keys, so that nothing is ever evicted.
pub const CAPACITY: u64 = 2 * KEYS;

/// A live node with its own tokio runtime of one thread.
#[derive(Debug)]
pub struct Bench {
    runtime: Runtime,
    node: Node,
}

impl Bench {
    /// Starts a node on a hub of its own.
    ///
    /// # Panics
    /// If it does not start: there is nothing to measure then.
    pub fn start() -> Self {
        Self::start_with(&Hub::new(), |builder| builder)
    }

    /// Starts a node with `Within(60 s)` on this hub, configured further, and waits until it is live.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_with(hub: &Hub, configure: impl FnOnce(NodeBuilder) -> NodeBuilder) -> Self {
        let threads =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = threads.expect("a tokio runtime");
        let node = runtime.block_on(async {
            let builder = Node::builder("bench")
                .transport(hub.transport())
                .freshness(Freshness::Within(Duration::from_secs(60)));
            let node = configure(builder).build().expect("a valid configuration");
            assert!(node.status_stream().reaches(State::Live).await, "the node left");
            node
        });
        Self { runtime, node }
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The runtime that the node's tasks run on.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// An empty cache.
    ///
    /// # Panics
    /// If there is one of this name already.
    pub fn empty<V: CacheValue>(
        &self,
        name: &str,
        configure: impl FnOnce(CacheBuilder<u64, V>) -> CacheBuilder<u64, V>,
    ) -> Cache<u64, V> {
        let _inside = self.runtime.enter();
        let builder = configure(self.node.cache(name).capacity(CAPACITY));
        builder.build().expect("a valid configuration")
    }

    /// A cache in which every key from 0 to [`KEYS`] has this value, and as many tags.
    ///
    /// # Panics
    /// If a value is not stored.
    pub fn cache<V: CacheValue>(
        &self,
        name: &str,
        tags: usize,
        value: impl Fn(u64) -> V,
        configure: impl FnOnce(CacheBuilder<u64, V>) -> CacheBuilder<u64, V>,
    ) -> Cache<u64, V> {
        let cache = self.empty(name, configure);
        for key in 0..KEYS {
            // Tags of different entries overlap, as categories of products do.
            let loaded = (0..tags).fold(Loaded::new(value(key)), |loaded, tag| {
                loaded.tag(format!("{tag}:{}", key % 100))
            });
            assert!(cache.begin_fill(&key).insert(loaded), "key {key} was not stored");
        }
        assert!((0..KEYS).all(|key| cache.contains(&key)), "a key is missing");
        cache
    }
}

/// The floor: the engine by itself, with the same keys and values.
///
/// # Panics
/// If a value is not stored.
pub fn raw<V: Clone>(value: impl Fn(u64) -> V) -> quick_cache::sync::Cache<u64, V> {
    let capacity = usize::try_from(CAPACITY).expect("a small number");
    let cache = quick_cache::sync::Cache::new(capacity);
    for key in 0..KEYS {
        cache.insert(key, value(key));
    }
    assert!((0..KEYS).all(|key| cache.get(&key).is_some()), "a key is missing");
    cache
}
