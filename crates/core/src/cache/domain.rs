//! What the caches of one node share, and the way the node's driver reaches them all.

use std::sync::Arc;
use std::time::Duration;

use super::cells::{CellTable, Dependency};
use super::uplink::Uplink;
use super::waits::WaitGraph;
use crate::freshness::{Demand, Freshness};
use crate::mutation::{self, Mutation};
use crate::node_id::NodeId;
use crate::receipt::Receipt;
use crate::runtime::Runtime;
use crate::shim::lock;
use crate::shim::sync::Mutex;
use crate::shim::sync::atomic::{AtomicU64, Ordering};
use crate::target::{Group, Keys, Target};
use crate::time::Timestamp;

/// Where an invalidation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This process.
    Local,
    /// Another node.
    Node(NodeId),
    /// A publisher without an identity, or the repair of a loss.
    Unknown,
}

/// What became of a group that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// What it names is gone.
    Done,
    /// This node has no such cache.
    UnknownCache,
    /// A key cannot be read here: the whole cache was cleared instead.
    SchemaMismatch,
}

/// A cache as its domain sees it, whatever its types.
pub(crate) trait AnyCache: Send + Sync {
    fn name(&self) -> &Arc<str>;
    fn apply_keys(&self, schema: u64, keys: &Keys, origin: Origin) -> Applied;
    fn apply_clear(&self, origin: Origin);
    /// Loads in flight will not be stored.
    fn void_loads(&self);
    /// Removes dead entries; `deaths` is [`Shared::deaths`], and nothing is to be done if it is as before.
    fn reclaim(&self, deaths: u64);
    fn within(&self) -> Option<Duration>;
    fn reads_total(&self) -> u64;
    #[cfg(feature = "metrics")]
    fn figures(&self) -> Figures;
}

/// What a cache's metrics are made of.
#[cfg(feature = "metrics")]
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) name: Arc<str>,
    pub(crate) stats: super::stats::Stats,
    pub(crate) entries: usize,
    pub(crate) weight: u64,
}

/// Keeps its neighbours off a value's cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

/// What every hit looks at. Written by the driver only, a few times a second.
#[derive(Debug)]
struct Proof {
    horizon: AtomicU64,
    connected_until: AtomicU64,
    /// Entries with an older as-of are dead; `u64::MAX` while nothing is served.
    barrier: AtomicU64,
    /// The barrier without regard to whether anything is served.
    floor: AtomicU64,
}

/// What the caches of one node have in common.
pub(crate) struct Shared {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) uplink: Arc<dyn Uplink>,
    pub(crate) cells: CellTable,
    pub(crate) waits: WaitGraph,
    tick: Padded<AtomicU64>,
    proof: Padded<Proof>,
    /// Serialises the writers of `barrier` and `floor`; whether anything is served.
    serving: Mutex<bool>,
    /// Advanced whenever entries may have died without having been removed.
    deaths: std::sync::atomic::AtomicU64,
    caches: Mutex<Vec<Arc<dyn AnyCache>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("proof", &self.proof).finish_non_exhaustive()
    }
}

impl Shared {
    /// The tick of the last invalidation that began. Whoever begins to load after this call sees its
    /// effect on the data source.
    pub(crate) fn tick(&self) -> u64 {
        self.tick.0.load(Ordering::Acquire)
    }

