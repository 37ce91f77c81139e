//! Running a loader: as the one that loads for all readers of a key, or for oneself alone.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;
use tracing::{debug, trace};

use super::context::{Current, LoadContext, MAX_DEPTH, PassOn};
use super::entry::Entry;
use super::error::{LoadError, LoadErrorKind};
use super::flights::{Failure, Flight, Outcome, Stripe, Void};
use super::loaded::Loaded;
use super::permits::Turn;
use super::read::Read;
use super::settle::{Late, Settled};
use super::store::{CacheKey, CacheValue, Store};
use super::waits::LoadId;
use crate::freshness::Demand;
use crate::time::Timestamp;

/// Any error of a loader.
pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// The right and duty to load a key for all its readers.
///
/// Dropped before its end, for whatever reason, it leaves the key to the next reader.
pub(crate) struct Lead<K: CacheKey, V: CacheValue> {
    pub(crate) store: Arc<Store<K, V>>,
    key: K,
    load: LoadId,
    tick: u64,
    start: Timestamp,
    read: Read,
    outcome: watch::Sender<Outcome<V>>,
    settled: bool,
}

impl<K: CacheKey, V: CacheValue> Lead<K, V> {
    /// Begins a load under the key's lock. `None` if too many are in flight.
    pub(crate) fn register(
        store: &Arc<Store<K, V>>,
        key: &K,
        read: &Read,
        stripe: &mut Stripe<K, V>,
        load: LoadId,
    ) -> Option<Self> {
        let (outcome, receiver) = watch::channel(None);
        let shared = &store.shared;
        let own_key = key.clone();
        // The moment before the tick: what is applied in between only makes the load look older.
        let start = shared.runtime.now();
        let tick = shared.tick();
        let flight = Flight {
            load,
            tick,
            start,
            void: Void::No,
            queued: store.permits.is_some(),
            deadline: start.after(store.settings.load_timeout),
            outcome: Some(receiver),
        };
        if !store.flights.add(stripe, key, flight) {
            return None;
        }
        Some(Self {
            store: Arc::clone(store),
            key: own_key,
            load,
            tick,
            start,
            read: read.clone(),
            outcome,
            settled: false,
        })
    }

    pub(crate) fn key(&self) -> &K {
        &self.key
    }

    /// Waits for the turn to load.
    pub(crate) async fn turn(&self) -> Result<Option<Turn>, LoadError> {
        self.store.turn(self.load, &self.read).await
    }

    pub(crate) fn running(&self) -> Running {
        Running {
            load: self.load,
            tick: self.tick,
            start: self.start,
            demand: self.read.demand,
            parent: self.read.current.clone(),
        }
    }

    /// Runs the loader and ends the flight.
    pub(crate) async fn run<F, Fut, L, E>(mut self, loader: F) -> Result<Entry<V>, LoadError>
    where
        F: FnOnce(LoadContext) -> Fut,
        Fut: Future<Output = Result<L, E>>,
        L: Into<Loaded<V>>,
        E: Into<BoxError>,
    {
        let turn = match self.turn().await {
            Ok(turn) => turn,
            Err(error) => return self.fail(error, None),
        };
        if let Some(entry) = self.begin_again() {
            return Ok(self.answer(entry));
        }
        let store = Arc::clone(&self.store);
        let (context, result) = self.running().run(&store, loader).await;
        drop(turn);
        match result {
            Ok(loaded) => match self.succeed(loaded, &context) {
                Ok(entry) => Ok(entry),
                Err(late) => Ok(late.finish().await),
            },
            Err(error) => self.fail(error, Some(context)),
        }
    }

    /// Notes that the load begins only now, as the newest of its key: what was invalidated while it waited
    /// does not concern it. Returns what another one has stored meanwhile, if that is an answer.
    pub(crate) fn begin_again(&mut self) -> Option<Entry<V>> {
        let store = Arc::clone(&self.store);
        // Without a limit nothing waits.
        store.permits.as_ref()?;
        let mut stripe = store.flights.lock(&self.key);
        let found = store.find(&self.key, &self.read.moment, self.read.demand);
        if let Some(Ok(entry)) = found {
            return Some(entry);
        }
        let shared = &store.shared;
        self.start = shared.runtime.now();
        self.tick = shared.tick();
        store.flights.remove(&mut stripe, &self.key, self.load);
        let flight = Flight {
            load: self.load,
            tick: self.tick,
            start: self.start,
            void: Void::No,
            queued: false,
            deadline: self.start.after(store.settings.load_timeout),
            outcome: Some(self.outcome.subscribe()),
        };
        // Where too many are in flight it goes on without, and is not stored.
        store.flights.add(&mut stripe, &self.key, flight);
        None
    }

