//! A read: from the cache, or by joining a load, or by becoming the one who loads.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::trace;

use super::cells::Cell;
use super::context::{self, Current};
use super::domain::Moment;
use super::entry::{Entry, Refusal};
use super::error::LoadError;
use super::flights::{self, Failure, Flight, Outcome, Void};
use super::hit_rule::HitRule;
use super::load::{Lead, Unshared};
use super::store::{CacheKey, CacheValue, Store};
use super::waits::{LoadId, Waiting};
use crate::freshness::Demand;
use crate::mutation::{self, Mutation};
use crate::time::Timestamp;

/// A reader that was disappointed this often by the loads of others loads by itself.
const MAX_JOINS: u32 = 8;

/// Loads of one key that run at the same time.
const MAX_LOADS_OF_A_KEY: usize = 2;

/// What a read noted when it began.
#[derive(Clone)]
pub(crate) struct Read {
    pub(crate) moment: Moment,
    pub(crate) demand: Demand,
    /// The load that this read is part of.
    pub(crate) current: Option<Current>,
    /// The key's cell, if the enclosing load depends on the key.
    key_cell: Option<Arc<Cell>>,
    /// When it first waited for a load.
    began: Option<Timestamp>,
    /// Whether waiting for a load would have closed a cycle.
    cut: bool,
}

/// How a read goes on after it did not find its entry.
pub(crate) enum Step<K: CacheKey, V: CacheValue> {
    Found(Entry<V>),
    Lead(Lead<K, V>),
    Unshared(Unshared<K, V>),
}

/// What the key's flights hold in store for a reader.
pub(crate) enum Entered<K: CacheKey, V: CacheValue> {
    Found(Entry<V>),
    Lead(Lead<K, V>),
    Unshared,
    Wait(Flying<V>),
}

/// A load in flight that a reader waits for.
pub(crate) struct Flying<V> {
    load: LoadId,
    outcome: watch::Receiver<Outcome<V>>,
    deadline: Timestamp,
    /// Whether the reader may take its result, or only has to wait for its end.
    join: bool,
}

impl<V> Flying<V> {
    /// How to wait for a flight and take its result. `None` for a fill from outside.
    pub(crate) fn of(flight: &Flight<V>) -> Option<Self> {
        Some(Self {
            load: flight.load,
            outcome: flight.outcome.clone()?,
            deadline: flight.deadline,
            join: true,
        })
    }

    pub(crate) fn load(&self) -> LoadId {
        self.load
    }
}

impl Read {
    /// The enclosing load, as far as this read becomes a dependency of it.
    fn tracked(&self) -> Option<&Current> {
        self.current.as_ref().filter(|current| current.tracked)
    }
}

impl<K: CacheKey, V: CacheValue> Store<K, V> {
    /// Begins a read. Outside of loads that is two loads and a clock.
    pub(crate) fn begin_read<Q>(&self, key: &Q) -> Read
    where
        Q: Hash + ?Sized,
    {
        let current = if context::is_inside() { context::current(&self.shared) } else { None };
        let mut read = Read {
            moment: self.shared.moment(self.settings.demand),
            demand: self.settings.demand,
            current,
            key_cell: None,
            began: None,
            cut: false,
        };
        if let Some(current) = read.tracked() {
            let context = current.context.clone();
            context.note_cache(&self.clear);
            let cell = self.key_cell(key);
            let seen = cell.tick();
            if !mutation::active(Mutation::NestedKeyNotedLate) {
                context.note_key(Arc::clone(&cell), seen);
            }
            read.key_cell = Some(cell);
            if !mutation::active(Mutation::NestedIgnoresOuterWithin) {
                read.demand = read.demand.and(context.demand());
            }
            // Not before the cell's tick: a flight that was voided by then must not be joined.
            read.moment = self.shared.moment(read.demand);
        }
        read
    }

