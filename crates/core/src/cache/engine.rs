//! The seam to `quick_cache`, which stores and evicts.
//!
//! An entry's stamp lies beside its *key*: the engine compares a key where it lies, under the lock of its part, and
//! so what is looked for can judge the stamp in passing. A hit then copies nothing but the value, and what may not
//! be served is not copied at all.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use foldhash::quality::FixedState;
use quick_cache::{Equivalent, Lifecycle, OptionsBuilder, Weighter};

use super::entry::{Entry, Stamp};

type Inner<K, V> =
    quick_cache::sync::Cache<Stamped<K>, Option<V>, StoredWeight, FixedState, Hooks<K, V>>;

/// Where entries are kept.
pub(crate) struct Engine<K, V>(Inner<K, V>);

impl<K: Hash + Eq + Clone, V: Clone> Engine<K, V> {
    /// An engine with room for this total weight. With a fixed `seed` it evicts in a repeatable way.
    pub(crate) fn new(weight_capacity: u64, expected_entries: usize, seed: u64) -> Self {
        // The options are within their ranges by construction; an engine without them is the default one.
        let hasher = FixedState::with_seed(seed);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(expected_entries)
            .weight_capacity(weight_capacity)
            .build();
        Self(match options {
            Ok(options) => Inner::with_options(options, StoredWeight, hasher, Hooks::default()),
            Err(_) => Inner::with(
                expected_entries,
                weight_capacity,
                StoredWeight,
                hasher,
                Hooks::default(),
            ),
        })
    }

    /// The value of a key, if `accepts` says so of its stamp. It is asked under the lock: it must be quick, and
    /// not use the engine.
    #[inline]
    pub(crate) fn get_if<Q>(&self, key: &Q, accepts: impl Fn(&Stamp) -> bool) -> Option<Option<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.get(&Wanted { key, accepts })
    }

    /// A copy that the eviction policy does not hear of.
    #[cfg(any(all(test, not(feature = "model")), feature = "simulation"))]
    pub(crate) fn peek(&self, key: &K) -> Option<Entry<V>> {
        let stamp = std::cell::Cell::new(None);
        let accepts = |found: &Stamp| {
            stamp.set(Some(found.clone()));
            true
        };
        let value = self.0.peek(&Wanted { key, accepts })?;
        Some(Entry { value, stamp: stamp.take()? })
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.0.contains_key(&Wanted { key, accepts: |_: &Stamp| true })
    }

    /// Stores an entry; what it pushes out is added to `evicted`.
    pub(crate) fn insert(&self, key: K, entry: Entry<V>, evicted: &mut Evicted<K, V>) {
        let stamped = Stamped { key, stamp: entry.stamp };
        self.0.insert_with_lifecycle(stamped, entry.value, evicted);
    }

    pub(crate) fn remove(&self, key: &K) -> Option<(K, Entry<V>)> {
        self.remove_if(key, |_| true)
    }

    /// Takes the entry of a key out, if `condition` says so of its stamp. It is asked under the lock.
    pub(crate) fn remove_if<Q>(
        &self,
        key: &Q,
        condition: impl Fn(&Stamp) -> bool,
    ) -> Option<(K, Entry<V>)>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.remove(&Wanted { key, accepts: condition }).map(joined)
    }

    /// Copies of all entries, one after the other.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, Entry<V>)> {
        self.0.iter().map(joined)
    }

    /// Takes out all entries, one after the other.
    pub(crate) fn drain(&self) -> impl Iterator<Item = (K, Entry<V>)> {
        self.0.drain().map(joined)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn weight(&self) -> u64 {
        self.0.weight()
    }
}

fn joined<K, V>((Stamped { key, stamp }, value): (Stamped<K>, Option<V>)) -> (K, Entry<V>) {
    (key, Entry { value, stamp })
}

/// A key as it is stored. Only the key counts in comparisons.
#[derive(Clone)]
struct Stamped<K> {
    key: K,
    stamp: Stamp,
}

impl<K: Hash> Hash for Stamped<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl<K: PartialEq> PartialEq for Stamped<K> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<K: Eq> Eq for Stamped<K> {}

/// A key that is looked for, under a condition: without it, it is as if the key were not there.
struct Wanted<'a, Q: ?Sized, F> {
    key: &'a Q,
    accepts: F,
}

impl<Q: Hash + ?Sized, F> Hash for Wanted<'_, Q, F> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl<K: Borrow<Q>, Q: Eq + ?Sized, F: Fn(&Stamp) -> bool> Equivalent<Stamped<K>>
    for Wanted<'_, Q, F>
{
    #[inline]
    fn equivalent(&self, stored: &Stamped<K>) -> bool {
        self.key == stored.key.borrow() && (self.accepts)(&stored.stamp)
    }
}

/// The weight was computed once, when the entry was made.
#[derive(Clone, Debug)]
struct StoredWeight;

impl<K, V> Weighter<Stamped<K>, Option<V>> for StoredWeight {
    fn weight(&self, key: &Stamped<K>, _value: &Option<V>) -> u64 {
        key.stamp.weight.get()
    }
}

/// Keeps pinned entries, and hands evicted ones out, to be dropped outside of the locks.
#[derive(Debug)]
struct Hooks<K, V>(PhantomData<fn() -> (K, V)>);

impl<K, V> Default for Hooks<K, V> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<K, V> Clone for Hooks<K, V> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// What one insertion pushed out.
pub(crate) struct Evicted<K, V>(pub(crate) Vec<(K, Entry<V>)>);

impl<K, V> Default for Evicted<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K, V> Lifecycle<Stamped<K>, Option<V>> for Hooks<K, V> {
    type RequestState = Evicted<K, V>;

    fn is_pinned(&self, key: &Stamped<K>, _value: &Option<V>) -> bool {
        key.stamp.weight.is_pinned()
    }

    fn on_evict(&self, evicted: &mut Evicted<K, V>, key: Stamped<K>, value: Option<V>) {
        evicted.0.push(joined((key, value)));
    }
}
