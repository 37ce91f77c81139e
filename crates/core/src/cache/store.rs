//! One cache: looking up, filling through the guard, invalidating.

use std::borrow::Borrow;
use std::cell::Cell as StdCell;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{debug, error, trace};

use super::cells::Cell;
use super::context::LoadContext;
use super::domain::{AnyCache, Applied, Moment, Origin, Shared};
use super::engine::Engine;
use super::entry::{Dependencies, Entry, Lifetime, Refusal, Stamp};
use super::events::{Cause, Events};
use super::flights::{self, Flights};
use super::hit_rule::HitRule;
use super::key;
use super::loaded::Loaded;
use super::permits::Permits;
use super::settings::Settings;
use super::stats::Counters;
use crate::freshness::Demand;
use crate::mutation::{self, Mutation};
use crate::receipt::Receipt;
use crate::shim::lock;
use crate::shim::sync::Mutex;
use crate::target::{Keys, Target};
use crate::time::{Timestamp, saturating_nanos};

/// Dead and expired entries are looked for at most this often: it means going through all entries.
const RECLAIM_EVERY: Duration = Duration::from_secs(10);

/// What a cache can use as a key.
///
/// Its `serde` form travels to the other nodes, where it is decoded and looked up: `Hash`, `Eq` and the
/// serde form must agree on what is equal. Implemented for every type that has the bounds.
pub trait CacheKey:
    Serialize + DeserializeOwned + Hash + Eq + Clone + Send + Sync + 'static
{
}

impl<K: Serialize + DeserializeOwned + Hash + Eq + Clone + Send + Sync + 'static> CacheKey for K {}

/// What a cache can hold. It is cloned for every hit: wrap what is expensive to clone in an `Arc`.
///
/// Cloning and dropping it can happen under a lock of the cache, so neither may use the cache. Implemented
/// for every type that has the bounds.
pub trait CacheValue: Clone + Send + Sync + 'static {}

impl<V: Clone + Send + Sync + 'static> CacheValue for V {}

/// The state behind the handles of one cache.
pub(crate) struct Store<K, V> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) settings: Settings<K, V>,
    /// The cache's place among those of its node.
    index: u64,
    pub(crate) engine: Engine<K, V>,
    /// The tick of the last clear.
    pub(crate) clear: Arc<Cell>,
    pub(crate) flights: Flights<K, V>,
    pub(crate) permits: Option<Arc<Permits>>,
    pub(crate) counters: Counters,
    pub(crate) events: Events<K>,
    random: Mutex<fastrand::Rng>,
    /// [`Shared::note_deaths`] as of the last reclaiming.
    reclaimed_deaths: AtomicU64,
    /// When that was, in nanoseconds.
    reclaimed_at: AtomicU64,
}

impl<K: CacheKey, V: CacheValue> Store<K, V> {
    pub(crate) fn new(shared: Arc<Shared>, settings: Settings<K, V>, index: u64) -> Self {
        let seed = shared.runtime.random_seed();
        Self {
            index,
            engine: Engine::new(settings.capacity, settings.expected_entries, seed),
            // A load of a cache that has just been made cannot be older than it.
            clear: Arc::new(Cell::new(0)),
            flights: Flights::new(seed, settings.max_loads_in_flight),
            permits: settings
                .max_concurrent_loads
                .map(|limit| Permits::new(limit, settings.load_timeout)),
            counters: Counters::default(),
            events: Events::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            reclaimed_deaths: AtomicU64::new(0),
            reclaimed_at: AtomicU64::new(0),
            settings,
            shared,
        }
    }

    /// The cell by which other entries depend on a key of this cache.
    pub(crate) fn key_cell(&self, key: &(impl Hash + ?Sized)) -> Arc<Cell> {
        self.shared.cells.key(self.shared.cells.key_id(self.index, key))
    }

