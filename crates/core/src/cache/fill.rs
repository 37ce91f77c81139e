//! Storing a value that was read outside of a loader.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::context::{self, LoadContext, PassOn};
use super::flights::{Flight, Void};
use super::loaded::Loaded;
use super::store::{CacheKey, CacheValue, Store};
use super::waits::LoadId;
use crate::time::Timestamp;

/// A fill in progress: begun *before* the value is read from the source, it stores the value unless the
/// key, a tag or the cache was invalidated meanwhile, or a newer load or fill of the key began.
///
/// Dropping it stores nothing.
///
/// ```
/// # use unstale::State;
/// use unstale::{Cache, Node};
/// use unstale_memory::Hub;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let node = Node::builder("shop").transport(Hub::new().transport()).build()?;
/// # node.status_stream().reaches(State::Live).await;
/// let prices: Cache<u64, u32> = node.cache("prices").build()?;
///
/// let fill = prices.begin_fill(&7); // first this,
/// let price = 995; // then read the source,
/// assert!(fill.insert(price)); // then store
///
/// let fill = prices.begin_fill(&8);
/// let _ = prices.invalidate(&8); // meanwhile
/// assert!(!fill.insert(price));
/// # Ok(())
/// # }
/// ```
#[must_use = "read the source, then call `insert`"]
pub struct Fill<K: CacheKey, V: CacheValue> {
    store: Arc<Store<K, V>>,
    key: K,
    load: LoadId,
    tick: u64,
    start: Timestamp,
    context: LoadContext,
    settled: bool,
}

impl<K: CacheKey, V: CacheValue> Fill<K, V> {
    pub(crate) fn begin(store: &Arc<Store<K, V>>, key: K) -> Self {
        let shared = &store.shared;
        let load = shared.waits.next_load();
        let mut stripe = store.flights.lock(&key);
        let start = shared.runtime.now();
        let tick = shared.tick();
        let flight = Flight {
            load,
            tick,
            start,
            void: Void::No,
            queued: false,
            deadline: Timestamp::MAX,
            outcome: None,
        };
        // Where too many are in flight it will not be found again, and so not be stored.
        store.flights.add(&mut stripe, &key, flight);
        drop(stripe);
        let mut demand = store.settings.demand;
        if let Some(current) = context::current(shared).filter(|current| current.tracked) {
            demand = demand.and(current.context.demand());
        }
        Self {
            context: LoadContext::new(shared, load, tick, start, demand),
            store: Arc::clone(store),
            key,
            load,
            tick,
            start,
            settled: false,
        }
    }

    /// The entry is dropped when this tag is invalidated, now or later.
    pub fn tag(&self, tag: impl AsRef<str>) {
        self.context.tag(tag);
    }

    /// Runs a future whose reads of caches become dependencies of the value, as in a loader. Inside of a loader
    /// they become dependencies of what that one loads too.
    ///
    /// # Cancel safety
    /// That of `future`.
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        let shared = &self.store.shared;
        let outer = context::current(shared);
        let _waiting =
            outer.as_ref().and_then(|outer| shared.waits.wait(outer.context.load(), self.load));
        let _pass_on = PassOn::new(&self.context, outer.as_ref());
        self.context.scope(future).await
    }

    /// Stores the value. Returns whether it did; if not, the value is as good as any for the caller, but
    /// the cache holds nothing, or what a newer load found.
    pub fn insert(mut self, value: impl Into<Loaded<V>>) -> bool {
        let entry = self.store.entry(&self.key, value.into(), self.tick, self.start, &self.context);
        self.settled = true;
        self.store.settle_fill(&self.key, self.load, self.start, &entry)
    }

    /// Stores that the source has nothing under the key. Returns whether it did.
    pub fn insert_absent(self) -> bool {
        self.insert(Loaded::absent())
    }
}

impl<K: CacheKey, V: CacheValue> Drop for Fill<K, V> {
    fn drop(&mut self) {
        if !self.settled {
            let mut stripe = self.store.flights.lock(&self.key);
            self.store.flights.remove(&mut stripe, &self.key, self.load);
        }
    }
}

impl<K: CacheKey, V: CacheValue> fmt::Debug for Fill<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fill")
            .field("cache", &self.store.settings.name)
            .field("load", &self.load)
            .finish_non_exhaustive()
    }
}