    /// Ends the flight with what was loaded. An error: a newer load is to be waited for first.
    pub(crate) fn succeed(
        mut self,
        loaded: Loaded<V>,
        context: &LoadContext,
    ) -> Result<Entry<V>, Box<Late<K, V>>> {
        let store = Arc::clone(&self.store);
        let own = store.entry(&self.key, loaded, self.tick, self.start, context);
        self.settled = true;
        match store.settle_load(&self.key, self.load, self.start, &own, &self.read, true) {
            Settled::Done(entry) => {
                store.note_entry(&self.read, &entry);
                self.announce(&entry);
                Ok(entry)
            }
            Settled::Behind(newer) => Err(Box::new(Late {
                key: self.key.clone(),
                load: self.load,
                start: self.start,
                read: self.read.clone(),
                own,
                newer,
                store,
                lead: Some(self),
            })),
        }
    }

    /// Ends the flight with what another load has stored.
    pub(crate) fn answer(mut self, entry: Entry<V>) -> Entry<V> {
        self.withdraw();
        self.store.note_entry(&self.read, &entry);
        self.announce(&entry);
        entry
    }

    /// Tells those who joined. The flight has ended: they find the entry, and no flight of it any more.
    pub(crate) fn announce(&self, entry: &Entry<V>) {
        self.outcome.send_replace(Some(Ok(entry.clone())));
    }

    /// Ends the flight without a value. An entry from before stays as it was. `context`: what was read.
    pub(crate) fn fail<T>(
        mut self,
        error: LoadError,
        context: Option<LoadContext>,
    ) -> Result<T, LoadError> {
        self.withdraw();
        // A load that ran out of time or was nested too deeply says nothing about the next one: its joiners
        // try by themselves.
        let concerns_all =
            !matches!(error.kind(), LoadErrorKind::TimedOut | LoadErrorKind::TooDeep);
        if let Some(context) = context.filter(|_| concerns_all) {
            let failure = Failure { error: error.clone(), context };
            self.outcome.send_replace(Some(Err(failure)));
        }
        Err(error)
    }

    fn withdraw(&mut self) {
        self.settled = true;
        let mut stripe = self.store.flights.lock(&self.key);
        self.store.flights.remove(&mut stripe, &self.key, self.load);
    }
}

impl<K: CacheKey, V: CacheValue> Drop for Lead<K, V> {
    fn drop(&mut self) {
        if !self.settled {
            debug!(cache = %self.store.settings.name, "a load was abandoned");
            self.withdraw();
        }
    }
}

/// A load that nobody joins and that is not stored.
pub(crate) struct Unshared<K: CacheKey, V: CacheValue> {
    store: Arc<Store<K, V>>,
    load: LoadId,
    key: K,
    read: Read,
}

impl<K: CacheKey, V: CacheValue> Unshared<K, V> {
    pub(crate) fn new(store: &Arc<Store<K, V>>, key: &K, read: &Read) -> Self {
        let load = store.shared.waits.next_load();
        Self { store: Arc::clone(store), load, key: key.clone(), read: read.clone() }
    }

    pub(crate) async fn run<F, Fut, L, E>(self, loader: F) -> Result<Entry<V>, LoadError>
    where
        F: FnOnce(LoadContext) -> Fut,
        Fut: Future<Output = Result<L, E>>,
        L: Into<Loaded<V>>,
        E: Into<BoxError>,
    {
        let turn = self.turn().await?;
        self.begin();
        let running = self.running();
        let begun = running.begun();
        let (context, result) = running.run(&self.store, loader).await;
        drop(turn);
        match self.succeed(result?, begun, &context) {
            Ok(entry) => Ok(entry),
            Err(late) => Ok(late.finish().await),
        }
    }

    pub(crate) fn key(&self) -> &K {
        &self.key
    }

    /// What is in flight may be older than what this load will hand out, and is not to be stored after.
    pub(crate) fn begin(&self) {
        self.store.counters.unshared_loads.add(1);
        self.store.supersede(&self.key);
    }