    /// The entry of a key, if it may be served to a read that began at `moment`; else why not. `None`: there is none.
    pub(crate) fn find<Q>(
        &self,
        key: &Q,
        moment: &Moment,
        demand: Demand,
    ) -> Option<Result<Entry<V>, Refusal>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let found = self.find_and(key, moment, demand, Stamp::clone)?;
        Some(found.map(|(value, stamp)| Entry { value, stamp }))
    }

    /// The same, but keeps of the stamp what is asked for: to clone it can take an allocation. What is not served is
    /// not copied at all.
    ///
    /// The order is what makes it sound: clock and horizon were read by the caller, *then* the entry is found, *then*
    /// it is looked whether it was dropped, cleared, or something that it depends on invalidated. Whoever sees the
    /// horizon sees what was applied before it.
    pub(crate) fn find_and<Q, S>(
        &self,
        key: &Q,
        moment: &Moment,
        demand: Demand,
        keep: impl Fn(&Stamp) -> S,
    ) -> Option<Result<(Option<V>, S), Refusal>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if mutation::active(Mutation::EntryBeforeHorizon) {
            let found = StdCell::new(None);
            let value = self.engine.get_if(key, |stamp| {
                found.set(Some((stamp.clone(), keep(stamp))));
                true
            })?;
            let (stamp, kept) = found.take()?;
            let verdict = self.judge_for_read(&stamp, &self.shared.moment(demand), demand);
            return Some(verdict.map(|()| (value, kept)));
        }
        let judged = StdCell::new(None);
        let value = self.engine.get_if(key, |stamp| {
            let verdict = self.judge_for_read(stamp, moment, demand);
            judged.set(Some(verdict.map(|()| keep(stamp))));
            verdict.is_ok()
        });
        match (judged.take()?, value) {
            (Ok(kept), Some(value)) => Some(Ok((value, kept))),
            (Err(refusal), _) => {
                self.tidy(key, refusal, moment);
                Some(Err(refusal))
            }
            (Ok(_), None) => None,
        }
    }

    /// Whether what has this stamp may be served to a read that began at `moment`.
    #[inline]
    pub(crate) fn judge(
        &self,
        stamp: &Stamp,
        moment: &Moment,
        demand: Demand,
    ) -> Result<(), Refusal> {
        let now = moment.now.as_nanos();
        if !self.is_alive(stamp) {
            Err(Refusal::Dead)
        } else if stamp.is_expired(now, self.settings.idle_ns) {
            Err(Refusal::Expired)
        } else if moment.accepts(stamp.as_of, demand) {
            Ok(())
        } else {
            Err(Refusal::Unproven)
        }
    }

    /// What a read that begins now asks of an entry. First the moment: what its horizon vouches for must be in the rest.
    #[inline]
    pub(crate) fn hit_rule(&self) -> HitRule {
        let demand = self.settings.demand;
        let early = mutation::active(Mutation::BarrierBeforeHorizon).then(|| self.shared.barrier());
        let moment = self.shared.moment(demand);
        let barrier = early.unwrap_or_else(|| self.shared.barrier());
        let tick = if mutation::active(Mutation::ClearNotChecked) { 0 } else { self.clear.tick() };
        HitRule { as_of: moment.fresh_as_of(demand).max(barrier), tick, now: moment.now.as_nanos() }
    }

    /// [`judge`](Self::judge), and notes that the entry is served.
    fn judge_for_read(
        &self,
        stamp: &Stamp,
        moment: &Moment,
        demand: Demand,
    ) -> Result<(), Refusal> {
        self.judge(stamp, moment, demand)?;
        if self.settings.idle_ns != u64::MAX {
            stamp.touch(moment.now.as_nanos());
        }
        Ok(())
    }

    /// Reclaims what a read has found and nobody can be served any more.
    fn tidy<Q>(&self, key: &Q, refusal: Refusal, moment: &Moment)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if matches!(refusal, Refusal::Dead | Refusal::Expired) {
            self.reclaim_one(key, moment.now.as_nanos());
        }
    }

    /// Whether nothing was invalidated that the value depends on; its key is not looked at.
    #[inline]
    pub(crate) fn is_alive(&self, stamp: &Stamp) -> bool {
        let cleared =
            self.clear.tick() > stamp.tick && !mutation::active(Mutation::ClearNotChecked);
        let by_start = mutation::active(Mutation::DropByLoadStart);
        let as_of = if by_start { stamp.mistaken_as_of() } else { stamp.as_of };
        !cleared && as_of >= self.shared.barrier() && stamp.dependencies_hold()
    }

    /// Every entry as it lies there.
    #[cfg(feature = "simulation")]
    pub(crate) fn residents(&self) -> Vec<crate::simulation::Resident<K, V>> {
        self.engine.iter().map(|(key, entry)| self.as_resident(key, entry)).collect()
    }

    /// The entry of a key as it lies there.
    #[cfg(feature = "simulation")]
    pub(crate) fn resident(&self, key: &K) -> Option<crate::simulation::Resident<K, V>> {
        Some(self.as_resident(key.clone(), self.engine.peek(key)?))
    }

    #[cfg(feature = "simulation")]
    fn as_resident(&self, key: K, entry: Entry<V>) -> crate::simulation::Resident<K, V> {
        let demand = self.settings.demand;
        let moment = self.shared.moment(demand);
        crate::simulation::Resident {
            key,
            as_of: Timestamp::from_nanos(entry.stamp.as_of),
            alive: self.is_alive(&entry.stamp),
            served: self.judge(&entry.stamp, &moment, demand).is_ok(),
            value: entry.value,
        }
    }

    #[cold]
    fn reclaim_one<Q>(&self, key: &Q, now: u64)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if let Some((key, entry)) = self.engine.remove_if(key, |stamp| self.is_gone(stamp, now)) {
            self.events.removed(&key, self.cause_of_death(&entry.stamp));
        }
    }

    fn is_gone(&self, stamp: &Stamp, now: u64) -> bool {
        !self.is_alive(stamp) || stamp.is_expired(now, self.settings.idle_ns)
    }

    fn cause_of_death(&self, stamp: &Stamp) -> Cause {
        if self.is_alive(stamp) { Cause::Expired } else { Cause::Dependency }
    }

    /// Makes the entry of what a load returned.
    pub(crate) fn entry(
        &self,
        key: &K,
        loaded: Loaded<V>,
        tick: u64,
        start: Timestamp,
        context: &LoadContext,
    ) -> Entry<V> {
        let settings = &self.settings;
        let (as_of, mut dependencies) = context.collected();
        let as_of = as_of.min(start.as_nanos());
        let tags = loaded.tags.iter();
        dependencies.extend(tags.map(|tag| self.shared.tag_dependency(tag, tick)));
        let random = if settings.jitter > 0.0 { lock(&self.random).f64() } else { 0.0 };
        let time_to_live =
            settings.time_to_live(loaded.time_to_live, loaded.value.is_none(), random);
        // The time to live counts from the start of the load, the entry's lifetime from its as-of.
        let start = start.as_nanos();
        let (lifetime, earlier) = match time_to_live {
            None => (Lifetime::UNLIMITED, Duration::ZERO),
            Some(limit) => Lifetime::of_load(limit, Duration::from_nanos(start - as_of)),
        };
        let mut dependencies = Dependencies::new(dependencies);
        if settings.idle_ns != u64::MAX {
            dependencies = dependencies.with_last_access(self.shared.runtime.now().as_nanos());
        }
        let stamp = Stamp {
            as_of: as_of.saturating_sub(saturating_nanos(earlier)),
            tick,
            lifetime,
            weight: settings.weight(key, loaded.value.as_ref(), loaded.pinned),
            dependencies,
            #[cfg(unstale_mutants)]
            start,
        };
        Entry { value: loaded.value, stamp }
    }

    /// Invalidates a key here. The entry that comes out is the application's: to be dropped outside of locks.
    ///
    /// `may_fly`: whether [`Flights::are_any`], when it was asked after the key had been invalidated.
    fn apply(&self, key: &K, origin: Origin, may_fly: bool) -> Option<(K, Entry<V>)> {
        let stripe = may_fly.then(|| {
            let mut stripe = self.flights.lock(key);
            if !mutation::active(Mutation::NoFillGuard)
                && let Some(flights) = stripe.get_mut(key)
            {
                trace!(cache = %self.settings.name, count = flights.len(), "loads were voided");
                flights::invalidate(flights);
            }
            stripe
        });
        let early =
            mutation::active(Mutation::KeyTickBeforeRemoval).then(|| self.shared.next_tick());
        let cells = &self.shared.cells;
        let asked_early = mutation::active(Mutation::KeysWatchedAskedEarly);
        let asked_early = asked_early.then(|| cells.are_keys_watched());
        let removed = self.engine.remove(key);
        if asked_early.unwrap_or_else(|| cells.are_keys_watched()) {
            // After the removal: a nested read that found the entry before it has seen nothing of this tick, also
            // where its cell has gone beyond for something else of the same hash.
            let tick = early.unwrap_or_else(|| self.shared.next_tick());
            cells.advance(cells.key_id(self.index, key), tick);
            self.shared.note_deaths();
        }
        drop(stripe);
        self.events.removed(key, origin.into());
        removed
    }

    /// What to tell the other nodes about a key.
    pub(crate) fn target(&self, key: &K) -> Target {
        let cache = Arc::clone(&self.settings.name);
        let key = key::encode(key).filter(|key| key.len() <= self.settings.max_key_bytes);
        match key {
            Some(key) => Target::Key { cache, schema: self.settings.schema, key },
            // A key that cannot be named: too much rather than too little.
            None => Target::Cache(cache),
        }
    }

    /// Invalidates a key here and everywhere.
    pub(crate) fn invalidate_one(&self, key: &K) -> Receipt {
        let target = self.target(key);
        let here = !mutation::active(Mutation::InvalidateNotAppliedHere);
        let removed = here.then(|| self.apply(key, Origin::Local, true));
        self.counters.invalidated_keys.add(u64::from(here));
        let receipt = self.shared.uplink.publish(vec![target]);
        drop(removed);
        receipt
    }

    /// Invalidates keys here and everywhere.
    pub(crate) fn invalidate<'a>(&self, keys: impl IntoIterator<Item = &'a K>) -> Receipt {
        // Whatever of the application's code may panic does so before the first key is applied, or after
        // all are on their way.
        let keys: Vec<&K> = keys.into_iter().collect();
        let targets = keys.iter().map(|key| self.target(key)).collect();
        let here = !mutation::active(Mutation::InvalidateNotAppliedHere);
        let apply = |key: &&K| self.apply(key, Origin::Local, true);
        let removed: Vec<_> = keys.iter().filter(|_| here).map(apply).collect();
        self.counters.invalidated_keys.add(removed.len() as u64);
        let receipt = self.shared.uplink.publish(targets);
        drop(removed);
        receipt
    }

    /// Clears the cache here and everywhere.
    pub(crate) fn clear(&self) -> Receipt {
        self.apply_clear(Origin::Local);
        let target = Target::Cache(Arc::clone(&self.settings.name));
        self.shared.uplink.publish(vec![target])
    }
}