    /// A tick for a new invalidation.
    pub(crate) fn next_tick(&self) -> u64 {
        self.tick.0.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Entries must have an as-of of at least this to be served or stored.
    #[inline]
    pub(crate) fn barrier(&self) -> u64 {
        if mutation::active(Mutation::BarrierNotChecked) {
            return 0;
        }
        self.proof.0.barrier.load(Ordering::Acquire)
    }

    /// Results must have an as-of of at least this to be shared between readers.
    pub(crate) fn floor(&self) -> u64 {
        self.proof.0.floor.load(Ordering::Acquire)
    }

    /// The moment at which a read begins, as far as the demand needs it.
    #[inline]
    pub(crate) fn moment(&self, demand: Demand) -> Moment {
        let proof = &self.proof.0;
        let capped = demand.cap_ns != u64::MAX;
        Moment {
            now: if demand.is_short() { self.runtime.now() } else { self.runtime.upper_now() },
            horizon: proof.horizon.load(Ordering::Acquire),
            connected_until: if capped { proof.connected_until.load(Ordering::Acquire) } else { 0 },
        }
    }

    /// What a load that began at `tick` takes on by naming a tag, now or at any time.
    pub(crate) fn tag_dependency(&self, tag: &str, tick: u64) -> Dependency {
        let cell = self.cells.tag(self.cells.tag_id(tag));
        let seen = if mutation::active(Mutation::LateTagNotChecked) { cell.tick() } else { tick };
        Dependency { cell, seen }
    }

    /// Invalidates a tag here.
    pub(crate) fn apply_tag(&self, tag: &str) {
        let tick = self.next_tick();
        self.cells.advance(self.cells.tag_id(tag), tick);
        self.note_deaths();
    }

    /// Invalidates a tag here and everywhere.
    pub(crate) fn invalidate_tag(&self, tag: &str) -> Receipt {
        self.apply_tag(tag);
        self.uplink.publish(vec![Target::Tag(tag.into())])
    }

    /// Notes that entries may have died without having been removed.
    pub(crate) fn note_deaths(&self) {
        self.deaths.fetch_add(1, std::sync::atomic::Ordering::Release);
    }

    fn caches(&self) -> Vec<Arc<dyn AnyCache>> {
        lock(&self.caches).clone()
    }

    fn cache(&self, name: &str) -> Option<Arc<dyn AnyCache>> {
        let caches = lock(&self.caches);
        caches.iter().find(|cache| **cache.name() == *name).cloned()
    }
}

/// When a read began, and what was proven by then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    horizon: u64,
    connected_until: u64,
}

impl Moment {
    /// The same proofs for a read that began at another time.
    pub(crate) fn with_now(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// Whether a read that began at this moment may be answered with a value of this as-of.
    #[inline]
    pub(crate) fn accepts(&self, as_of: u64, demand: Demand) -> bool {
        as_of >= self.fresh_as_of(demand)
    }

    /// The least as-of, in nanoseconds, of a value that may answer a read that began at this moment.
    #[inline]
    pub(crate) fn fresh_as_of(&self, demand: Demand) -> u64 {
        if mutation::active(Mutation::ProofNotChecked) {
            return 0;
        }
        let now = self.now.as_nanos();
        // Either the proof reaches far enough, or the load itself must have begun late enough.
        let least = |proven: u64, allowed: u64| {
            if now <= proven.saturating_add(allowed) { 0 } else { now - allowed }
        };
        least(self.horizon, demand.within_ns).max(least(self.connected_until, demand.cap_ns))
    }
}

/// The caches of one node.
///
/// They live as long as the node: an entry of one may depend on a key of another at any time.
#[derive(Debug)]
pub(crate) struct Domain {
    pub(crate) shared: Arc<Shared>,
    default: Freshness,
    next_reclaim: std::sync::atomic::AtomicUsize,
    #[cfg(feature = "simulation")]
    probe: std::sync::OnceLock<Watching>,
}

/// A probe that was set.
#[cfg(feature = "simulation")]
struct Watching(Arc<dyn crate::simulation::Probe>);

#[cfg(feature = "simulation")]
impl std::fmt::Debug for Watching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Probe(..)")
    }
}

impl Drop for Domain {
    /// The caches and what they share hold each other.
    fn drop(&mut self) {
        let caches = std::mem::take(&mut *lock(&self.shared.caches));
        // Not under the lock: the values that go with them are the application's.
        drop(caches);
    }
}

impl Domain {
    pub(crate) fn new(
        runtime: Arc<dyn Runtime>,
        uplink: Arc<dyn Uplink>,
        default: Freshness,
    ) -> Arc<Self> {
        let cells = CellTable::new(runtime.random_seed());
        Self::with_cells(runtime, uplink, default, cells)
    }

