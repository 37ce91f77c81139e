//! Counting what a cache does, without making its readers wait for each other.

use std::sync::atomic::{AtomicU64, Ordering};

use super::domain::Padded;

/// Threads that count their reads in a place of their own; the others share one more.
const OWN_PLACES: usize = 63;

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
#[derive(Debug)]
pub(crate) struct Counters {
    reads: Box<[Padded<Reads>]>,
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

    /// For a counter that only one thread adds to: no locked instruction, which would double the cost
    /// of counting a hit.
    fn add_own(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Default for Counters {
    fn default() -> Self {
        let counter = Counter::default;
        Self {
            reads: (0..=OWN_PLACES).map(|_| Padded::default()).collect(),
            unproven: counter(),
            loads: counter(),
            failed_loads: counter(),
            timed_out_loads: counter(),
            joined_loads: counter(),
            refused_fills: counter(),
            unshared_loads: counter(),
            evictions: counter(),
            invalidated_keys: counter(),
            clears: counter(),
        }
    }
}

impl Counters {
    #[inline]
    pub(crate) fn hit(&self) {
        self.count(|reads| &reads.hits);
    }

    #[inline]
    pub(crate) fn miss(&self) {
        self.count(|reads| &reads.misses);
    }

    #[inline]
    fn count(&self, which: impl Fn(&Reads) -> &Counter) {
        match place::get() {
            place if place < OWN_PLACES => which(&self.reads[place].0).add_own(1),
            _ => which(&self.reads[OWN_PLACES].0).add(1),
        }
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

/// Deals out places to threads; a thread that ends gives its place back.
mod place {
    use std::cell::Cell;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::OWN_PLACES;

    /// Not dealt out yet.
    const NONE: usize = usize::MAX;

    std::thread_local! {
        // Apart from its guard: reading a thread-local without a destructor is a single instruction.
        static PLACE: Cell<usize> = const { Cell::new(NONE) };
        static GUARD: Guard = const { Guard };
    }

    struct Dealer {
        next: usize,
        returned: Vec<usize>,
    }

    static DEALER: Mutex<Dealer> = Mutex::new(Dealer { next: 0, returned: Vec::new() });

    /// The calling thread's place; [`OWN_PLACES`] if there is none of its own.
    #[inline]
    pub(super) fn get() -> usize {
        match PLACE.get() {
            NONE => deal(),
            place => place,
        }
    }

    fn lock() -> MutexGuard<'static, Dealer> {
        DEALER.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cold]
    fn deal() -> usize {
        // Where the thread is ending already, nobody would give the place back.
        if GUARD.try_with(|_| ()).is_err() {
            return OWN_PLACES;
        }
        let mut dealer = lock();
        let place = dealer.returned.pop().unwrap_or_else(|| {
            let place = dealer.next;
            dealer.next = (place + 1).min(OWN_PLACES);
            place
        });
        PLACE.set(place);
        place
    }

    struct Guard;

    impl Drop for Guard {
        fn drop(&mut self) {
            let place = PLACE.replace(OWN_PLACES);
            if place < OWN_PLACES {
                lock().returned.push(place);
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(feature = "model"))]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test of real threads")]
    fn every_read_of_every_thread_is_counted() {
        let counters = std::sync::Arc::new(Counters::default());
        // More threads than places, at the same time and one after the other.
        for _ in 0..3 {
            let threads: Vec<_> = (0..OWN_PLACES * 2)
                .map(|_| {
                    let counters = std::sync::Arc::clone(&counters);
                    std::thread::spawn(move || (0..1_000).for_each(|_| counters.hit()))
                })
                .collect();
            threads.into_iter().for_each(|thread| drop(thread.join()));
        }
        assert_eq!(counters.snapshot().hits, 3 * 2 * OWN_PLACES as u64 * 1_000);
    }
}
