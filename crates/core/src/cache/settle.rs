//! What becomes of the result of a load: stored, handed out, or given up for a newer one.
//!
//! No reader is handed a value while an older one is, or could still become, visible. A loader reads the
//! source at any time while it runs, so of two loads that overlap either may have found the newer value,
//! whichever began first. Hence the result of a load that may not be stored is handed out only where nothing
//! else is stored or on the way there: otherwise its readers get what is.

use std::sync::Arc;

use tracing::debug;

use super::engine::Evicted;
use super::entry::Entry;
use super::events::Cause;
use super::flights::{self, Flight, Stripe, Void};
use super::load::Lead;
use super::read::{Flying, Read};
use super::store::{CacheKey, CacheValue, Store};
use super::waits::{LoadId, Waiting};
use crate::mutation::{self, Mutation};
use crate::time::Timestamp;

/// How many newer loads a result is given up for, before it is handed out and what is in flight is voided.
const MAX_BEHIND: u32 = 3;

/// How a load ended.
pub(crate) enum Settled<V> {
    /// With this for its readers.
    Done(Entry<V>),
    /// A newer load will be stored: its result is the answer, if it comes to one.
    Behind(Flying<V>),
}

/// What an attempt to store an entry came to.
struct Attempt<K, V> {
    /// `None`: the entry passed the guard.
    refused: Option<Void>,
    /// Whether its flight was in the table.
    was_in_flight: bool,
    /// Whether the capacity policy took it.
    admitted: bool,
    evicted: Evicted<K, V>,
}

impl<K: CacheKey, V: CacheValue> Store<K, V> {
    /// Ends a fill from outside. Returns whether its value was stored.
    ///
    /// If not, an entry from before it goes all the same: its caller may know something newer.
    pub(crate) fn settle_fill(
        &self,
        key: &K,
        load: LoadId,
        start: Timestamp,
        entry: &Entry<V>,
    ) -> bool {
        let mut stripe = self.flights.lock(key);
        let attempt = self.try_store(&mut stripe, key, load, entry);
        let removed = match attempt.refused {
            None | Some(Void::Overtaken) => None,
            Some(_) => self.remove_older(key, start),
        };
        drop(stripe);
        self.report_bypassed(removed);
        let stored = attempt.refused.is_none() && attempt.admitted;
        self.report_attempt(key, attempt);
        stored
    }

    /// Ends a load with what it returned. `wait`: whether a newer load may be waited for.
    pub(crate) fn settle_load(
        &self,
        key: &K,
        load: LoadId,
        start: Timestamp,
        own: &Entry<V>,
        read: &Read,
        wait: bool,
    ) -> Settled<V> {
        let mut stripe = self.flights.lock(key);
        let attempt = self.try_store(&mut stripe, key, load, own);
        let (settled, removed) = match attempt.refused {
            None => (Settled::Done(own.clone()), None),
            // Nothing newer has begun: what is there is from before.
            Some(Void::No | Void::Invalidated) => {
                (Settled::Done(own.clone()), self.remove_older(key, start))
            }
            Some(Void::Superseded | Void::Overtaken)
                if mutation::active(Mutation::OvertakenHandsOutItsOwn) =>
            {
                (Settled::Done(own.clone()), None)
            }
            Some(Void::Superseded | Void::Overtaken) => {
                self.settle_behind(&mut stripe, key, own, read, wait)
            }
        };
        drop(stripe);
        self.report_bypassed(removed);
        self.report_attempt(key, attempt);
        settled
    }

    /// Ends a load after which, or instead of which, a newer one has begun.
    fn settle_behind(
        &self,
        stripe: &mut Stripe<K, V>,
        key: &K,
        own: &Entry<V>,
        read: &Read,
        wait: bool,
    ) -> (Settled<V>, Option<(K, Entry<V>)>) {
        if let Some(Ok(stored)) = self.find(key, &read.moment, read.demand) {
            return (Settled::Done(stored), None);
        }
        // Who waits for its turn has not begun to read, and will find something newer than this.
        let running = |flight: &&mut Flight<V>| flight.void == Void::No && !flight.queued;
        if let Some(newer) = stripe.get_mut(key).into_iter().flatten().find(running) {
            if let Some(flying) = Flying::of(newer).filter(|_| wait && self.may_join(newer, read)) {
                return (Settled::Behind(flying), None);
            }
            newer.void = Void::Superseded;
        }
        let keep = mutation::active(Mutation::RefusedFillLeavesOlder);
        let removed = if keep { None } else { self.engine.remove(key) };
        (Settled::Done(own.clone()), removed)
    }

