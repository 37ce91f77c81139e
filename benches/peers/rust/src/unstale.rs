//! `unstale` over `unstale-redis`, as its README has it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;
use unstale::{Cache, Freshness, Loaded, Node, State};
use unstale_redis::RedisTransport;

use crate::harness::Loads;
use crate::library::{
    About, CAPACITY, Instance, Kind, Library, Outcome, Pair, TIME_TO_LIVE, failed,
};
use crate::lock::version_of;

/// A second after a change all reads are to be right, also when a message was lost: this, and the quarter of a second
/// until its sender's next beacon, is less.
const FRESHNESS: Freshness = Freshness::Within(Duration::from_millis(500));

struct One {
    /// Ends what the cache lives on when it goes.
    _node: Node,
    rows: Cache<String, Arc<str>>,
}

pub(crate) struct Unstale {
    instances: Pair<One>,
}

impl Unstale {
    pub(crate) async fn open(a: &str, b: &str) -> Outcome<Self> {
        Ok(Self { instances: Pair { a: open(a).await?, b: open(b).await? } })
    }

    fn rows(&self, instance: Instance) -> &Cache<String, Arc<str>> {
        &self.instances.get(instance).rows
    }
}

async fn open(url: &str) -> Outcome<One> {
    let redis = RedisTransport::new(url, "peers").map_err(failed)?;
    let node = Node::builder("peers").transport(redis).freshness(FRESHNESS).build();
    let node = node.map_err(failed)?;
    let rows = node.cache("rows").capacity(CAPACITY).time_to_live(TIME_TO_LIVE).build();
    let is_live =
        timeout(Duration::from_secs(10), async { node.status_stream().reaches(State::Live).await });
    is_live.await.map_err(failed)?;
    Ok(One { _node: node, rows: rows.map_err(failed)? })
}

#[async_trait]
impl Library for Unstale {
    fn about(&self) -> About {
        About {
            name: "unstale",
            version: version_of("unstale"),
            language: "Rust",
            kind: Kind::Loading,
            tags: true,
            clear: true,
            local: false,
            notes: &[
                "Freshness::Within(500 ms); the default is 5 s",
                "read is get_or_load, a hit is get; batch invalidation is invalidate_many",
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
        let load = |_| async move {
            let value = loads.load(key).await.map_err(|refusal| format!("{refusal:?}"))?;
            let loaded = Loaded::<Arc<str>>::new(value.into());
            Ok::<_, String>(match tag {
                Some(tag) => loaded.tag(tag),
                None => loaded,
            })
        };
        let value = self.rows(instance).get_or_load(&key.to_owned(), load).await;
        value.map(|value| Some(value.to_string())).map_err(failed)
    }

    async fn invalidate(&self, instance: Instance, key: &str, _value: &str) -> Outcome {
        self.rows(instance).invalidate(&key.to_owned()).published().await.map_err(failed)
    }

    async fn invalidate_tag(&self, instance: Instance, tag: &str) -> Outcome {
        self.rows(instance).invalidate_tag(tag).published().await.map_err(failed)
    }

    async fn clear(&self, instance: Instance) -> Outcome {
        self.rows(instance).clear().published().await.map_err(failed)
    }

    async fn hit(&self, keys: &[String], reads: u64) -> Outcome<u64> {
        let rows = self.rows(Instance::A);
        let mut missed = 0;
        let reads = usize::try_from(reads).unwrap_or(usize::MAX);
        for key in keys.iter().cycle().take(reads) {
            if std::hint::black_box(rows.get(key.as_str())).is_none() {
                missed += 1;
                self.fill(Instance::A, key).await?;
            }
        }
        Ok(missed)
    }

    async fn fill(&self, instance: Instance, key: &str) -> Outcome {
        let load = |_| async { Ok::<_, Infallible>(Arc::<str>::from("value")) };
        let loaded = self.rows(instance).get_or_load(&key.to_owned(), load).await;
        loaded.map(drop).map_err(failed)
    }

    fn send(&self, keys: &[String]) {
        let rows = self.rows(Instance::A);
        let _ = match keys {
            [key] => rows.invalidate(key),
            keys => rows.invalidate_many(keys),
        };
    }

    async fn gone(&self, keys: &[String], _before: u64) -> bool {
        let rows = self.rows(Instance::B);
        !keys.iter().any(|key| rows.contains(key.as_str()))
    }
}
