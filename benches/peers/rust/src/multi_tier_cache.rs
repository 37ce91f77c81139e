//! `multi-tier-cache` with its section "Cross-Instance Invalidation".

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use multi_tier_cache::error::CacheError;
use multi_tier_cache::{
    CacheBackend, CacheManager, CacheStrategy, InvalidationConfig, L1Cache, L2Cache,
    MokaCacheConfig,
};

use crate::harness::Loads;
use crate::library::{
    About, CAPACITY, CONCURRENCY, Instance, Kind, Library, Outcome, Pair, TIME_TO_LIVE, failed,
};
use crate::lock::version_of;

const STRATEGY: CacheStrategy = CacheStrategy::Custom(TIME_TO_LIVE);

struct One {
    manager: Arc<CacheManager>,
    /// The local level, to look at it.
    local: Arc<L1Cache>,
}

pub(crate) struct MultiTierCache {
    instances: Pair<One>,
}

impl MultiTierCache {
    pub(crate) async fn open(a: &str, b: &str) -> Outcome<Self> {
        Ok(Self { instances: Pair { a: open(a).await?, b: open(b).await? } })
    }

    fn manager(&self, instance: Instance) -> &Arc<CacheManager> {
        &self.instances.get(instance).manager
    }
}

async fn open(url: &str) -> Outcome<One> {
    let config = MokaCacheConfig {
        max_capacity: CAPACITY,
        time_to_live: TIME_TO_LIVE,
        time_to_idle: TIME_TO_LIVE,
    };
    let local = Arc::new(L1Cache::new(config).map_err(failed)?);
    let shared = Arc::new(L2Cache::with_url(url).await.map_err(failed)?);
    let config = InvalidationConfig::default();
    let manager = CacheManager::new_with_invalidation(Arc::clone(&local), shared, url, config);
    Ok(One { manager: Arc::new(manager.await.map_err(failed)?), local })
}

/// There are no tags, but patterns: a tag is the beginning of a key.
fn tagged(key: &str, tag: Option<&str>) -> String {
    tag.map_or_else(|| key.to_owned(), |tag| format!("{tag}:{key}"))
}

#[async_trait]
impl Library for MultiTierCache {
    fn about(&self) -> About {
        About {
            name: "multi-tier-cache",
            version: version_of("multi-tier-cache"),
            language: "Rust",
            kind: Kind::Loading,
            tags: true,
            clear: true,
            local: false,
            notes: &[
                "L1 moka, L2 Redis, new_with_invalidation; read is get_or_compute_with, a hit is get",
                "has no tags and no clear: invalidate_pattern(\"tag:*\") and invalidate_pattern(\"*\")",
                "has no call for a batch of keys: 64 invalidate at a time",
            ],
        }
    }

    async fn read(
        &self,
        instance: Instance,
        key: &str,
        tag: Option<&str>,
        loads: &Loads,
    ) -> Outcome<Option<String>> {
        let load = || async {
            let value = loads.load(key).await;
            let value = value.map_err(|it| CacheError::InternalError(format!("{it:?}")))?;
            Ok(Bytes::from(value))
        };
        let key = tagged(key, tag);
        let value = self.manager(instance).get_or_compute_with(&key, STRATEGY, load).await;
        let value = value.map_err(failed)?;
        Ok(Some(String::from_utf8_lossy(&value).into_owned()))
    }

    async fn invalidate(&self, instance: Instance, key: &str, _value: &str) -> Outcome {
        self.manager(instance).invalidate(key).await.map_err(failed)
    }

    async fn invalidate_tag(&self, instance: Instance, tag: &str) -> Outcome {
        self.manager(instance).invalidate_pattern(&format!("{tag}:*")).await.map_err(failed)
    }

    async fn clear(&self, instance: Instance) -> Outcome {
        self.manager(instance).invalidate_pattern("*").await.map_err(failed)
    }

    async fn hit(&self, keys: &[String], reads: u64) -> Outcome<u64> {
        let manager = self.manager(Instance::A);
        let mut missed = 0;
        let reads = usize::try_from(reads).unwrap_or(usize::MAX);
        for key in keys.iter().cycle().take(reads) {
            let value = std::hint::black_box(manager.get(key).await.map_err(failed)?);
            missed += u64::from(value.is_none());
        }
        Ok(missed)
    }

    async fn fill(&self, instance: Instance, key: &str) -> Outcome {
        let load = || async { Ok(Bytes::from_static(b"value")) };
        let loaded = self.manager(instance).get_or_compute_with(key, STRATEGY, load).await;
        loaded.map(drop).map_err(failed)
    }

    fn send(&self, keys: &[String]) {
        let (keys, manager) = (keys.to_vec(), Arc::clone(self.manager(Instance::A)));
        tokio::spawn(async move {
            let sent = stream::iter(keys).map(|key| {
                let manager = Arc::clone(&manager);
                async move { manager.invalidate(&key).await }
            });
            let mut sent = std::pin::pin!(sent.buffer_unordered(CONCURRENCY));
            while let Some(done) = sent.next().await {
                if let Err(error) = done {
                    eprintln!("multi-tier-cache: {error}");
                }
            }
        });
    }

    async fn gone(&self, keys: &[String], _before: u64) -> bool {
        for key in keys {
            if self.instances.b.local.get(key).await.is_some() {
                return false;
            }
        }
        true
    }
}