    /// Takes the flight of a load out, and stores its entry unless something was invalidated since it began,
    /// or a newer one has begun.
    fn try_store(
        &self,
        stripe: &mut Stripe<K, V>,
        key: &K,
        load: LoadId,
        entry: &Entry<V>,
    ) -> Attempt<K, V> {
        let (flight, landing) = self.flights.land(stripe, key, load).unzip();
        // Counts until the end of this: whoever sees nothing in flight finds its entry.
        let _landing = landing.filter(|_| !mutation::active(Mutation::FlightLandsEarly));
        // What is not in the table does not know what has begun since.
        let was_in_flight = flight.is_some();
        let void = flight.map_or(Void::Superseded, |flight| flight.void);
        let mut evicted = Evicted::default();
        let insert = |evicted: &mut Evicted<K, V>| {
            self.engine.insert(key.clone(), entry.clone(), evicted);
        };
        if mutation::active(Mutation::FillVisibleBeforeCheck) {
            insert(&mut evicted);
        }
        let passes = void == Void::No
            && self.is_alive(&entry.stamp)
            && !mutation::active(Mutation::NothingIsStored);
        let refused = (!passes).then_some(void);
        if refused.is_none() {
            insert(&mut evicted);
            flights::overtake(stripe, key);
        }
        // What the capacity policy does not admit comes out again at once.
        let own = evicted.0.iter().any(|(evicted, _)| evicted == key);
        let admitted = !own || self.engine.contains(key);
        Attempt { refused, was_in_flight, admitted, evicted }
    }

    /// Removes the entry of a key if its load began before `start`. The caller holds the key's stripe, and
    /// drops what comes out after it.
    fn remove_older(&self, key: &K, start: Timestamp) -> Option<(K, Entry<V>)> {
        if mutation::active(Mutation::RefusedFillLeavesOlder) {
            return None;
        }
        let start = start.as_nanos();
        self.engine.remove_if(key, |stamp| stamp.as_of <= start)
    }

    fn report_bypassed(&self, removed: Option<(K, Entry<V>)>) {
        if let Some((key, _entry)) = removed {
            self.events.removed(&key, Cause::Replaced);
        }
    }

    fn report_attempt(&self, inserted: &K, attempt: Attempt<K, V>) {
        if let Some(void) = attempt.refused.filter(|_| attempt.was_in_flight) {
            self.counters.refused_fills.add(1);
            debug!(cache = %self.settings.name, ?void, "a fill was refused");
        }
        for (key, _entry) in attempt.evicted.0 {
            let cause = if attempt.admitted && key == *inserted {
                Cause::Replaced
            } else {
                self.counters.evictions.add(1);
                Cause::Capacity
            };
            self.events.removed(&key, cause);
        }
    }

    /// Notes that a load, and the one around it, wait for a newer one. `None` if that would close a cycle.
    fn wait_behind(
        &self,
        read: &Read,
        load: LoadId,
        newer: LoadId,
    ) -> Option<(Option<Waiting<'_>>, Waiting<'_>)> {
        let outer = match &read.current {
            None => None,
            Some(current) => Some(self.shared.waits.wait(current.context.load(), load)?),
        };
        Some((outer, self.shared.waits.wait(load, newer)?))
    }
}

/// A load whose result may be older than what a newer one will store: it waits for that one.
pub(crate) struct Late<K: CacheKey, V: CacheValue> {
    pub(crate) store: Arc<Store<K, V>>,
    pub(crate) key: K,
    pub(crate) load: LoadId,
    pub(crate) start: Timestamp,
    pub(crate) read: Read,
    /// Its own result.
    pub(crate) own: Entry<V>,
    pub(crate) newer: Flying<V>,
    /// Whom its joiners wait for, if it can have any.
    pub(crate) lead: Option<Lead<K, V>>,
}

impl<K: CacheKey, V: CacheValue> Late<K, V> {
    pub(crate) fn key(&self) -> &K {
        &self.key
    }

    /// The answer for the readers of this load.
    pub(crate) async fn finish(self) -> Entry<V> {
        let Self { store, key, load, start, read, own, mut newer, lead } = self;
        let mut behind = 1;
        let entry = loop {
            let mut wait = behind < MAX_BEHIND;
            match store.wait_behind(&read, load, newer.load()) {
                None => wait = false,
                Some(_waiting) => {
                    if let Some(Ok(entry)) = store.wait_for(&key, newer).await
                        && store.joinable(&entry, &read)
                    {
                        break entry;
                    }
                }
            }
            match store.settle_load(&key, load, start, &own, &read, wait) {
                Settled::Done(entry) => break entry,
                Settled::Behind(next) => newer = next,
            }
            behind += 1;
        };
        store.note_entry(&read, &entry);
        if let Some(lead) = lead {
            lead.announce(&entry);
        }
        entry
    }
}
