//! `rustis`, feature `client-cache`, as its example has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use rustis::cache::{Cache, CacheStore, CachedValue, MokaStore};
use rustis::client::Client;
use rustis::commands::{ClientTrackingOptions, StringCommands};
use rustis::resp::BulkString;

use crate::harness::Loads;
use crate::library::{
    About, CAPACITY, Instance, Kind, Library, Outcome, Pair, TIME_TO_LIVE, failed,
};
use crate::lock::version_of;

/// The default store, which counts.
struct Counting {
    store: MokaStore,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    inserted: AtomicU64,
    invalidated: AtomicU64,
}

impl CacheStore for Counting {
    async fn get(&self, key: &BulkString, subkey: &Bytes) -> Option<CachedValue> {
        self.store.get(key, subkey).await
    }

    async fn insert(&self, key: BulkString, subkey: Bytes, response: CachedValue) {
        self.store.insert(key, subkey, response).await;
        self.counts.inserted.fetch_add(1, Ordering::Relaxed);
    }

    async fn invalidate(&self, key: &BulkString) {
        self.store.invalidate(key).await;
        self.counts.invalidated.fetch_add(1, Ordering::Relaxed);
    }

    fn invalidate_all(&self) {
        self.store.invalidate_all();
    }
}

struct One {
    client: Client,
    cache: Arc<Cache<Counting>>,
    counts: Arc<Counts>,
}

pub(crate) struct Rustis {
    instances: Pair<One>,
}

impl Rustis {
    pub(crate) async fn open(a: &str, b: &str) -> Outcome<Self> {
        Ok(Self { instances: Pair { a: open(a).await?, b: open(b).await? } })
    }
}

async fn open(url: &str) -> Outcome<One> {
    let client = Client::connect(url).await.map_err(failed)?;
    let counts = Arc::new(Counts::default());
    let store = MokaStore::new(TIME_TO_LIVE, CAPACITY);
    let store = Counting { store, counts: Arc::clone(&counts) };
    let options = ClientTrackingOptions::default();
    let cache = Cache::with_store(client.clone(), store, options).await.map_err(failed)?;
    Ok(One { client, cache, counts })
}

#[async_trait]
impl Library for Rustis {
    fn about(&self) -> About {
        About {
            name: "rustis",
            version: version_of("rustis"),
            language: "Rust",
            kind: Kind::Tracking,
            tags: false,
            clear: false,
            local: false,
            notes: &[
                "feature client-cache, ClientTrackingOptions::default() as in its example, reconnection as by default",
                "its default store, which is wrapped to count invalidations",
                "batch invalidation is one MSET",
            ],
        }
    }

    async fn read(
        &self,
        instance: Instance,
        key: &str,
        _tag: Option<&str>,
        _loads: &Loads,
    ) -> Outcome<Option<String>> {
        self.instances.get(instance).cache.get(key).await.map_err(failed)
    }

    async fn invalidate(&self, instance: Instance, key: &str, value: &str) -> Outcome {
        self.instances.get(instance).client.set(key, value).await.map(drop).map_err(failed)
    }

    async fn hit(&self, keys: &[String], reads: u64) -> Outcome<u64> {
        let One { cache, counts, .. } = &self.instances.a;
        let before = counts.inserted.load(Ordering::Relaxed);
        let reads = usize::try_from(reads).unwrap_or(usize::MAX);
        for key in keys.iter().cycle().take(reads) {
            let value: String = cache.get(key).await.map_err(failed)?;
            std::hint::black_box(value);
        }
        Ok(counts.inserted.load(Ordering::Relaxed) - before)
    }

    async fn fill(&self, instance: Instance, key: &str) -> Outcome {
        let (reader, writer) = match instance {
            Instance::A => (&self.instances.a, &self.instances.b),
            Instance::B => (&self.instances.b, &self.instances.a),
        };
        let value: Option<String> = reader.cache.get(key).await.map_err(failed)?;
        if value.is_none() {
            writer.client.set(key, "value").await.map_err(failed)?;
            // Not there is cached too, and has to go first.
            while reader.cache.get::<Option<String>>(key).await.map_err(failed)?.is_none() {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    fn send(&self, keys: &[String]) {
        let rows: Vec<_> = keys.iter().map(|key| (key.clone(), "changed")).collect();
        let client = self.instances.a.client.clone();
        tokio::spawn(async move {
            if let Err(error) = client.mset(rows).await {
                eprintln!("rustis: {error}");
            }
        });
    }

    fn before(&self) -> u64 {
        self.instances.b.counts.invalidated.load(Ordering::Relaxed)
    }

    async fn gone(&self, keys: &[String], before: u64) -> bool {
        self.before() >= before + keys.len() as u64
    }
}
