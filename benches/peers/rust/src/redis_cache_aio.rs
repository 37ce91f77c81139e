//! The client-side cache of `redis` (redis-rs), feature `cache-aio`, on a `ConnectionManager`: that one reconnects.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::caching::CacheConfig;
use redis::{AsyncCommands, Client};

use crate::harness::Loads;
use crate::library::{
    About, CAPACITY, Instance, Kind, Library, Outcome, Pair, TIME_TO_LIVE, failed,
};
use crate::lock::version_of;

pub(crate) struct RedisCacheAio {
    instances: Pair<ConnectionManager>,
}

impl RedisCacheAio {
    pub(crate) async fn open(a: &str, b: &str) -> Outcome<Self> {
        Ok(Self { instances: Pair { a: open(a).await?, b: open(b).await? } })
    }

    fn connection(&self, instance: Instance) -> ConnectionManager {
        self.instances.get(instance).clone()
    }
}

async fn open(url: &str) -> Outcome<ConnectionManager> {
    let client = Client::open(format!("{url}/?protocol=resp3")).map_err(failed)?;
    let capacity = usize::try_from(CAPACITY).ok().and_then(NonZeroUsize::new);
    let cache = CacheConfig::new().set_default_client_ttl(TIME_TO_LIVE);
    let cache = capacity.map_or(cache, |capacity| cache.set_size(capacity));
    let config = ConnectionManagerConfig::new().set_cache_config(cache);
    client.get_connection_manager_with_config(config).await.map_err(failed)
}

#[async_trait]
impl Library for RedisCacheAio {
    fn about(&self) -> About {
        About {
            name: "redis-cache-aio",
            version: version_of("redis"),
            language: "Rust",
            kind: Kind::Tracking,
            tags: false,
            clear: false,
            local: false,
            notes: &[
                "redis-rs, feature cache-aio, which its documentation calls experimental",
                "a ConnectionManager with set_cache_config; a MultiplexedConnection does not reconnect at all",
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
        self.connection(instance).get(key).await.map_err(failed)
    }

    async fn invalidate(&self, instance: Instance, key: &str, value: &str) -> Outcome {
        self.connection(instance).set(key, value).await.map_err(failed)
    }

    async fn hit(&self, keys: &[String], reads: u64) -> Outcome<u64> {
        let mut connection = self.connection(Instance::A);
        let misses = |connection: &ConnectionManager| {
            connection.get_cache_statistics().map_or(0, |statistics| statistics.miss as u64)
        };
        let before = misses(&connection);
        let reads = usize::try_from(reads).unwrap_or(usize::MAX);
        for key in keys.iter().cycle().take(reads) {
            let value: String = connection.get(key).await.map_err(failed)?;
            std::hint::black_box(value);
        }
        Ok(misses(&connection) - before)
    }

    async fn fill(&self, instance: Instance, key: &str) -> Outcome {
        let other = match instance {
            Instance::A => Instance::B,
            Instance::B => Instance::A,
        };
        let (mut writer, mut reader) = (self.connection(other), self.connection(instance));
        let value: Option<String> = reader.get(key).await.map_err(failed)?;
        if value.is_none() {
            writer.set::<_, _, ()>(key, "value").await.map_err(failed)?;
            // Not there is cached too, and has to go first.
            while reader.get::<_, Option<String>>(key).await.map_err(failed)?.is_none() {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    fn send(&self, keys: &[String]) {
        let rows: Vec<_> = keys.iter().map(|key| (key.clone(), "changed")).collect();
        let mut connection = self.connection(Instance::A);
        tokio::spawn(async move {
            if let Err(error) = connection.mset::<_, _, ()>(&rows).await {
                eprintln!("redis-cache-aio: {error}");
            }
        });
    }

    fn before(&self) -> u64 {
        let statistics = self.instances.b.get_cache_statistics();
        statistics.map_or(0, |statistics| statistics.invalidate as u64)
    }

    async fn gone(&self, keys: &[String], before: u64) -> bool {
        self.before() >= before + keys.len() as u64
    }
}
