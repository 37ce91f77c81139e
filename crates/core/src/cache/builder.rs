//! Configuring a cache.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::domain::Domain;
use super::error::ConfigError;
use super::handle::Cache;
use super::key;
use super::settings::{Settings, Weigher};
use super::store::{CacheKey, CacheValue, Store};
use crate::freshness::{Demand, Freshness};

/// The longest name of a cache, in bytes: it travels with every invalidation.
const MAX_NAME_BYTES: usize = 100;
/// What a cache holds by default.
const DEFAULT_ENTRIES: u64 = 10_000;
/// How long a load may take by default.
const DEFAULT_LOAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Loads and fills of one cache in flight; beyond, loads run unshared and unstored.
const MAX_LOADS_IN_FLIGHT: usize = 1 << 16;
/// For sizing tables where the capacity is a weight: entries expected per cache.
const EXPECTED_BY_WEIGHT: u64 = 10_000;

/// Configures and builds a [`Cache`].
///
/// | setting | default | because |
/// | --- | --- | --- |
/// | capacity | 10,000 entries | bounded, and enough to show its worth |
/// | time to live, to idle | none | invalidation keeps entries right; these only save memory |
/// | jitter | 0 | nothing expires by default |
/// | freshness | the node's | one promise for an application |
/// | load time-out | 30 s | longer than a slow query, shorter than a patient user |
/// | concurrent loads | unlimited | the source's own pool usually limits them |
///
/// ```
/// use std::time::Duration;
/// use unstale::{Cache, Node};
/// use unstale_memory::Hub;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), unstale::ConfigError> {
/// let node = Node::builder("shop").transport(Hub::new().transport()).build()?;
/// let pages: Cache<(u32, u16), String> = node
///     .cache("pages")
///     .capacity_by_weight(64 << 20, |_, page: &String| page.len() as u64)
///     .time_to_live(Duration::from_secs(3600))
///     .jitter(0.1)
///     .max_concurrent_loads(16)
///     .build()?;
/// # let _ = pages;
/// # Ok(())
/// # }
/// ```
#[must_use = "call `build` to get the cache"]
pub struct CacheBuilder<K, V> {
    domain: Arc<Domain>,
    name: String,
    capacity: u64,
    weigher: Option<Weigher<K, V>>,
    time_to_live: Option<Duration>,
    absent_time_to_live: Option<Duration>,
    time_to_idle: Option<Duration>,
    jitter: f64,
    freshness: Option<Freshness>,
    load_timeout: Duration,
    max_concurrent_loads: Option<usize>,
    max_loads_in_flight: usize,
    schema_version: String,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: CacheKey, V: CacheValue> CacheBuilder<K, V> {
    pub(crate) fn new(domain: Arc<Domain>, name: impl Into<String>) -> Self {
        Self {
            domain,
            name: name.into(),
            capacity: DEFAULT_ENTRIES,
            weigher: None,
            time_to_live: None,
            absent_time_to_live: None,
            time_to_idle: None,
            jitter: 0.0,
            freshness: None,
            load_timeout: DEFAULT_LOAD_TIMEOUT,
            max_concurrent_loads: None,
            max_loads_in_flight: MAX_LOADS_IN_FLIGHT,
            schema_version: String::new(),
            types: PhantomData,
        }
    }

    /// Room for this many entries.
    pub fn capacity(mut self, entries: u64) -> Self {
        self.capacity = entries;
        self.weigher = None;
        self
    }

    /// Room for this total weight, in whatever unit `weigher` uses (bytes, say). It is called once per
    /// entry; what it says is taken as at least 1 and at most 2,147,483,647. The room is divided among the
    /// parts of a concurrent table: an entry heavier than one part is not admitted.
    pub fn capacity_by_weight(
        mut self,
        weight: u64,
        weigher: impl Fn(&K, &V) -> u64 + Send + Sync + 'static,
    ) -> Self {
        self.capacity = weight;
        self.weigher = Some(Arc::new(weigher));
        self
    }

    /// Entries expire this long after their load began. Taken in whole milliseconds, at least one; from 24
    /// days on in whole seconds, and at most 68 years.
    pub fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = Some(time_to_live);
        self
    }

    /// Entries that say "not there" expire this long after their load began, instead of after
    /// [`time_to_live`](Self::time_to_live).
    pub fn absent_time_to_live(mut self, time_to_live: Duration) -> Self {
        self.absent_time_to_live = Some(time_to_live);
        self
    }

    /// Entries expire when they were not read for this long.
    pub fn time_to_idle(mut self, time_to_idle: Duration) -> Self {
        self.time_to_idle = Some(time_to_idle);
        self
    }

