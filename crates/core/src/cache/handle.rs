//! The handle of a cache: what applications use.

use std::borrow::Borrow;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use super::context::LoadContext;
use super::error::LoadError;
use super::events::EventStream;
use super::fill::Fill;
use super::guard::InvalidateGuard;
use super::load::BoxError;
use super::loaded::Loaded;
use super::many;
use super::read::Step;
use super::stats::Stats;
use super::store::{CacheKey, CacheValue, Store};
use crate::receipt::Receipt;

/// A named, bounded local map that is kept coherent with those of the same name on the other nodes.
///
/// Cheap to clone; all clones are the same cache. It works as long as its node does, and when the node is
/// gone it serves only what needs no proof from the others.
///
/// Reads inside of a loader, of any cache of the same node, make what is being loaded depend on what they
/// read; see [`LoadContext`].
///
/// ```
/// use std::convert::Infallible;
/// # use unstale::State;
/// use unstale::{Cache, Lookup, Node};
/// use unstale_memory::Hub;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let node = Node::builder("shop").transport(Hub::new().transport()).build()?;
/// # node.status_stream().reaches(State::Live).await;
/// let prices: Cache<u64, u32> = node.cache("prices").build()?;
/// let in_database = |id: u64| async move { Ok::<_, Infallible>((id < 100).then_some(995_u32)) };
///
/// assert_eq!(prices.get_or_load_optional(&7, |_| in_database(7)).await?, Some(995));
/// assert_eq!(prices.get_or_load_optional(&700, |_| in_database(700)).await?, None);
/// assert_eq!(prices.lookup(&7), Lookup::Hit(995));
/// assert_eq!(prices.lookup(&700), Lookup::Absent); // known not to be there
/// assert_eq!(prices.lookup(&8), Lookup::Miss);
///
/// let _ = prices.invalidate(&7);
/// assert_eq!(prices.get(&7), None);
/// assert_eq!(prices.stats().loads, 2);
/// # Ok(())
/// # }
/// ```
pub struct Cache<K: CacheKey, V: CacheValue> {
    store: Arc<Store<K, V>>,
}

/// What [`Cache::lookup`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lookup<V> {
    /// A value.
    Hit(V),
    /// The source is known to have nothing under this key.
    Absent,
    /// Nothing is cached, or it cannot be proven fresh enough.
    Miss,
}

impl<K: CacheKey, V: CacheValue> Cache<K, V> {
    pub(crate) fn new(store: Arc<Store<K, V>>) -> Self {
        Self { store }
    }

    #[cfg(any(all(test, not(feature = "model")), feature = "simulation"))]
    pub(crate) fn store(&self) -> &Store<K, V> {
        &self.store
    }

    /// The cache's name, the same on all nodes.
    pub fn name(&self) -> &str {
        &self.store.settings.name
    }