    pub(crate) fn with_cells(
        runtime: Arc<dyn Runtime>,
        uplink: Arc<dyn Uplink>,
        default: Freshness,
        cells: CellTable,
    ) -> Arc<Self> {
        let shared = Shared {
            cells,
            waits: WaitGraph::default(),
            runtime,
            uplink,
            tick: Padded(AtomicU64::new(1)),
            proof: Padded(Proof {
                horizon: AtomicU64::new(0),
                connected_until: AtomicU64::new(0),
                barrier: AtomicU64::new(0),
                floor: AtomicU64::new(0),
            }),
            serving: Mutex::new(true),
            deaths: std::sync::atomic::AtomicU64::new(0),
            caches: Mutex::new(Vec::new()),
        };
        Arc::new(Self {
            shared: Arc::new(shared),
            default,
            next_reclaim: std::sync::atomic::AtomicUsize::new(0),
            #[cfg(feature = "simulation")]
            probe: std::sync::OnceLock::new(),
        })
    }

    /// The freshness of caches that set none of their own.
    pub(crate) fn default_freshness(&self) -> Freshness {
        self.default
    }

    /// Adds a cache; `make` gets its place among the caches. `None` if there is one of that name.
    pub(crate) fn register<C: AnyCache + 'static>(
        &self,
        name: &str,
        make: impl FnOnce(u64) -> Arc<C>,
    ) -> Option<Arc<C>> {
        let mut caches = lock(&self.shared.caches);
        if caches.iter().any(|cache| **cache.name() == *name) {
            return None;
        }
        let cache = make(caches.len() as u64);
        caches.push(Arc::clone(&cache) as Arc<dyn AnyCache>);
        Some(cache)
    }

    /// Invalidates what a group names. Returns once no read that starts later can see it.
    pub(crate) fn apply(&self, group: &Group, origin: Origin) -> Applied {
        let coarse = mutation::active(Mutation::EveryTargetClearsAll);
        let group = if coarse { &Group::Everything } else { group };
        let applied = self.apply_to_caches(group, origin);
        #[cfg(feature = "simulation")]
        {
            let node = match origin {
                Origin::Local => return applied,
                Origin::Node(node) => Some(node),
                Origin::Unknown => None,
            };
            let tell = |probe: &dyn crate::simulation::Probe| {
                crate::simulation::Named::all(group).for_each(|named| probe.applied(named, node));
            };
            self.tell(tell);
        }
        applied
    }

    /// [`apply`](Self::apply) for a single target.
    #[cfg(test)]
    pub(crate) fn apply_one(&self, target: &Target, origin: Origin) -> Applied {
        self.apply(&crate::target::Batch::from(target.clone()).groups()[0], origin)
    }

    /// Tells the probe, if there is one.
    #[cfg(feature = "simulation")]
    fn tell(&self, what: impl FnOnce(&dyn crate::simulation::Probe)) {
        if let Some(Watching(probe)) = self.probe.get() {
            what(&**probe);
        }
    }

    /// Sets the probe; a second one is ignored.
    #[cfg(feature = "simulation")]
    pub(crate) fn set_probe(&self, probe: Arc<dyn crate::simulation::Probe>) {
        let _second = self.probe.set(Watching(probe));
    }

    fn apply_to_caches(&self, group: &Group, origin: Origin) -> Applied {
        match group {
            Group::Keys { cache, schema, keys } => match self.shared.cache(cache) {
                Some(cache) => cache.apply_keys(*schema, keys, origin),
                None => Applied::UnknownCache,
            },
            Group::Tag(tag) => {
                self.shared.apply_tag(tag);
                Applied::Done
            }
            Group::Cache(cache) => match self.shared.cache(cache) {
                Some(cache) => {
                    cache.apply_clear(origin);
                    Applied::Done
                }
                None => Applied::UnknownCache,
            },
            Group::Everything => {
                for cache in self.shared.caches() {
                    cache.apply_clear(origin);
                }
                Applied::Done
            }
        }
    }

    /// Drops every entry whose as-of is before this moment, and every later fill with such an as-of.
    pub(crate) fn drop_before(&self, as_of: Timestamp) {
        let serving = lock(&self.shared.serving);
        self.raise_barrier(as_of, *serving);
        drop(serving);
        self.shared.note_deaths();
        #[cfg(feature = "simulation")]
        self.tell(|probe| probe.dropped(as_of));
    }

    fn raise_barrier(&self, as_of: Timestamp, serving: bool) {
        let proof = &self.shared.proof.0;
        let floor = proof.floor.load(Ordering::Acquire).max(as_of.as_nanos());
        proof.floor.store(floor, Ordering::Release);
        let barrier = if serving { floor } else { u64::MAX };
        proof.barrier.store(barrier, Ordering::Release);
    }

    /// No load that is in flight now will be stored. Entries stay.
    pub(crate) fn void_loads(&self) {
        for cache in self.shared.caches() {
            cache.void_loads();
        }
    }

    /// Moves the horizon; it never goes back. To be called once everything that the broker accepted before
    /// that moment has been applied.
    pub(crate) fn advance_horizon(&self, to: Timestamp) {
        self.shared.proof.0.horizon.fetch_max(to.as_nanos(), Ordering::AcqRel);
        #[cfg(feature = "simulation")]
        self.tell(|probe| probe.advanced(to));
    }

    /// The latest moment for which it is proven that everything was applied.
    pub(crate) fn horizon(&self) -> Timestamp {
        Timestamp::from_nanos(self.shared.proof.0.horizon.load(Ordering::Acquire))
    }

    /// How long ago the horizon is; `None` if there never was a proof.
    pub(crate) fn proof_age(&self) -> Option<Duration> {
        let horizon = self.horizon();
        (horizon > Timestamp::ZERO).then(|| self.shared.runtime.now().since(horizon))
    }

    /// Notes that the node was connected at this moment, for [`Freshness::Eventual`] with a cap.
    pub(crate) fn advance_connected(&self, to: Timestamp) {
        self.shared.proof.0.connected_until.fetch_max(to.as_nanos(), Ordering::AcqRel);
    }

    /// Whether anything is served from the caches at all. What was cached before is not served afterwards
    /// either: it may have missed invalidations meanwhile.
    pub(crate) fn set_serving(&self, serving: bool) {
        let mut current = lock(&self.shared.serving);
        if *current == serving {
            return;
        }
        *current = serving;
        let drops = serving && !mutation::active(Mutation::ServingAgainKeepsEntries);
        let as_of = if drops { self.shared.runtime.now() } else { Timestamp::ZERO };
        self.raise_barrier(as_of, serving);
        drop(current);
        self.shared.note_deaths();
        #[cfg(feature = "simulation")]
        self.tell(|probe| probe.serving(serving));
    }

    /// Reclaims memory: free cells in one part of the table, and the dead entries of one cache, if any
    /// can have died there since it was last visited. To be called now and then.
    pub(crate) fn sweep(&self) {
        self.shared.cells.sweep();
        let caches = self.shared.caches();
        if caches.is_empty() {
            return;
        }
        let next = self.next_reclaim.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let deaths = self.shared.deaths.load(std::sync::atomic::Ordering::Acquire);
        caches[next % caches.len()].reclaim(deaths);
    }

    /// The smallest duration of [`Freshness::Within`] over the node's default and its caches.
    pub(crate) fn smallest_within(&self) -> Option<Duration> {
        let caches = self.shared.caches();
        let of_caches = caches.iter().filter_map(|cache| cache.within());
        of_caches.chain(self.default.within()).min()
    }

    /// The figures of every cache.
    #[cfg(feature = "metrics")]
    pub(crate) fn figures(&self) -> Vec<Figures> {
        self.shared.caches().iter().map(|cache| cache.figures()).collect()
    }

    /// How many reads all caches have answered, hits and misses.
    pub(crate) fn reads_total(&self) -> u64 {
        self.shared.caches().iter().map(|cache| cache.reads_total()).sum()
    }
}
