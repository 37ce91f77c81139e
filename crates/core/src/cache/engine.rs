//! The seam to `quick_cache`, which stores and evicts.

use std::hash::Hash;
use std::marker::PhantomData;

use foldhash::quality::FixedState;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use super::entry::Entry;

/// Where entries are kept.
pub(crate) type Engine<K, V> =
    quick_cache::sync::Cache<K, Entry<V>, StoredWeight, FixedState, Hooks<K, V>>;

/// An engine with room for this total weight. With a fixed `seed` it evicts in a repeatable way.
pub(crate) fn new<K: Hash + Eq, V: Clone>(
    weight_capacity: u64,
    expected_entries: usize,
    seed: u64,
) -> Engine<K, V> {
    // The options are within their ranges by construction; an engine without them is the default one.
    let hasher = FixedState::with_seed(seed);
    match OptionsBuilder::new()
        .estimated_items_capacity(expected_entries)
        .weight_capacity(weight_capacity)
        .build()
    {
        Ok(options) => Engine::with_options(options, StoredWeight, hasher, Hooks::default()),
        Err(_) => {
            Engine::with(expected_entries, weight_capacity, StoredWeight, hasher, Hooks::default())
        }
    }
}

/// The weight was computed once, when the entry was made.
#[derive(Clone, Debug)]
pub(crate) struct StoredWeight;

impl<K, V> Weighter<K, Entry<V>> for StoredWeight {
    fn weight(&self, _key: &K, entry: &Entry<V>) -> u64 {
        u64::from(entry.weight)
    }
}

/// Keeps pinned entries, and hands evicted ones out, to be dropped outside of the locks.
#[derive(Debug)]
pub(crate) struct Hooks<K, V>(PhantomData<fn() -> (K, V)>);

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

impl<K, V> Lifecycle<K, Entry<V>> for Hooks<K, V> {
    type RequestState = Evicted<K, V>;

    fn is_pinned(&self, _key: &K, entry: &Entry<V>) -> bool {
        entry.is_pinned()
    }

    fn on_evict(&self, evicted: &mut Evicted<K, V>, key: K, entry: Entry<V>) {
        evicted.0.push((key, entry));
    }
}