    pub(crate) fn running(&self) -> Running {
        let Self { store, load, read, .. } = self;
        Running::now(store, *load, read.demand, read.current.clone())
    }

    /// Waits for the turn to load.
    pub(crate) async fn turn(&self) -> Result<Option<Turn>, LoadError> {
        self.store.turn(self.load, &self.read).await
    }

    /// Hands a result out without storing it. An error: a newer load is to be waited for first.
    pub(crate) fn succeed(
        self,
        loaded: Loaded<V>,
        begun: Begun,
        context: &LoadContext,
    ) -> Result<Entry<V>, Box<Late<K, V>>> {
        let Self { store, key, read, .. } = self;
        let Begun { load, tick, start } = begun;
        let own = store.entry(&key, loaded, tick, start, context);
        match store.settle_load(&key, load, start, &own, &read, true) {
            Settled::Done(entry) => {
                store.note_entry(&read, &entry);
                Ok(entry)
            }
            Settled::Behind(newer) => {
                Err(Box::new(Late { store, key, load, start, read, own, newer, lead: None }))
            }
        }
    }
}

/// When a load began.
#[derive(Clone, Copy)]
pub(crate) struct Begun {
    load: LoadId,
    tick: u64,
    start: Timestamp,
}

impl<K: CacheKey, V: CacheValue> Store<K, V> {
    /// Waits for the turn of a load, where the cache limits them.
    async fn turn(&self, load: LoadId, read: &Read) -> Result<Option<Turn>, LoadError> {
        match &self.permits {
            None => Ok(None),
            Some(permits) => permits.turn(&self.shared, load, read.current.as_ref()).await,
        }
    }
}

/// A loader at work.
pub(crate) struct Running {
    pub(crate) load: LoadId,
    pub(crate) tick: u64,
    pub(crate) start: Timestamp,
    pub(crate) demand: Demand,
    pub(crate) parent: Option<Current>,
}

impl Running {
    /// A load that begins now.
    pub(crate) fn now<K: CacheKey, V: CacheValue>(
        store: &Store<K, V>,
        load: LoadId,
        demand: Demand,
        parent: Option<Current>,
    ) -> Self {
        Self { load, start: store.shared.runtime.now(), tick: store.shared.tick(), demand, parent }
    }

    pub(crate) fn begun(&self) -> Begun {
        Begun { load: self.load, tick: self.tick, start: self.start }
    }

    /// One of two that are done together, as old as both.
    pub(crate) fn older_of(self, other: &Self) -> Self {
        Self { tick: self.tick.min(other.tick), start: self.start.min(other.start), ..self }
    }

    /// Runs a loader inside its context, until it ends or the load time-out is over.
    pub(crate) async fn run<K, V, F, Fut, L, E, T>(
        self,
        store: &Store<K, V>,
        loader: F,
    ) -> (LoadContext, Result<T, LoadError>)
    where
        K: CacheKey,
        V: CacheValue,
        F: FnOnce(LoadContext) -> Fut,
        Fut: Future<Output = Result<L, E>>,
        L: Into<T>,
        E: Into<BoxError>,
    {
        let shared = &store.shared;
        // Whoever waits for this load waits for the one around it too.
        let _waiting = self
            .parent
            .as_ref()
            .and_then(|parent| shared.waits.wait(parent.context.load(), self.load));
        let context = LoadContext::new(shared, self.load, self.tick, self.start, self.demand);
        if context.depth() > MAX_DEPTH {
            return (context, Err(LoadError::too_deep()));
        }
        let pass_on = PassOn::new(&context, self.parent.as_ref());
        store.counters.loads.add(1);
        trace!(cache = %store.settings.name, load = ?self.load, "a load begins");
        let given = context.clone();
        let work = context.scope(async move { loader(given).await });
        let deadline = self.start.after(store.settings.load_timeout);
        let result = tokio::select! {
            biased;
            result = work => result.map(Into::into).map_err(|error| {
                store.counters.failed_loads.add(1);
                LoadError::failed(error.into())
            }),
            () = shared.runtime.sleep_until(deadline) => {
                store.counters.timed_out_loads.add(1);
                Err(LoadError::timed_out())
            }
        };
        match &result {
            Ok(_) => pass_on.disarm(),
            Err(error) => {
                debug!(cache = %store.settings.name, kind = ?error.kind(), "a load failed");
            }
        }
        (context, result)
    }
}