impl<K: CacheKey, V: CacheValue> Store<K, V> {
    /// Runs what calls the application's code on the tasks of the node, which must survive it. `None`: it
    /// panicked.
    fn contained<T>(&self, body: impl FnOnce() -> T) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(body));
        if result.is_err() {
            error!(cache = %self.settings.name, "the key's or value's own code panicked");
        }
        result.ok()
    }
}

impl<K: CacheKey, V: CacheValue> AnyCache for Store<K, V> {
    fn name(&self) -> &Arc<str> {
        &self.settings.name
    }

    fn apply_keys(&self, schema: u64, keys: &Keys, origin: Origin) -> Applied {
        if keys.len() == 0 {
            return Applied::Done;
        }
        if schema == self.settings.schema {
            // All of them were invalidated before this.
            let may_fly = self.flights.are_any();
            let apply = |key: &[u8]| {
                let removed = self.apply(&key::decode(key)?, origin, may_fly);
                drop(removed);
                Some(())
            };
            let is_applied = |key: &&[u8]| {
                key.len() <= self.settings.max_key_bytes
                    && self.contained(|| apply(key)).flatten().is_some()
            };
            let applied = keys.iter().take_while(is_applied).count();
            self.counters.invalidated_keys.add(applied as u64);
            // Also when the keys were fewer than was said: none may be lost.
            if applied == keys.len() {
                return Applied::Done;
            }
        }
        if !mutation::active(Mutation::SchemaMismatchIgnored) {
            self.apply_clear(origin);
        }
        Applied::SchemaMismatch
    }

