//! The key guard: which loads and fills of a key are in flight, and which of them may still be stored.
//!
//! An invalidation and a fill of one key take the same lock, so either the fill finds itself voided, or
//! the invalidation finds the filled entry and removes it. Hits take no lock of this kind.
//!
//! Keys that other nodes have invalidated come in batches, mostly while nothing is in flight: then they need no lock of
//! this kind either, see [`Flights::are_any`].

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

use foldhash::quality::FixedState;
use tokio::sync::watch;

use super::context::LoadContext;
use super::entry::Entry;
use super::error::LoadError;
use super::waits::LoadId;
use crate::mutation::{self, Mutation};
use crate::shim::sync::atomic::{AtomicUsize, Ordering};
use crate::shim::sync::{Mutex, MutexGuard};
use crate::time::Timestamp;

/// Ways in which the table is locked. A simulated lock costs far more than a real one.
const STRIPES: usize = if cfg!(feature = "model") { 1 } else { 64 };

/// What a load ended with; nothing while it runs.
pub(crate) type Outcome<V> = Option<Result<Entry<V>, Failure>>;

/// The error of a load, for all who joined it.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) error: LoadError,
    /// What was read on the way.
    pub(crate) context: LoadContext,
}

/// Why a flight will not be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Void {
    /// It will, as far as its key goes.
    No,
    /// Its key was invalidated after it began.
    Invalidated,
    /// A newer load or fill of its key began.
    Superseded,
    /// That newer one was stored: what is in the cache is newer than this flight.
    Overtaken,
}

/// One load or fill in flight.
#[derive(Debug)]
pub(crate) struct Flight<V> {
    pub(crate) load: LoadId,
    /// The tick noted before it began.
    pub(crate) tick: u64,
    pub(crate) start: Timestamp,
    pub(crate) void: Void,
    /// Whether it waits for its turn and has not begun to load.
    pub(crate) queued: bool,
    /// From then on its joiners need not wait for it.
    pub(crate) deadline: Timestamp,
    /// How to wait for it; fills from outside cannot be joined.
    pub(crate) outcome: Option<watch::Receiver<Outcome<V>>>,
}

/// The flights of the keys of one stripe, oldest first.
pub(crate) type Stripe<K, V> = HashMap<K, Vec<Flight<V>>, FixedState>;

/// All flights of a cache.
#[derive(Debug)]
pub(crate) struct Flights<K, V> {
    stripes: Box<[Mutex<Stripe<K, V>>]>,
    hasher: FixedState,
    /// Flights that may still be stored: each from before it begins until after it has been stored.
    in_flight: AtomicUsize,
    limit: usize,
}

impl<K: Hash + Eq + Clone, V> Flights<K, V> {
    pub(crate) fn new(seed: u64, limit: usize) -> Self {
        let hasher = FixedState::with_seed(seed);
        let stripe = || Mutex::new(HashMap::with_hasher(hasher.clone()));
        Self {
            stripes: (0..STRIPES).map(|_| stripe()).collect(),
            hasher,
            in_flight: AtomicUsize::new(0),
            limit,
        }
    }

    /// Locks the stripe of a key.
    pub(crate) fn lock(&self, key: &K) -> MutexGuard<'_, Stripe<K, V>> {
        let hash = self.hasher.hash_one(key);
        crate::shim::lock(&self.stripes[(hash >> 32) as usize % self.stripes.len()])
    }

    /// Voids the older flights of a key and adds one. `false`, and nothing is added, if too many are in
    /// flight: then it is not stored, but what it hands out is newer than the others all the same.
    pub(crate) fn add(&self, stripe: &mut Stripe<K, V>, key: &K, flight: Flight<V>) -> bool {
        supersede(stripe, key);
        // Before anything is counted: what the application's code does in there may fail.
        let owned = key.clone();
        if self.in_flight.fetch_add(1, Ordering::AcqRel) >= self.limit {
            self.in_flight.fetch_sub(1, Ordering::AcqRel);
            return false;
        }
        stripe.entry(owned).or_default().push(flight);
        true
    }

    /// Takes a flight out.
    pub(crate) fn remove(
        &self,
        stripe: &mut Stripe<K, V>,
        key: &K,
        load: LoadId,
    ) -> Option<Flight<V>> {
        self.land(stripe, key, load).map(|(flight, _)| flight)
    }

    /// Takes a flight out that may be stored now: it counts as long as it is [`Landing`].
    pub(crate) fn land(
        &self,
        stripe: &mut Stripe<K, V>,
        key: &K,
        load: LoadId,
    ) -> Option<(Flight<V>, Landing<'_>)> {
        let flights = stripe.get_mut(key)?;
        let place = flights.iter().position(|flight| flight.load == load)?;
        let flight = flights.remove(place);
        if flights.is_empty() {
            stripe.remove(key);
        }
        Some((flight, Landing(&self.in_flight)))
    }

    /// Whether anything is in flight. If not, keys that were invalidated before this was asked can be removed without
    /// a look at the flights.
    ///
    /// *Invariant:* a flight is counted before its load begins, and until its entry is in the engine. All changes of
    /// the count and this question have one order, each seeing what happened before the earlier ones. So a flight that
    /// is not counted here has landed, and its entry is found by a removal that follows; or its load begins after this,
    /// and finds in the source what was there when the keys were invalidated.
    pub(crate) fn are_any(&self) -> bool {
        // A change of nothing: a mere look need not see the latest.
        self.in_flight.fetch_add(0, Ordering::AcqRel) > 0
    }

    /// Voids everything in flight.
    pub(crate) fn void_all(&self) {
        for stripe in &self.stripes {
            let mut stripe = crate::shim::lock(stripe);
            #[expect(clippy::iter_over_hash_type, reason = "all are treated alike")]
            for flights in stripe.values_mut() {
                invalidate(flights);
            }
        }
    }

    #[cfg(test)]
    #[cfg(not(feature = "model"))]
    pub(crate) fn len(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// A flight that was taken out and is being stored.
#[derive(Debug)]
pub(crate) struct Landing<'a>(&'a AtomicUsize);

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Voids the flights of a key for an invalidation.
pub(crate) fn invalidate<V>(flights: &mut [Flight<V>]) {
    for flight in flights {
        if flight.void == Void::No {
            flight.void = Void::Invalidated;
        }
    }
}

/// Notes that the newest flight of a key was stored.
pub(crate) fn overtake<K: Hash + Eq, V>(stripe: &mut Stripe<K, V>, key: &K) {
    if mutation::active(Mutation::NewerLoadDoesNotVoidOlder) {
        return;
    }
    for flight in stripe.get_mut(key).into_iter().flatten() {
        flight.void = Void::Overtaken;
    }
}

/// Voids the flights of a key for a newer one.
pub(crate) fn supersede<K: Hash + Eq, V>(stripe: &mut Stripe<K, V>, key: &K) {
    if mutation::active(Mutation::NewerLoadDoesNotVoidOlder) {
        return;
    }
    for flight in stripe.get_mut(key).into_iter().flatten() {
        if flight.void != Void::Overtaken {
            flight.void = Void::Superseded;
        }
    }
}
