//! What an adapter has to do.

use std::fmt::Display;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::harness::Loads;

/// Time to live of all entries: only coherence makes a read right.
pub(crate) const TIME_TO_LIVE: Duration = Duration::from_secs(600);
/// More than are ever cached: nothing is evicted.
pub(crate) const CAPACITY: u64 = 100_000;
/// The tasks of what has no batches.
pub(crate) const CONCURRENCY: usize = 64;

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It failed.
    Failed(String),
    /// The library has no such thing.
    Unsupported(&'static str),
}

pub(crate) type Outcome<T = ()> = Result<T, Refusal>;

/// The library's own error.
pub(crate) fn failed(error: impl Display) -> Refusal {
    Refusal::Failed(error.to_string())
}

/// One of the two instances.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Instance {
    A,
    B,
}

/// Two of something, one for each instance.
pub(crate) struct Pair<T> {
    pub(crate) a: T,
    pub(crate) b: T,
}

impl<T> Pair<T> {
    pub(crate) fn get(&self, instance: Instance) -> &T {
        match instance {
            Instance::A => &self.a,
            Instance::B => &self.b,
        }
    }
}

/// Where values come from.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Loading,
    Tracking,
}

/// What is said to `hello`.
#[derive(Debug, Serialize)]
pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) language: &'static str,
    pub(crate) kind: Kind,
    pub(crate) tags: bool,
    pub(crate) clear: bool,
    /// Both instances are the same cache.
    pub(crate) local: bool,
    pub(crate) notes: &'static [&'static str],
}

/// Two instances of a library.
#[async_trait]
pub(crate) trait Library: Send + Sync + 'static {
    fn about(&self) -> About;

    /// The recommended read.
    async fn read(
        &self,
        instance: Instance,
        key: &str,
        tag: Option<&str>,
        loads: &Loads,
    ) -> Outcome<Option<String>>;

    /// Invalidates a key everywhere; a tracking client writes the row.
    async fn invalidate(&self, instance: Instance, key: &str, value: &str) -> Outcome;

    async fn invalidate_tag(&self, _instance: Instance, _tag: &str) -> Outcome {
        Err(Refusal::Unsupported("no tags"))
    }

    async fn clear(&self, _instance: Instance) -> Outcome {
        Err(Refusal::Unsupported("no clear"))
    }

    /// `reads` hits of these keys at `a`, which were filled, in turn: returns how many were none.
    async fn hit(&self, keys: &[String], reads: u64) -> Outcome<u64>;

    /// Puts a key into the local cache of an instance; a loader answers in this process.
    async fn fill(&self, instance: Instance, key: &str) -> Outcome;

    /// Begins to invalidate keys at `a`, in the fastest way for this many, and does not wait for it.
    fn send(&self, keys: &[String]);

    /// What [`gone`](Self::gone) needs to know from before the invalidation.
    fn before(&self) -> u64 {
        0
    }

    /// Whether `b` holds none of these keys any longer, by the cheapest look there is.
    async fn gone(&self, keys: &[String], before: u64) -> bool;

    /// Why there is nothing to be measured between two instances, if there is not.
    fn lacks_messages(&self) -> Option<&'static str> {
        None
    }
}
