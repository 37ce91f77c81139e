//! Counting what a cache does, without making its readers wait for each other.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::domain::Padded;

/// Ways in which the counters of reads are kept apart.
const STRIPES: usize = 16;

/// What a cache has done since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Reads answered from the cache, "not there" included.
    pub hits: u64,
    /// Reads that were not, joined loads included.
    pub misses: u64,
    /// Of the misses: those where an entry was there, but could not be proven fresh enough.
    pub unproven: u64,
    /// Loads that ran.
    pub loads: u64,
    /// Of the loads: those whose loader returned an error.
    pub failed_loads: u64,
    /// Of the loads: those that were cut off by the load time-out.
    pub timed_out_loads: u64,
    /// Reads that were answered by another reader's load.
    pub joined_loads: u64,
    /// Results that were not stored because something was invalidated, or a newer load began, meanwhile.
    pub refused_fills: u64,
    /// Loads that ran by themselves and were not stored: to avoid a deadlock, or because too many were in
    /// flight.
    pub unshared_loads: u64,
    /// Entries evicted for capacity.
    pub evictions: u64,
    /// Keys invalidated, here or by other nodes; whether cached or not.
    pub invalidated_keys: u64,
    /// How often the whole cache was cleared, here or by other nodes.
    pub clears: u64,
}

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    reads: [Padded<Reads>; STRIPES],
    pub(crate) unproven: Counter,
    pub(crate) loads: Counter,
    pub(crate) failed_loads: Counter,
    pub(crate) timed_out_loads: Counter,
    pub(crate) joined_loads: Counter,
    pub(crate) refused_fills: Counter,
    pub(crate) unshared_loads: Counter,
    pub(crate) evictions: Counter,
    pub(crate) invalidated_keys: Counter,
    pub(crate) clears: Counter,
}

#[derive(Debug, Default)]
struct Reads {
    hits: Counter,
    misses: Counter,
}

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn hit(&self) {
        self.reads[stripe()].0.hits.add(1);
    }

    pub(crate) fn miss(&self) {
        self.reads[stripe()].0.misses.add(1);
    }

    fn hits(&self) -> u64 {
        self.reads.iter().map(|reads| reads.0.hits.get()).sum()
    }

    fn misses(&self) -> u64 {
        self.reads.iter().map(|reads| reads.0.misses.get()).sum()
    }

    pub(crate) fn reads_total(&self) -> u64 {
        self.hits() + self.misses()
    }

    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            hits: self.hits(),
            misses: self.misses(),
            unproven: self.unproven.get(),
            loads: self.loads.get(),
            failed_loads: self.failed_loads.get(),
            timed_out_loads: self.timed_out_loads.get(),
            joined_loads: self.joined_loads.get(),
            refused_fills: self.refused_fills.get(),
            unshared_loads: self.unshared_loads.get(),
            evictions: self.evictions.get(),
            invalidated_keys: self.invalidated_keys.get(),
            clears: self.clears.get(),
        }
    }
}

/// The calling thread's place among the stripes, dealt out in turn.
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    std::thread_local! {
        static STRIPE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
    }
    // A thread that is being torn down has no place any more.
    STRIPE.try_with(|stripe| *stripe).unwrap_or(0) % STRIPES
}
