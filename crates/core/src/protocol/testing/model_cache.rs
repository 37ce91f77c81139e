//! The simplest cache that follows the rules of the hit and of the fill guard.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::protocol::replica::Output;
use crate::target::Target;
use crate::time::Timestamp;

/// Keys are small numbers; key `k` has the tag `t{k % 2}`.
pub(super) type Key = u8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) version: u64,
    pub(super) as_of: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct ModelCache {
    pub(super) entries: BTreeMap<Key, Entry>,
    pub(super) horizon: Timestamp,
    /// Loads that have begun: key, version read, as-of.
    loads: Vec<(Key, Entry)>,
    pub(super) drops: u64,
    not_serving: bool,
}

pub(super) const CACHE: &str = "rows";

pub(super) fn key_target(key: Key) -> Target {
    Target::Key { cache: CACHE.into(), schema: 0, key: vec![key].into() }
}

pub(super) fn tag_of(key: Key) -> Target {
    Target::Tag(format!("t{}", key % 2).into())
}

fn names(target: &Target, key: Key) -> bool {
    match target {
        Target::Key { key: named, .. } => named[..] == [key],
        Target::Tag(_) => *target == tag_of(key),
        Target::Cache(name) => &**name == CACHE,
        Target::Everything => true,
    }
}

impl ModelCache {
    pub(super) fn invalidate(&mut self, target: &Target) {
        self.entries.retain(|key, _| !names(target, *key));
        self.loads.retain(|(key, _)| !names(target, *key));
    }

    /// Carries out what a replica asks of the caches.
    pub(super) fn carry_out(&mut self, output: &Output) {
        match output {
            Output::Apply { targets, .. } => {
                targets.iter().for_each(|target| self.invalidate(&target));
            }
            Output::DropBefore(as_of) => {
                self.drops += 1;
                self.entries.retain(|_, entry| entry.as_of >= *as_of);
                self.loads.retain(|(_, load)| load.as_of >= *as_of);
            }
            Output::VoidLoads => self.loads.clear(),
            Output::AdvanceHorizon(horizon) => self.horizon = *horizon,
            Output::Serve(serving) => {
                self.not_serving = !serving;
                self.entries.clear();
            }
            _ => {}
        }
    }

    pub(super) fn hit(&self, key: Key, within: Duration, now: Timestamp) -> Option<Entry> {
        let entry = self.entries.get(&key).filter(|_| !self.not_serving)?;
        (now <= self.horizon.max(entry.as_of).after(within)).then_some(*entry)
    }

    /// A load begins: it reads the source at once, and is filled later.
    pub(super) fn begin_load(&mut self, key: Key, version: u64, now: Timestamp) {
        self.loads.retain(|(loading, _)| *loading != key);
        self.loads.push((key, Entry { version, as_of: now }));
    }

    pub(super) fn fill(&mut self) {
        for (key, entry) in self.loads.drain(..).filter(|_| !self.not_serving) {
            self.entries.insert(key, entry);
        }
    }
}
