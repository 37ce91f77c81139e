//! Looking into a cache without reading from it.

use crate::cache::{Cache, CacheKey, CacheValue};
use crate::time::Timestamp;

/// An entry as it lies in a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resident<K, V> {
    /// Its key.
    pub key: K,
    /// Its value; `None` says that the source has none.
    pub value: Option<V>,
    /// The moment that it is known to reflect.
    pub as_of: Timestamp,
    /// Whether nothing that it depends on was invalidated or dropped. One that is not only takes up room.
    pub alive: bool,
    /// Whether a read that began now would get it.
    pub served: bool,
}

/// The entry of a key. Counts nothing, touches nothing, reclaims nothing.
pub fn resident<K: CacheKey, V: CacheValue>(
    cache: &Cache<K, V>,
    key: &K,
) -> Option<Resident<K, V>> {
    cache.store().resident(key)
}

/// Every entry of a cache. Counts nothing, touches nothing, reclaims nothing.
pub fn residents<K: CacheKey, V: CacheValue>(cache: &Cache<K, V>) -> Vec<Resident<K, V>> {
    cache.store().residents()
}
