//! Cells: how an entry learns in O(1) that something it depends on was invalidated.
//!
//! A [`Cell`] holds the tick of the last invalidation of what it stands for: a tag, a key that other
//! entries were built from, or the whole of a cache. An entry keeps its cells and, for each, the highest
//! tick that it has taken into account; it is alive while no cell has gone beyond that.
//!
//! A cell of a tag or key exists only while someone holds it. So that an invalidation of a tag that has no
//! cell at that moment still reaches the loads in flight that name it late, a fixed array of ticks by hash
//! is advanced too, and a new cell starts with the tick found there. That another tag with the same place
//! in the array is mistaken for this one costs a fill now and then, nothing else. On overflow of the table
//! the array's own cells are handed out.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::quality::FixedState;
use std::collections::HashMap;

use crate::mutation::{self, Mutation};
use crate::shim::lock;
use crate::shim::sync::Mutex;
use crate::shim::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Cells that the table holds at most; beyond, cells are shared by hash.
const MAX_CELLS: usize = 1 << 20;
/// How many ways the table is locked.
const SHARDS: usize = 64;
/// Ticks kept for tags and keys without a cell of their own.
const SHARED_CELLS: usize = 1 << 10;
/// A shard smaller than this is not searched for free cells when it grows.
const MIN_SWEEP: usize = 256;

/// The tick of the last invalidation of one thing.
#[derive(Debug, Default)]
pub(crate) struct Cell(AtomicU64);

impl Cell {
    pub(crate) fn new(tick: u64) -> Self {
        Self(AtomicU64::new(tick))
    }

    /// The tick of the last invalidation.
    pub(crate) fn tick(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Notes an invalidation.
    pub(crate) fn advance(&self, tick: u64) {
        self.0.fetch_max(tick, Ordering::AcqRel);
    }
}

/// Something that a value was built from.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) cell: Arc<Cell>,
    /// Invalidations up to this tick are reflected in the value.
    pub(crate) seen: u64,
}

impl Dependency {
    /// Whether the value reflects every invalidation so far.
    pub(crate) fn holds(&self) -> bool {
        self.cell.tick() <= self.seen
    }
}

/// The identity of a tag or a key in the table. Two things with the same one are invalidated together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CellId(u64);

/// All cells of a node.
#[derive(Debug)]
pub(crate) struct CellTable {
    hasher: FixedState,
    shards: Box<[Mutex<Shard>]>,
    shared: Box<[Arc<Cell>]>,
    /// Whether any entry was ever built from another: without nesting, keys have no cells to look for.
    any_key: AtomicBool,
    next_sweep: AtomicUsize,
    max_per_shard: usize,
}

#[derive(Debug)]
struct Shard {
    cells: HashMap<CellId, Arc<Cell>, FixedState>,
    /// Free cells are looked for once there are this many.
    sweep_at: usize,
}