    /// A synchronous read. `None`: a miss.
    #[inline]
    pub(crate) fn get<Q>(&self, key: &Q) -> Option<Option<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if let Some(value) = self.untracked_hit(key) {
            return Some(value);
        }
        self.get_slowly(key)
    }

    /// A hit that no load is to learn of. What is not one is not counted.
    #[inline]
    pub(crate) fn untracked_hit<Q>(&self, key: &Q) -> Option<Option<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        // Two mistakes are in the longer way only.
        let is_mistaken = mutation::active(Mutation::EntryBeforeHorizon)
            || mutation::active(Mutation::DropByLoadStart);
        if context::is_inside() || is_mistaken {
            return None;
        }
        let rule = self.hit_rule();
        let found = if self.settings.idle_ns == u64::MAX {
            self.engine.get_if(key, move |stamp| rule.admits(stamp))
        } else {
            self.idle_hit(key, rule)
        };
        let value = found?;
        self.counters.hit();
        Some(value)
    }

    #[inline(never)]
    fn idle_hit<Q>(&self, key: &Q, rule: HitRule) -> Option<Option<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let idle_ns = self.settings.idle_ns;
        self.engine.get_if(key, |stamp| rule.admits_of_idle(stamp, idle_ns))
    }

    /// A read that is part of a load, or not answered at first sight.
    #[cold]
    fn get_slowly<Q>(&self, key: &Q) -> Option<Option<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let read = self.begin_read(key);
        if read.tracked().is_some() {
            return Some(self.look(key, &read)?.ok()?.value);
        }
        let found = self.find_and(key, &read.moment, read.demand, |_| ());
        self.count(&found);
        Some(found?.ok()?.0)
    }

    /// Looks a key up and counts it.
    pub(crate) fn look<Q>(&self, key: &Q, read: &Read) -> Option<Result<Entry<V>, Refusal>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let found = self.find(key, &read.moment, read.demand);
        self.count(&found);
        if let Some(Ok(entry)) = &found {
            self.note_entry(read, entry);
        }
        found
    }

    /// Counts a read by what it found.
    fn count<T>(&self, found: &Option<Result<T, Refusal>>) {
        match found {
            Some(Ok(_)) => self.counters.hit(),
            Some(Err(Refusal::Unproven)) => {
                self.counters.miss();
                self.counters.unproven.add(1);
            }
            _ => self.counters.miss(),
        }
    }

    /// Makes what is being loaded depend on what was read.
    pub(crate) fn note_entry(&self, read: &Read, entry: &Entry<V>) {
        if let Some(current) = read.tracked() {
            current.context.note_entry(entry, &self.clear);
            if let Some(cell) = &read.key_cell
                && mutation::active(Mutation::NestedKeyNotedLate)
            {
                current.context.note_key(Arc::clone(cell), cell.tick());
            }
        }
    }

    /// The first part of a read that may load: the cache, if need be after a proof was awaited.
    pub(crate) async fn first_look(&self, key: &K, read: &mut Read) -> Option<Entry<V>> {
        match self.look(key, read)? {
            Ok(entry) => Some(entry),
            Err(Refusal::Unproven) => {
                let not_before = Self::proof_needed(read)?;
                if !self.shared.uplink.prove(not_before).await {
                    return None;
                }
                self.renew_proof(read);
                let entry = self.find(key, &read.moment, read.demand)?.ok()?;
                self.note_entry(read, &entry);
                Some(entry)
            }
            Err(Refusal::Dead | Refusal::Expired) => None,
        }
    }

    /// The horizon that serves this read at the least; `None` if it needs none.
    pub(crate) fn proof_needed(read: &Read) -> Option<Timestamp> {
        let within = Duration::from_nanos(read.demand.within_ns);
        (read.demand.within_ns != u64::MAX).then(|| read.moment.now.before(within))
    }

    /// Notes that the horizon has moved; the read still began when it began.
    pub(crate) fn renew_proof(&self, read: &mut Read) {
        read.moment = self.shared.moment(read.demand).with_now(read.moment.now);
    }

    /// The second part: joins loads until one has an answer for this reader, or makes it load.
    pub(crate) async fn resolve(
        self: &Arc<Self>,
        key: &K,
        read: &mut Read,
    ) -> Result<Step<K, V>, LoadError> {
        for _ in 0..MAX_JOINS {
            let load = self.shared.waits.next_load();
            let flying = match self.enter(key, read, load) {
                Entered::Found(entry) => {
                    self.note_entry(read, &entry);
                    return Ok(Step::Found(entry));
                }
                Entered::Lead(lead) => return Ok(Step::Lead(lead)),
                Entered::Unshared => break,
                Entered::Wait(flying) => flying,
            };
            if let Some(entry) = self.take(key, read, flying).await? {
                return Ok(Step::Found(entry));
            }
            if read.cut {
                break;
            }
        }
        Ok(Step::Unshared(Unshared::new(self, key, read)))
    }

    /// Waits for a load in flight and takes its result, if that is an answer for this reader.
    pub(crate) async fn take(
        &self,
        key: &K,
        read: &mut Read,
        flying: Flying<V>,
    ) -> Result<Option<Entry<V>>, LoadError> {
        let began = *read.began.get_or_insert_with(|| self.shared.runtime.now());
        let Ok(_waiting) = self.wait_edge(read, flying.load) else {
            trace!(cache = %self.settings.name, "a cycle of loads was cut");
            read.cut = true;
            return Ok(None);
        };
        let join = flying.join;
        match self.wait_for(key, flying).await {
            Some(Ok(entry)) if join && self.joinable(&entry, read) => {
                self.counters.joined_loads.add(1);
                self.note_entry(read, &entry);
                Ok(Some(entry))
            }
            Some(Err(Failure { error, context })) if join => {
                if let Some(current) = read.tracked() {
                    current.context.absorb(&context);
                }
                Err(error)
            }
            _ if self.shared.runtime.now().since(began) >= self.patience() => {
                Err(LoadError::timed_out())
            }
            _ => Ok(None),
        }
    }

    /// How long a reader waits for the loads of others: for one that nobody drives, and for the next one.
    fn patience(&self) -> Duration {
        self.settings.load_timeout.saturating_mul(2)
    }

    /// Notes in the wait graph that the load around this read waits for another. An error if that one
    /// waits for it, or for a permit that would not come before.
    fn wait_edge(&self, read: &Read, load: LoadId) -> Result<Option<Waiting<'_>>, ()> {
        match &read.current {
            None => Ok(None),
            Some(current) => {
                let waiting = self.shared.waits.wait(current.context.load(), load);
                waiting.map(Some).ok_or(())
            }
        }
    }

    /// Whether a reader may take a joined load's result: the hit rule as of the reader's start, and
    /// nothing that the result was built from has been invalidated.
    ///
    /// An invalidation of the key itself needs no look: the flight was not void when it was joined, so
    /// what voided it came after the reader's start.
    pub(crate) fn joinable(&self, entry: &Entry<V>, read: &Read) -> bool {
        let fresh = read.moment.accepts(entry.stamp.as_of, read.demand)
            || mutation::active(Mutation::JoinerIgnoresAsOf);
        fresh
            && entry.stamp.as_of >= self.shared.floor()
            && self.clear.tick() <= entry.stamp.tick
            && entry.stamp.dependencies_hold()
    }

    /// Whether a flight may be joined by a reader, as far as can be said before it ends.
    pub(crate) fn may_join(&self, flight: &Flight<V>, read: &Read) -> bool {
        let voided = flight.void != Void::No && !mutation::active(Mutation::JoinVoidedLoad);
        !voided
            && self.clear.tick() <= flight.tick
            && flight.start.as_nanos() >= self.shared.floor()
            && read.moment.accepts(flight.start.as_nanos(), read.demand)
    }

    /// Decides under the key's lock what a reader does.
    /// `load` is the name of the load that this reader would begin.
    pub(crate) fn enter(self: &Arc<Self>, key: &K, read: &Read, load: LoadId) -> Entered<K, V> {
        if read.cut {
            return Entered::Unshared;
        }
        let mut stripe = self.flights.lock(key);
        let flights = stripe.get(key).into_iter().flatten();
        let loads: Vec<_> = flights.filter(|flight| flight.outcome.is_some()).collect();
        let joined = loads.iter().rev().find(|flight| self.may_join(flight, read));
        let (wait, join) = match (joined, loads.first()) {
            (Some(load), _) => (Some(load), true),
            (None, Some(oldest)) if loads.len() >= MAX_LOADS_OF_A_KEY => (Some(oldest), false),
            (None, _) => (None, false),
        };
        if let Some(flying) = wait.and_then(|flight| Flying::of(flight)) {
            return Entered::Wait(Flying { join, ..flying });
        }
        // Another load may have ended since the key was looked up.
        if let Some(Ok(entry)) = self.find(key, &read.moment, read.demand) {
            return Entered::Found(entry);
        }
        let lead = Lead::register(self, key, read, &mut stripe, load);
        lead.map_or(Entered::Unshared, Entered::Lead)
    }

    /// Waits for a load's end. `None`: it was abandoned, or it is overdue and no longer in the way.
    pub(crate) async fn wait_for(&self, key: &K, flying: Flying<V>) -> Outcome<V> {
        let Flying { load, mut outcome, mut deadline, .. } = flying;
        let ended = async {
            let ended = outcome.wait_for(Option::is_some).await;
            ended.ok().and_then(|outcome| outcome.clone())
        };
        tokio::pin!(ended);
        loop {
            tokio::select! {
                biased;
                outcome = &mut ended => return outcome,
                () = self.shared.runtime.sleep_until(deadline) => {}
            }
            // It gets more time when its turn to load comes.
            deadline = self.void_overdue(key, load)?;
        }
    }

    /// Takes a load that nobody drives out of the way; its deadline if there is still time.
    fn void_overdue(&self, key: &K, load: LoadId) -> Option<Timestamp> {
        let mut stripe = self.flights.lock(key);
        let mut flights = stripe.get(key)?.iter();
        let deadline = flights.find(|flight| flight.load == load)?.deadline;
        if self.shared.runtime.now() < deadline {
            return Some(deadline);
        }
        self.flights.remove(&mut stripe, key, load);
        drop(stripe);
        if let Some(permits) = &self.permits {
            permits.release(load);
        }
        None
    }

    /// Keeps what is in flight for a key from being stored: a load that is not in the table begins.
    pub(crate) fn supersede(&self, key: &K) {
        flights::supersede(&mut self.flights.lock(key), key);
    }
}