    /// Shortens each time to live by a random part of up to this fraction (0 to 1), so that what was loaded
    /// together does not expire together.
    pub fn jitter(mut self, fraction: f64) -> Self {
        self.jitter = fraction;
        self
    }

    /// How stale a read of this cache may be, instead of the node's default.
    pub fn freshness(mut self, freshness: Freshness) -> Self {
        self.freshness = Some(freshness);
        self
    }

    /// A loader that takes longer is cut off, and its readers get an error or load by themselves.
    pub fn load_timeout(mut self, timeout: Duration) -> Self {
        self.load_timeout = timeout;
        self
    }

    /// At most this many loads run at the same time; the others wait for their turn, at most for the load
    /// time-out.
    ///
    /// A load inside of a load, of any cache of the node, runs under the permit of that one if it has any. If
    /// it has none, it waits for its own, except where a load with a permit waits for it: then it runs beyond
    /// the limit, for neither could go on otherwise.
    pub fn max_concurrent_loads(mut self, loads: usize) -> Self {
        self.max_concurrent_loads = Some(loads);
        self
    }

    /// Distinguishes key types that look the same on the wire and mean something else. Nodes with different
    /// versions clear this cache at every invalidation of a key by the other.
    pub fn schema_version(mut self, version: impl Into<String>) -> Self {
        self.schema_version = version.into();
        self
    }

    #[cfg(test)]
    #[cfg(not(feature = "model"))]
    pub(crate) fn max_loads_in_flight(mut self, loads: usize) -> Self {
        self.max_loads_in_flight = loads;
        self
    }

    /// Builds the cache and adds it to its node.
    ///
    /// # Errors
    /// [`ConfigError`] says which setting cannot work, its value, and what to do. Also if the node already
    /// has a cache of this name.
    pub fn build(self) -> Result<Cache<K, V>, ConfigError> {
        self.validate()?;
        let freshness = self.freshness.unwrap_or_else(|| self.domain.default_freshness());
        let expected = match &self.weigher {
            None => self.capacity,
            Some(_) => self.capacity.min(EXPECTED_BY_WEIGHT),
        };
        let settings = Settings {
            name: Arc::from(self.name.as_str()),
            capacity: self.capacity,
            expected_entries: usize::try_from(expected).unwrap_or(usize::MAX),
            weigher: self.weigher,
            time_to_live: self.time_to_live,
            absent_time_to_live: self.absent_time_to_live,
            idle_ns: self.time_to_idle.map_or(u64::MAX, crate::time::saturating_nanos),
            jitter: self.jitter,
            freshness,
            demand: Demand::new(freshness),
            load_timeout: self.load_timeout,
            max_concurrent_loads: self.max_concurrent_loads,
            max_loads_in_flight: self.max_loads_in_flight,
            schema: key::fingerprint::<K>(&self.schema_version),
            max_key_bytes: key::max_bytes::<K>(),
        };
        let shared = Arc::clone(&self.domain.shared);
        let store =
            self.domain.register(&self.name, |index| Arc::new(Store::new(shared, settings, index)));
        match store {
            Some(store) => Ok(Cache::new(store)),
            None => Err(ConfigError::DuplicateCache { name: self.name }),
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let name = || self.name.clone();
        if self.name.is_empty() || self.name.len() > MAX_NAME_BYTES {
            return Err(ConfigError::CacheName { name: name(), max_bytes: MAX_NAME_BYTES });
        }
        if self.capacity == 0 {
            return Err(ConfigError::ZeroCapacity { name: name() });
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(ConfigError::Jitter { name: name(), value: self.jitter });
        }
        if self.max_concurrent_loads == Some(0) {
            return Err(ConfigError::ZeroConcurrentLoads { name: name() });
        }
        let durations = [
            ("time_to_live", self.time_to_live),
            ("absent_time_to_live", self.absent_time_to_live),
            ("time_to_idle", self.time_to_idle),
            ("load_timeout", Some(self.load_timeout)),
            ("freshness", self.freshness.and_then(Freshness::duration)),
        ];
        for (setting, value) in durations {
            if value == Some(Duration::ZERO) {
                return Err(ConfigError::ZeroDuration {
                    name: name(),
                    setting,
                    value: Duration::ZERO,
                });
            }
        }
        Ok(())
    }
}

impl<K, V> fmt::Debug for CacheBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("name", &self.name)
            .field("capacity", &self.capacity)
            .field("freshness", &self.freshness)
            .finish_non_exhaustive()
    }
}
