//! The engine with entries as large as ours: what their size alone costs.

use std::hash::{Hash, Hasher};

use quick_cache::Equivalent;
use quick_cache::sync::Cache;

/// What an entry of ours has beside key and value: four words. It is never looked at.
type Stamp = [u64; 4];

/// `quick_cache` with keys that carry such a stamp, and values that need not be there.
#[derive(Debug)]
pub struct Laden<V>(Cache<Key, Option<V>>);

#[derive(Clone, Debug)]
struct Key {
    key: u64,
    _stamp: Stamp,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Key {}

/// A key that is looked for.
struct Wanted(u64);

impl Hash for Wanted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Equivalent<Key> for Wanted {
    fn equivalent(&self, stored: &Key) -> bool {
        self.0 == stored.key
    }
}

impl<V: Clone> Laden<V> {
    /// An empty one.
    pub fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }

    /// Stores a value.
    pub fn insert(&self, key: u64, value: V) {
        self.0.insert(Key { key, _stamp: [0; 4] }, Some(value));
    }

    /// A copy of a value.
    #[inline]
    pub fn get(&self, key: u64) -> Option<V> {
        self.0.get(&Wanted(key))?
    }

    /// Takes a value out.
    pub fn remove(&self, key: u64) {
        self.0.remove(&Wanted(key));
    }
}
