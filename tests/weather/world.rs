//! Nodes with warm caches over one table, and what must hold for them in the end.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use unstale::{Authentication, Cache, Counters, Freshness, Node, NodeBuilder, State, Transport};

use crate::oracle::{Oracle, View};
use crate::support::{soon, until};
use crate::table::Table;

/// What the issue asks of every hit.
pub const BOUND: Duration = Duration::from_millis(500);

/// Rows that the writer changes at a time. It moves on to others when [told to](crate::workload), so that an
/// invalidation that was lost in one era is not made good by a later one.
pub const ERA: u32 = 48;
/// Eras there are before the writer comes back to the first rows.
pub const ERAS: u32 = 4;
/// From this row on nobody changes anything.
pub const COLD: u32 = ERA * ERAS;
pub const ROWS: u32 = COLD + 64;

/// Of the reads after healing, so many of a hundred must be hits.
const LEAST_HITS_PERCENT: usize = 95;

/// The namespace of all nodes.
pub const NAMESPACE: &str = "weather";

/// The nodes of one case, over one table.
pub struct World {
    seed: u64,
    pub rng: fastrand::Rng,
    pub table: Arc<Table>,
    pub oracle: Arc<Oracle>,
    pub nodes: Vec<Arc<Instance>>,
}

/// One cache with what the oracle knows of it.
pub struct Shelf {
    pub cache: Cache<u32, u64>,
    pub view: View,
    /// By row: how often it was loaded from the table.
    loads: Vec<AtomicU64>,
}

/// One node, with a cache that bounds staleness, and one that never asks for proof: there, a lost
/// invalidation would show for ever.
pub struct Instance {
    pub name: String,
    pub node: Node,
    pub bounded: Shelf,
    pub eventual: Shelf,
    table: Arc<Table>,
    oracle: Arc<Oracle>,
}

/// How the nodes of a case differ from the usual ones.
#[derive(Clone)]
pub struct Setup {
    pub freshness: Freshness,
    /// What the oracle holds the bounded cache to.
    pub judged_by: Duration,
    pub authentication: Option<Authentication>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { freshness: Freshness::Within(BOUND), judged_by: BOUND, authentication: None }
    }
}

impl World {
    /// No nodes yet. `UNSTALE_WEATHER_SEED` overrides the seed.
    pub fn new(seed: u64) -> Self {
        let given = std::env::var("UNSTALE_WEATHER_SEED").ok();
        let seed = given.and_then(|given| given.parse().ok()).unwrap_or(seed);
        Self {
            seed,
            rng: fastrand::Rng::with_seed(seed),
            table: Arc::new(Table::new(ROWS)),
            oracle: Arc::new(Oracle::new(ROWS)),
            nodes: Vec::new(),
        }
    }

    /// Adds a node; it needs no broker for that.
    pub fn join(&mut self, transport: impl Transport, setup: &Setup) -> Arc<Instance> {
        let name = format!("node {}", self.nodes.len());
        let (table, oracle) = (self.table.clone(), self.oracle.clone());
        let instance = Arc::new(Instance::new(name, transport, setup, table, oracle));
        self.nodes.push(instance.clone());
        instance
    }

    /// Waits until all nodes are live, and fills all their caches.
    pub async fn warm(&self) {
        for instance in &self.nodes {
            instance.live().await;
        }
        self.serve_hits().await;
    }

    /// Fills all caches, and waits until they answer by themselves.
    async fn serve_hits(&self) {
        join_all(self.nodes.iter().map(|instance| instance.serves_hits())).await;
    }

    pub fn counters(&self) -> Vec<Counters> {
        self.nodes.iter().map(|instance| instance.node.counters()).collect()
    }

    /// To be called when the faults are over and the workload has stopped: every node becomes live, holds
    /// nothing or the latest of every row, and serves hits again; and nothing was ever wrong.
    pub async fn heal(&self) {
        for instance in &self.nodes {
            instance.live().await;
        }
        // Until then the caches are only looked at, so that a lost invalidation is not papered over.
        for instance in &self.nodes {
            until(&format!("convergence of {}", instance.name), async || {
                instance.stale_rows().is_empty().then_some(())
            })
            .await;
        }
        self.serve_hits().await;
        for instance in &self.nodes {
            assert_eq!(instance.stale_rows(), [], "{} after it was filled anew", instance.name);
        }
        self.check();
    }

    /// Nothing was wrong so far.
    pub fn check(&self) {
        if let Err(verdict) = self.oracle.verdict() {
            panic!("{verdict}");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed: UNSTALE_WEATHER_SEED={}", self.seed);
            for instance in &self.nodes {
                let counters = instance.node.counters();
                let counted: Vec<_> = counters.entries().filter(|(_, count)| *count > 0).collect();
                eprintln!("{}: {}; {counted:?}", instance.name, instance.node.status());
                let stale = instance.stale_rows();
                eprintln!("  {} stale rows, first {:?}", stale.len(), stale.first());
            }
            if let Err(verdict) = self.oracle.verdict() {
                eprintln!("{verdict}");
            }
        }
    }
}