    fn apply_clear(&self, origin: Origin) {
        // The tick kills what is there and what is in flight; removing only gives the memory back.
        self.clear.advance(self.shared.next_tick());
        // Entries of other caches may depend on this one.
        self.shared.note_deaths();
        self.counters.clears.add(1);
        // One by one, so that no value is dropped under a lock.
        let mut entries = self.engine.drain();
        while let Some(Some(entry)) = self.contained(|| entries.next()) {
            self.contained(|| drop(entry));
        }
        debug!(cache = %self.settings.name, ?origin, "the cache was cleared");
        self.events.cleared(origin.into());
    }

    fn void_loads(&self) {
        if !mutation::active(Mutation::LoadsNotVoided) {
            self.flights.void_all();
        }
    }

    fn reclaim(&self, deaths: u64) {
        let now = self.shared.runtime.now();
        let last = Timestamp::from_nanos(self.reclaimed_at.load(Ordering::Relaxed));
        let expires = self.settings.time_to_live.is_some() || self.settings.idle_ns != u64::MAX;
        let died = self.reclaimed_deaths.load(Ordering::Relaxed) != deaths;
        if !(died || expires) || now.since(last) < RECLAIM_EVERY {
            return;
        }
        self.reclaimed_at.store(now.as_nanos(), Ordering::Relaxed);
        self.reclaimed_deaths.store(deaths, Ordering::Relaxed);
        let now = now.as_nanos();
        // One by one, so that nobody waits for the lock meanwhile, and no value is dropped under it.
        let mut entries = self.engine.iter();
        let mut visit_next = || {
            let Some((key, entry)) = entries.next() else {
                return false;
            };
            if self.is_gone(&entry.stamp, now) {
                self.reclaim_one(&key, now);
            }
            true
        };
        while self.contained(&mut visit_next) != Some(false) {}
    }

    fn within(&self) -> Option<Duration> {
        self.settings.freshness.within()
    }

    fn reads_total(&self) -> u64 {
        self.counters.reads_total()
    }

    #[cfg(feature = "metrics")]
    fn figures(&self) -> super::domain::Figures {
        super::domain::Figures {
            name: Arc::clone(&self.settings.name),
            stats: self.counters.snapshot(),
            entries: self.engine.len(),
            weight: self.engine.weight(),
        }
    }
}
