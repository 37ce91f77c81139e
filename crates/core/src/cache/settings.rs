//! What a cache was configured to do, checked and in the form that its code wants.

use std::sync::Arc;
use std::time::Duration;

use super::entry::{Lifetime, Weight};
use crate::freshness::{Demand, Freshness};

/// Computes the weight of an entry.
pub(crate) type Weigher<K, V> = Arc<dyn Fn(&K, &V) -> u64 + Send + Sync>;

pub(crate) struct Settings<K, V> {
    pub(crate) name: Arc<str>,
    /// By count, or by weight if there is a weigher.
    pub(crate) capacity: u64,
    pub(crate) expected_entries: usize,
    pub(crate) weigher: Option<Weigher<K, V>>,
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) absent_time_to_live: Option<Duration>,
    /// `u64::MAX` for none.
    pub(crate) idle_ns: u64,
    pub(crate) jitter: f64,
    pub(crate) freshness: Freshness,
    pub(crate) demand: Demand,
    pub(crate) load_timeout: Duration,
    pub(crate) max_concurrent_loads: Option<usize>,
    pub(crate) max_loads_in_flight: usize,
    pub(crate) schema: u64,
    /// Longer keys are not named on the wire.
    pub(crate) max_key_bytes: usize,
}

impl<K, V> Settings<K, V> {
    pub(crate) fn weight(&self, key: &K, value: Option<&V>, pinned: bool) -> Weight {
        let weight = match (&self.weigher, value) {
            (Some(weigher), Some(value)) => weigher(key, value),
            _ => 1,
        };
        Weight::new(weight, pinned)
    }

    /// How long an entry lives after the load began; `random` is at least 0 and less than 1.
    pub(crate) fn time_to_live(
        &self,
        own: Option<Duration>,
        is_absent: bool,
        random: f64,
    ) -> Option<Duration> {
        let of_absent = self.absent_time_to_live.filter(|_| is_absent);
        let whole = own.or(of_absent).or(self.time_to_live)?;
        // What is longer than an entry can live would overflow.
        Some(whole.min(Lifetime::LONGEST).mul_f64(1.0 - self.jitter * random))
    }
}
