//! `moka` by itself: the cache that many use, and what the others that are built on it add to.

use std::sync::Arc;

use async_trait::async_trait;
use moka::future::Cache;

use crate::harness::Loads;
use crate::library::{About, CAPACITY, Instance, Kind, Library, Outcome, Refusal, TIME_TO_LIVE};
use crate::lock::version_of;

pub(crate) struct Moka {
    rows: Cache<String, Arc<str>>,
}

impl Moka {
    pub(crate) fn open() -> Self {
        let rows = Cache::builder().max_capacity(CAPACITY).time_to_live(TIME_TO_LIVE).build();
        Self { rows }
    }
}

#[async_trait]
impl Library for Moka {
    fn about(&self) -> About {
        About {
            name: "moka",
            version: version_of("moka"),
            language: "Rust",
            kind: Kind::Loading,
            tags: false,
            clear: true,
            local: true,
            notes: &[
                "a cache of one process: both instances are the same one, which is invalidated itself",
                "future::Cache; read is get_with (try_get_with), a hit is get, clear is invalidate_all",
            ],
        }
    }

    async fn read(
        &self,
        _instance: Instance,
        key: &str,
        _tag: Option<&str>,
        loads: &Loads,
    ) -> Outcome<Option<String>> {
        let load = async { loads.load(key).await.map(Arc::<str>::from) };
        let value = self.rows.try_get_with_by_ref(key, load).await;
        let value = value.map_err(|refusal| Refusal::Failed(format!("{refusal:?}")))?;
        Ok(Some(value.to_string()))
    }

    async fn invalidate(&self, _instance: Instance, key: &str, _value: &str) -> Outcome {
        self.rows.invalidate(key).await;
        Ok(())
    }

    async fn clear(&self, _instance: Instance) -> Outcome {
        self.rows.invalidate_all();
        Ok(())
    }

    async fn hit(&self, keys: &[String], reads: u64) -> Outcome<u64> {
        let mut missed = 0;
        let reads = usize::try_from(reads).unwrap_or(usize::MAX);
        for key in keys.iter().cycle().take(reads) {
            let value = std::hint::black_box(self.rows.get(key.as_str()).await);
            missed += u64::from(value.is_none());
        }
        Ok(missed)
    }

    async fn fill(&self, _instance: Instance, key: &str) -> Outcome {
        self.rows.get_with_by_ref(key, async { Arc::from("value") }).await;
        Ok(())
    }

    fn send(&self, _keys: &[String]) {}

    async fn gone(&self, _keys: &[String], _before: u64) -> bool {
        true
    }

    fn lacks_messages(&self) -> Option<&'static str> {
        Some("a cache of one process: nothing tells another instance")
    }
}
