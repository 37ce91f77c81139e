//! Loading several keys in one call.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use foldhash::quality::FixedState;

use super::context::LoadContext;
use super::entry::{Entry, Refusal};
use super::error::LoadError;
use super::load::{BoxError, Lead, Running, Unshared};
use super::loaded::Loaded;
use super::read::{Entered, Flying, Read};
use super::settle::Late;
use super::store::{CacheKey, CacheValue, Store};

/// How often loads of others are joined before the rest is loaded without regard to them.
const MAX_ROUNDS: u32 = 4;

type Map<K, T> = HashMap<K, T, FixedState>;

/// One call for several keys.
struct Batch<'a, K: CacheKey, V: CacheValue> {
    store: &'a Arc<Store<K, V>>,
    answers: Map<K, Option<V>>,
    /// Keys without an answer, in the caller's order.
    missing: Vec<(K, Read)>,
    /// Whether some of them are there and only lack proof.
    unproven: bool,
}

/// What one round does about the missing keys.
struct Round<K: CacheKey, V: CacheValue> {
    leads: Vec<Lead<K, V>>,
    unshared: Vec<Unshared<K, V>>,
    flying: Vec<(K, Read, Flying<V>)>,
}

/// See [`Cache::get_many_or_load`](super::Cache::get_many_or_load).
pub(crate) async fn get_or_load<K, V, F, Fut, I, L, E>(
    store: &Arc<Store<K, V>>,
    keys: &[K],
    mut loader: F,
) -> Result<Vec<Option<V>>, LoadError>
where
    K: CacheKey,
    V: CacheValue,
    F: FnMut(Vec<K>, LoadContext) -> Fut,
    Fut: Future<Output = Result<I, E>>,
    I: IntoIterator<Item = (K, L)>,
    L: Into<Loaded<V>>,
    E: Into<BoxError>,
{
    let mut batch = Batch::look(store, keys);
    batch.prove().await;
    let mut round = 0;
    while !batch.missing.is_empty() {
        let Round { leads, unshared, flying } = batch.enter(round < MAX_ROUNDS);
        round += 1;
        // First what this call owes to others, then what others owe to it: so no two calls wait for each
        // other.
        batch.load(leads, unshared, &mut loader).await?;
        batch.join(flying).await?;
    }
    let answers = keys.iter().map(|key| batch.answers.get(key).cloned().flatten());
    Ok(answers.collect())
}

impl<'a, K: CacheKey, V: CacheValue> Batch<'a, K, V> {
    /// Takes from the cache what is there.
    fn look(store: &'a Arc<Store<K, V>>, keys: &[K]) -> Self {
        let hasher = FixedState::with_seed(store.shared.runtime.random_seed());
        let mut seen: Map<&K, ()> = HashMap::with_hasher(hasher.clone());
        let mut batch = Self {
            store,
            answers: HashMap::with_hasher(hasher),
            missing: Vec::new(),
            unproven: false,
        };
        for key in keys {
            if seen.insert(key, ()).is_some() {
                continue;
            }
            let read = store.begin_read(key);
            match store.look(key, &read) {
                Some(Ok(entry)) => {
                    batch.answers.insert(key.clone(), entry.value);
                }
                found => {
                    batch.unproven |= matches!(found, Some(Err(Refusal::Unproven)));
                    batch.missing.push((key.clone(), read));
                }
            }
        }
        batch
    }

    /// Awaits one proof for all that only lack it. Those that have it then are found when their loads would
    /// begin.
    async fn prove(&mut self) {
        // The last of the reads began last, and needs the latest proof.
        let last = self.missing.last().filter(|_| self.unproven);
        let Some(not_before) = last.and_then(|(_, read)| Store::<K, V>::proof_needed(read)) else {
            return;
        };
        if self.store.shared.uplink.prove(not_before).await {
            for (_, read) in &mut self.missing {
                self.store.renew_proof(read);
            }
        }
    }

    /// Decides for each missing key who loads it.
    fn enter(&mut self, join: bool) -> Round<K, V> {
        let store = self.store;
        let load = store.shared.waits.next_load();
        let mut round = Round { leads: Vec::new(), unshared: Vec::new(), flying: Vec::new() };
        for (key, read) in std::mem::take(&mut self.missing) {
            match store.enter(&key, &read, load) {
                Entered::Found(entry) => {
                    store.note_entry(&read, &entry);
                    self.answers.insert(key, entry.value);
                }
                Entered::Lead(lead) => round.leads.push(lead),
                Entered::Wait(flying) if join => round.flying.push((key, read, flying)),
                Entered::Wait(_) | Entered::Unshared => {
                    round.unshared.push(Unshared::new(store, &key, &read));
                }
            }
        }
        round
    }

