//! What the benchmarks share: a live node with caches, over the in-process hub.

use std::time::Duration;

use tokio::runtime::Runtime;
use unstale::{Cache, CacheBuilder, CacheValue, Freshness, Loaded, Node, State};
use unstale_memory::Hub;

/// Keys of every cache here; all of them fit.
pub const KEYS: u64 = 10_000;

/// Room in every cache: twice the keys, so that nothing is ever evicted.
pub const CAPACITY: u64 = 2 * KEYS;

/// A live node with its own tokio runtime, on a hub of its own.
#[derive(Debug)]
pub struct Bench {
    runtime: Runtime,
    node: Node,
}

impl Bench {
    /// Starts the node and waits until it is live.
    ///
    /// # Panics
    /// If it does not start: there is nothing to measure then.
    pub fn start() -> Self {
        let threads =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = threads.expect("a tokio runtime");
        let node = runtime.block_on(async {
            let node = Node::builder("bench")
                .transport(Hub::new().transport())
                .freshness(Freshness::Within(Duration::from_secs(60)))
                .build()
                .expect("a valid configuration");
            assert!(node.status_stream().reaches(State::Live).await, "the node left");
            node
        });
        Self { runtime, node }
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
        let _inside = self.runtime.enter();
        let builder = configure(self.node.cache(name).capacity(CAPACITY));
        let cache = builder.build().expect("a valid configuration");
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