impl CellTable {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with_capacity(seed, SHARDS, MAX_CELLS / SHARDS, SHARED_CELLS)
    }

    pub(crate) fn with_capacity(
        seed: u64,
        shards: usize,
        max_per_shard: usize,
        shared_cells: usize,
    ) -> Self {
        let hasher = FixedState::with_seed(seed);
        let shard = || {
            Mutex::new(Shard { cells: HashMap::with_hasher(hasher.clone()), sweep_at: MIN_SWEEP })
        };
        Self {
            shards: (0..shards).map(|_| shard()).collect(),
            shared: (0..shared_cells).map(|_| Arc::default()).collect(),
            any_key: AtomicBool::new(false),
            next_sweep: AtomicUsize::new(0),
            max_per_shard,
            hasher,
        }
    }

    pub(crate) fn tag_id(&self, tag: &str) -> CellId {
        CellId(self.hasher.hash_one((0u8, tag)))
    }

    pub(crate) fn key_id<K: Hash + ?Sized>(&self, cache_index: u64, key: &K) -> CellId {
        CellId(self.hasher.hash_one((1u8, cache_index, key)))
    }

    /// The cell of a tag. Compare it with the tick noted before the load: it may say that the tag was
    /// invalidated when only something of the same hash was.
    pub(crate) fn tag(&self, id: CellId) -> Arc<Cell> {
        self.get_or_create(id)
    }

    /// The cell of a key that another entry is being built from. To be called before the key is looked up.
    pub(crate) fn key(&self, id: CellId) -> Arc<Cell> {
        if !self.any_key.load(Ordering::Relaxed) {
            self.any_key.store(true, Ordering::SeqCst);
        }
        self.get_or_create(id)
    }

    /// Whether any entry was ever built from a key. To be asked after a key was removed from its cache: who found it
    /// there before has its cell.
    pub(crate) fn are_keys_watched(&self) -> bool {
        self.any_key.load(Ordering::SeqCst)
    }

    /// Notes an invalidation of a tag, or of a key whose entries are [watched](Self::are_keys_watched).
    pub(crate) fn advance(&self, id: CellId, tick: u64) {
        // First the shared cell, then the lookup: a cell created in between starts with this tick.
        if !mutation::active(Mutation::TagWithoutCellForgotten) {
            self.shared_cell(id).advance(tick);
        }
        let cell = lock(self.shard(id)).cells.get(&id).cloned();
        if let Some(cell) = cell {
            cell.advance(tick);
        }
    }

    fn get_or_create(&self, id: CellId) -> Arc<Cell> {
        let mut shard = lock(self.shard(id));
        if let Some(cell) = shard.cells.get(&id) {
            return Arc::clone(cell);
        }
        let shared = self.shared_cell(id);
        // Not a search for free cells at each new tag: the regular sweep makes room again.
        if shard.cells.len() >= self.max_per_shard {
            return Arc::clone(shared);
        }
        if shard.cells.len() >= shard.sweep_at {
            shard.free_unheld();
            shard.sweep_at = (shard.cells.len() * 2).max(MIN_SWEEP);
        }
        let cell = Arc::new(Cell::new(shared.tick()));
        shard.cells.insert(id, Arc::clone(&cell));
        cell
    }

    /// Frees the cells that nobody holds in one part of the table; the next call takes the next part.
    pub(crate) fn sweep(&self) {
        let index = self.next_sweep.fetch_add(1, Ordering::Relaxed) % self.shards.len();
        lock(&self.shards[index]).free_unheld();
    }

    fn shard(&self, id: CellId) -> &Mutex<Shard> {
        // The map takes the upper and lower bits.
        &self.shards[(id.0 >> 24) as usize % self.shards.len()]
    }

    fn shared_cell(&self, id: CellId) -> &Arc<Cell> {
        &self.shared[(id.0 >> 32) as usize % self.shared.len()]
    }

    #[cfg(test)]
    #[cfg(not(feature = "model"))]
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).cells.len()).sum()
    }
}

impl Shard {
    fn free_unheld(&mut self) {
        // Under the lock a count of one cannot grow: the table's own reference is the only one left.
        self.cells.retain(|_, cell| {
            Arc::strong_count(cell) > 1 && !mutation::active(Mutation::CellFreedWithHolder)
        });
    }
}

#[cfg(test)]
#[cfg(not(feature = "model"))]
#[allow(clippy::unwrap_used, reason = "these are tests")]
mod tests {
    use super::*;

    #[test]
    fn a_cell_lives_as_long_as_its_holders() {
        let table = CellTable::with_capacity(1, 1, 1024, 8);
        let id = table.tag_id("a");
        let held = table.tag(id);
        drop(table.tag(table.tag_id("b")));
        assert_eq!(table.len(), 2);
        table.sweep();
        assert_eq!(table.len(), 1);
        table.advance(id, 7);
        assert_eq!(held.tick(), 7);
        drop(held);
        table.sweep();
        assert_eq!(table.len(), 0);
        assert!(table.tag(id).tick() >= 7, "a new cell knows of the past");
    }

    #[test]
    fn a_full_table_shares_cells() {
        let table = CellTable::with_capacity(1, 1, 4, 2);
        let tags: Vec<String> = (0..20).map(|n| format!("tag {n}")).collect();
        let held: Vec<_> = tags.iter().map(|tag| table.tag(table.tag_id(tag))).collect();
        assert_eq!(table.len(), 4);
        for (n, tag) in tags.iter().enumerate() {
            let tick = n as u64 + 1;
            table.advance(table.tag_id(tag), tick);
            assert!(held[n].tick() >= tick, "{tag} was not reached");
        }
    }

    #[test]
    fn a_full_table_is_not_searched_at_each_new_tag() {
        let table = CellTable::with_capacity(1, 1, 4, 2);
        for n in 0..10 {
            drop(table.tag(table.tag_id(&n.to_string())));
        }
        // What nobody holds is still there: only the sweep makes room.
        assert_eq!(table.len(), 4);
        table.sweep();
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn growing_frees_what_nobody_holds() {
        let table = CellTable::with_capacity(1, 1, 1 << 16, 8);
        for n in 0..100_000 {
            drop(table.tag(table.tag_id(&n.to_string())));
        }
        assert!(table.len() <= MIN_SWEEP, "{} cells", table.len());
    }

    #[test]
    fn keys_and_tags_differ() {
        let table = CellTable::with_capacity(1, 4, 1024, 8);
        assert_ne!(table.tag_id("a"), table.key_id(0, "a"));
        assert_ne!(table.key_id(1, "a"), table.key_id(0, "a"));
        assert_eq!(table.key_id(1, "a"), table.key_id(1, &String::from("a")));
    }
}
