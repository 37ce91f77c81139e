//! What usual libraries do, as a measure of what the rest is good for: a change is broadcast, and deleted where it
//! arrives. No numbers, no fences, no fill guard, nothing is dropped after a reconnect.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::history::Found;
use crate::value::{Aim, CacheName, Value, tag_of};

/// A node of that kind.
#[derive(Debug, Default)]
pub(super) struct Naive {
    entries: BTreeMap<(CacheName, u64), Option<Value>>,
    pub(super) next_publish: u64,
}

impl Naive {
    pub(super) fn get(&self, cache: CacheName, key: u64) -> Option<&Option<Value>> {
        self.entries.get(&(cache, key))
    }

    pub(super) fn insert(&mut self, cache: CacheName, key: u64, value: Option<Value>) {
        self.entries.insert((cache, key), value);
    }

    pub(super) fn apply(&mut self, aim: Aim) {
        self.entries.retain(|(cache, key), _| match aim {
            Aim::Key(of, named) => (of, named) != (*cache, *key),
            Aim::Tag(tag) => tag_of(*key) != tag,
            Aim::Cache(of) => of != *cache,
            Aim::Everything => false,
        });
    }

    pub(super) fn holds_older(&self, key: u64, version: u64) -> bool {
        let entry = self.entries.get(&(CacheName::Rows, key));
        entry.is_some_and(|it| it.as_ref().is_none_or(|value| value.parts[0].version < version))
    }

    pub(super) fn found(&self) -> Vec<Found> {
        let found = self.entries.iter().map(|((cache, key), value)| Found {
            cache: *cache,
            key: *key,
            value: value.clone(),
            alive: true,
            served: true,
        });
        found.collect()
    }
}

/// What it broadcasts.
pub(super) fn message(key: u64) -> Bytes {
    Bytes::copy_from_slice(&key.to_le_bytes())
}

/// What a broadcast names.
pub(super) fn read(message: &Bytes) -> Option<u64> {
    message[..].try_into().ok().map(u64::from_le_bytes)
}