    /// Loads in one call what this round has taken on.
    async fn load<F, Fut, I, L, E>(
        &mut self,
        mut leads: Vec<Lead<K, V>>,
        unshared: Vec<Unshared<K, V>>,
        loader: &mut F,
    ) -> Result<(), LoadError>
    where
        F: FnMut(Vec<K>, LoadContext) -> Fut,
        Fut: Future<Output = Result<I, E>>,
        I: IntoIterator<Item = (K, L)>,
        L: Into<Loaded<V>>,
        E: Into<BoxError>,
    {
        // One for all.
        let turn = match (leads.first(), unshared.first()) {
            (Some(first), _) => first.turn().await,
            (None, Some(first)) => first.turn().await,
            (None, None) => Ok(None),
        };
        let turn = match turn {
            Ok(turn) => turn,
            Err(error) => return Self::fail(leads, error, None),
        };
        leads = self.begin_again(leads);
        for unshared in &unshared {
            unshared.begin();
        }
        let Some(running) = Self::running(&leads, &unshared) else {
            return Ok(());
        };
        let keys = leads.iter().map(Lead::key);
        let keys: Vec<K> = keys.chain(unshared.iter().map(Unshared::key)).cloned().collect();
        let begun = running.begun();
        let (context, result) = running.run(self.store, |context| loader(keys, context)).await;
        drop(turn);
        let result: Result<I, LoadError> = result;
        let found = match result {
            Ok(found) => found,
            Err(error) => return Self::fail(leads, error, Some(&context)),
        };
        let mut loaded: Map<K, Loaded<V>> = HashMap::with_hasher(self.answers.hasher().clone());
        loaded.extend(found.into_iter().map(|(key, found)| (key, found.into())));
        let mut late = Vec::new();
        for lead in leads {
            let key = lead.key().clone();
            let loaded = loaded.remove(&key).unwrap_or_else(Loaded::absent);
            self.settle(key, lead.succeed(loaded, &context), &mut late);
        }
        for unshared in unshared {
            let key = unshared.key().clone();
            let loaded = loaded.remove(&key).unwrap_or_else(Loaded::absent);
            self.settle(key, unshared.succeed(loaded, begun, &context), &mut late);
        }
        // Only once all others have ended: somebody may wait for them.
        for late in late {
            let key = late.key().clone();
            let entry = late.finish().await;
            self.answers.insert(key, entry.value);
        }
        Ok(())
    }

    fn settle(
        &mut self,
        key: K,
        settled: Result<Entry<V>, Box<Late<K, V>>>,
        late: &mut Vec<Box<Late<K, V>>>,
    ) {
        match settled {
            Ok(entry) => {
                self.answers.insert(key, entry.value);
            }
            Err(behind) => late.push(behind),
        }
    }

    /// Notes that the loads begin only now; what others have stored meanwhile need not be loaded.
    fn begin_again(&mut self, leads: Vec<Lead<K, V>>) -> Vec<Lead<K, V>> {
        let mut left = Vec::with_capacity(leads.len());
        for mut lead in leads {
            match lead.begin_again() {
                Some(entry) => {
                    let key = lead.key().clone();
                    self.answers.insert(key, lead.answer(entry).value);
                }
                None => left.push(lead),
            }
        }
        left
    }

    /// One load for all, as old as the oldest of them.
    fn running(leads: &[Lead<K, V>], unshared: &[Unshared<K, V>]) -> Option<Running> {
        let mut all = leads.iter().map(Lead::running);
        match (all.next(), unshared.first()) {
            (Some(first), _) => Some(all.fold(first, |all, next| all.older_of(&next))),
            (None, first) => first.map(Unshared::running),
        }
    }

    fn fail(
        leads: Vec<Lead<K, V>>,
        error: LoadError,
        context: Option<&LoadContext>,
    ) -> Result<(), LoadError> {
        for lead in leads {
            let _: Result<(), _> = lead.fail(error.clone(), context.cloned());
        }
        Err(error)
    }

    /// Takes the results of others; what they do not answer is missing in the next round.
    async fn join(&mut self, flying: Vec<(K, Read, Flying<V>)>) -> Result<(), LoadError> {
        for (key, mut read, flight) in flying {
            match self.store.take(&key, &mut read, flight).await? {
                Some(entry) => {
                    self.answers.insert(key, entry.value);
                }
                None => self.missing.push((key, read)),
            }
        }
        Ok(())
    }
}