impl Instance {
    pub fn new(
        name: String,
        transport: impl Transport,
        setup: &Setup,
        table: Arc<Table>,
        oracle: Arc<Oracle>,
    ) -> Self {
        let builder: NodeBuilder =
            Node::builder(NAMESPACE).transport(transport).freshness(setup.freshness);
        let builder = match &setup.authentication {
            Some(authentication) => builder.authentication(authentication.clone()),
            None => builder,
        };
        let node = builder.build().expect("a node");
        let rows = table.rows();
        let shelf = |cache: &str, freshness, bound| Shelf {
            cache: node.cache(cache).freshness(freshness).build().expect("a cache"),
            view: View::new(format!("{name}, cache {cache}"), bound, rows),
            loads: (0..rows).map(|_| AtomicU64::new(0)).collect(),
        };
        let bounded = shelf("bounded", setup.freshness, Some(setup.judged_by));
        let eventual = shelf("eventual", Freshness::Eventual { cap: None }, None);
        Self { name, node, bounded, eventual, table, oracle }
    }

    pub fn shelves(&self) -> [&Shelf; 2] {
        [&self.bounded, &self.eventual]
    }

    /// What the cache holds, judged.
    pub fn get(&self, shelf: &Shelf, row: u32) -> Option<u64> {
        let reading = self.oracle.begin(&shelf.view, row);
        let version = shelf.cache.get(&row)?;
        reading.returned(version);
        Some(version)
    }

    /// What a reader gets, judged.
    pub async fn read(&self, shelf: &Shelf, row: u32) -> u64 {
        let reading = self.oracle.begin(&shelf.view, row);
        let load = async |context: unstale::LoadContext| {
            context.tag(tag(row));
            shelf.loads[row as usize].fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(self.table.read(row).await)
        };
        let version = shelf.cache.get_or_load(&row, load).await.expect("a row");
        reading.returned(version);
        version
    }

    /// Commits a new version of a row and invalidates it in both caches: even rows by their keys, odd ones by
    /// their tag. Resolves when that is completed.
    pub async fn write(&self, row: u32) {
        let version = self.table.commit(row);
        self.invalidate(row, version).await;
        self.oracle.completed(row, version);
    }

    async fn invalidate(&self, row: u32, version: u64) {
        let receipts = if row.is_multiple_of(2) {
            self.shelves().map(|shelf| shelf.cache.invalidate(&row)).into()
        } else {
            vec![self.node.invalidate_tag(&tag(row))]
        };
        for shelf in self.shelves() {
            shelf.view.invalidated(row, version);
        }
        for receipt in receipts {
            receipt.published().await.expect("the node lives");
        }
    }

    pub async fn live(&self) {
        let name = &self.name;
        let mut status = self.node.status_stream();
        let live = soon(&format!("{name} live"), status.reaches(State::Live)).await;
        assert!(live, "{name} is gone");
    }

    /// Loads of rows that nobody has changed since.
    pub fn loads_of_cold_rows(&self) -> u64 {
        let loads = |shelf: &Shelf| -> u64 {
            shelf.loads[COLD as usize..].iter().map(|loads| loads.load(Ordering::Relaxed)).sum()
        };
        self.shelves().map(loads).iter().sum()
    }

    /// What is cached, served, and not the latest, as (cache, row, cached, latest).
    pub fn stale_rows(&self) -> Vec<(&str, u32, u64, u64)> {
        let mut stale = Vec::new();
        for shelf in self.shelves() {
            for row in 0..self.table.rows() {
                // Only what has been completed counts: of a process that died before, nobody has heard.
                let floor = self.oracle.floor(row);
                if let Some(version) = self.get(shelf, row).filter(|version| *version < floor) {
                    stale.push((shelf.cache.name(), row, version, floor));
                }
            }
        }
        stale
    }

    /// Both caches, once filled, answer by themselves: one that always missed would be right all the time.
    pub async fn serves_hits(&self) {
        for shelf in self.shelves() {
            // A busy machine may put off a proof now and then.
            until(&format!("hits of {} on {}", shelf.cache.name(), self.name), async || {
                join_all((0..self.table.rows()).map(|row| self.read(shelf, row))).await;
                let hits = (0..self.table.rows()).filter(|row| self.get(shelf, *row).is_some());
                (hits.count() * 100 >= ROWS as usize * LEAST_HITS_PERCENT).then_some(())
            })
            .await;
        }
    }
}

fn tag(row: u32) -> String {
    format!("row:{row}")
}