    /// The value of a key, if it is cached and fresh enough. Never waits, never allocates.
    #[inline]
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.store.get(key)?
    }

    /// Like [`get`](Self::get), but tells a value that is known not to exist from one that is not known.
    pub fn lookup<Q>(&self, key: &Q) -> Lookup<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        match self.store.get(key) {
            Some(Some(value)) => Lookup::Hit(value),
            Some(None) => Lookup::Absent,
            None => Lookup::Miss,
        }
    }

    /// Whether [`get`](Self::get) would return a value. Counts as a read.
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.get(key).is_some()
    }

    /// The value of a key, from the cache or else from `loader`.
    ///
    /// Of all readers of a key one runs its loader, the others wait for its result. It is stored unless
    /// something that it depends on was invalidated meanwhile. When that reader is cancelled or panics,
    /// another one loads. An entry that only lacks proof of its freshness gets one round trip to the broker
    /// to be proven before it is loaded again.
    ///
    /// # Errors
    /// The loader's error, for all who waited for it; it is not cached. Also when the load takes longer than
    /// the cache's load time-out, and when the source has nothing under the key: use
    /// [`get_or_load_optional`](Self::get_or_load_optional) for keys that need not exist. And when it is a load
    /// inside of loads that are nested more than 32 deep.
    ///
    /// # Cancel safety
    /// Cancel safe: a cancelled load is not stored, and leaves the key to the next reader.
    pub async fn get_or_load<F, Fut, L, E>(&self, key: &K, loader: F) -> Result<V, LoadError>
    where
        F: FnOnce(LoadContext) -> Fut,
        Fut: Future<Output = Result<L, E>>,
        L: Into<Loaded<V>>,
        E: Into<BoxError>,
    {
        let value = match self.store.untracked_hit(key) {
            Some(value) => value,
            None => self.load(key, loader).await?,
        };
        value.ok_or_else(LoadError::absent)
    }

    /// [`get_or_load`](Self::get_or_load) for keys that need not exist: `None` is cached like a value, with
    /// its own time to live if the cache has one for it.
    ///
    /// # Errors
    /// The loader's error, or the load time-out.
    ///
    /// # Cancel safety
    /// Cancel safe, as [`get_or_load`](Self::get_or_load).
    pub async fn get_or_load_optional<F, Fut, L, E>(
        &self,
        key: &K,
        loader: F,
    ) -> Result<Option<V>, LoadError>
    where
        F: FnOnce(LoadContext) -> Fut,
        Fut: Future<Output = Result<L, E>>,
        L: Into<Loaded<V>>,
        E: Into<BoxError>,
    {
        match self.store.untracked_hit(key) {
            Some(value) => Ok(value),
            None => self.load(key, loader).await,
        }
    }

    /// A read that was no hit at its first look.
    async fn load<F, Fut, L, E>(&self, key: &K, loader: F) -> Result<Option<V>, LoadError>
    where
        F: FnOnce(LoadContext) -> Fut,
        Fut: Future<Output = Result<L, E>>,
        L: Into<Loaded<V>>,
        E: Into<BoxError>,
    {
        let mut read = self.store.begin_read(key);
        if let Some(entry) = self.store.first_look(key, &mut read).await {
            return Ok(entry.value);
        }
        let entry = match self.store.resolve(key, &mut read).await? {
            Step::Found(entry) => entry,
            Step::Lead(lead) => lead.run(loader).await?,
            Step::Unshared(unshared) => unshared.run(loader).await?,
        };
        Ok(entry.value)
    }

    /// The values of several keys, in their order; what is missing is loaded in one call.
    ///
    /// The loader gets the keys that nobody has or loads yet, and returns pairs; keys that it leaves out
    /// are "not there". Tags named in its context belong to all that it returns. It is called again in
    /// the rare case that another reader's load, which this call counted on, came to nothing.
    ///
    /// # Errors
    /// The loader's error, that of a load that was joined, or the load time-out.
    ///
    /// # Cancel safety
    /// Cancel safe, as [`get_or_load`](Self::get_or_load).
    pub async fn get_many_or_load<F, Fut, I, L, E>(
        &self,
        keys: &[K],
        loader: F,
    ) -> Result<Vec<Option<V>>, LoadError>
    where
        F: FnMut(Vec<K>, LoadContext) -> Fut,
        Fut: Future<Output = Result<I, E>>,
        I: IntoIterator<Item = (K, L)>,
        L: Into<Loaded<V>>,
        E: Into<BoxError>,
    {
        many::get_or_load(&self.store, keys, loader).await
    }

    /// Begins to fill a key with a value that will be read outside of a loader. Call it before reading.
    pub fn begin_fill(&self, key: &K) -> Fill<K, V> {
        Fill::begin(&self.store, key.clone())
    }

    /// Drops a key here and, as soon as the broker has the message, on all nodes. To be called after the
    /// data source has committed. No read on this node that starts after this returns sees the old value.
    pub fn invalidate(&self, key: &K) -> Receipt {
        self.store.invalidate_one(key)
    }

    /// [`invalidate`](Self::invalidate) for several keys, with one receipt.
    pub fn invalidate_many<'a>(&self, keys: impl IntoIterator<Item = &'a K>) -> Receipt {
        self.store.invalidate(keys)
    }

    /// Drops every entry of *every cache* of every node that depends on this tag.
    pub fn invalidate_tag(&self, tag: &str) -> Receipt {
        self.store.shared.invalidate_tag(tag)
    }

    /// Drops every entry of this cache, on all nodes.
    pub fn clear(&self) -> Receipt {
        self.store.clear()
    }

    /// A guard that invalidates a key when it is dropped.
    pub fn invalidate_on_drop(&self, key: &K) -> InvalidateGuard {
        let (store, key) = (Arc::clone(&self.store), key.clone());
        InvalidateGuard::new(move || store.invalidate_one(&key))
    }

    /// A guard that invalidates a tag when it is dropped.
    pub fn invalidate_tag_on_drop(&self, tag: impl Into<String>) -> InvalidateGuard {
        let (store, tag) = (Arc::clone(&self.store), tag.into());
        InvalidateGuard::new(move || store.shared.invalidate_tag(&tag))
    }

    /// What happens to the entries from now on. Costs nothing while nobody has a stream.
    pub fn events(&self) -> EventStream<K> {
        self.store.events.subscribe()
    }

    /// How many entries are stored, including those that are no longer valid and not yet reclaimed.
    pub fn len(&self) -> usize {
        self.store.engine.len()
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.store.engine.is_empty()
    }

    /// The weight of all stored entries; their number, if the capacity is by count.
    pub fn weight(&self) -> u64 {
        self.store.engine.weight()
    }

    #[cfg(test)]
    #[cfg(not(feature = "model"))]
    pub(crate) fn in_flight(&self) -> usize {
        self.store.flights.len()
    }

    /// What this cache has done so far.
    pub fn stats(&self) -> Stats {
        self.store.counters.snapshot()
    }
}

impl<K: CacheKey, V: CacheValue> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store) }
    }
}

impl<K: CacheKey, V: CacheValue> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.store.settings.name)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
