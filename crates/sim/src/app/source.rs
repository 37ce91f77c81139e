//! The data source: rows with versions. Reads are linearizable.

use std::collections::BTreeMap;

/// The newest version of each row; version 0 was there from the start.
#[derive(Debug, Default)]
pub(crate) struct Source {
    versions: BTreeMap<u64, u64>,
    failing: u32,
    slow: Vec<u64>,
}

impl Source {
    pub(crate) fn version(&self, key: u64) -> u64 {
        self.versions.get(&key).copied().unwrap_or(0)
    }

    /// A new version of a row.
    pub(crate) fn commit(&mut self, key: u64) -> u64 {
        let version = self.versions.entry(key).or_default();
        *version += 1;
        *version
    }

    pub(crate) fn set_failing(&mut self, failing: bool) {
        self.failing = if failing { self.failing + 1 } else { self.failing.saturating_sub(1) };
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failing > 0
    }

    /// A fault begins or ends that makes every load take this long.
    pub(crate) fn set_slow(&mut self, latency_ms: u64, slow: bool) {
        if slow {
            self.slow.push(latency_ms);
        } else if let Some(place) = self.slow.iter().position(|ms| *ms == latency_ms) {
            self.slow.remove(place);
        }
    }

    /// What a load takes at least, because of faults.
    pub(crate) fn slowness_ms(&self) -> u64 {
        self.slow.iter().copied().max().unwrap_or(0)
    }
}
