//! Readers on all nodes, and a writer on one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::support::soon;
use crate::world::{ERA, ERAS, Instance, ROWS, World};

/// Readers of a node that load what is not cached.
const LOADERS: u32 = 2;
/// Rows that are looked up at every tick of the readers.
const LOOKS: u32 = 8;
const READ_EVERY: Duration = Duration::from_millis(4);
const WRITE_EVERY: Duration = Duration::from_millis(5);

/// Runs until it is finished.
pub struct Workload {
    era: Arc<AtomicU32>,
    over: Arc<AtomicBool>,
    readers: JoinSet<()>,
    writer: JoinSet<()>,
}

impl World {
    /// Starts readers on all nodes, and a writer on the first.
    pub fn begin(&mut self) -> Workload {
        let mut workload = self.begin_reading();
        let (instance, rng) = (self.nodes[0].clone(), self.rng.fork());
        let (era, over) = (workload.era.clone(), workload.over.clone());
        workload.writer.spawn(write(instance, rng, era, over));
        workload
    }

    /// Starts readers only.
    pub fn begin_reading(&mut self) -> Workload {
        let over = Arc::new(AtomicBool::new(false));
        let mut readers = JoinSet::new();
        for instance in &self.nodes {
            readers.spawn(look(instance.clone(), self.rng.fork(), over.clone()));
            for _ in 0..LOADERS {
                readers.spawn(load(instance.clone(), self.rng.fork(), over.clone()));
            }
        }
        Workload { era: Arc::default(), over, readers, writer: JoinSet::new() }
    }

    /// Lets time pass, and fails at once if a read is wrong meanwhile.
    pub async fn pass(&self, time: Duration) {
        let mut rest = time;
        while !rest.is_zero() {
            let slice = rest.min(Duration::from_millis(100));
            tokio::time::sleep(slice).await;
            rest -= slice;
            self.check();
        }
    }
}

impl Workload {
    /// Makes the writer move on to other rows.
    pub fn next_era(&self) {
        self.era.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends reading and writing, and waits until every invalidation is completed.
    pub async fn finish(mut self) {
        self.over.store(true, Ordering::Relaxed);
        soon("the end of all reads", join(&mut self.readers)).await;
        soon("the completion of all invalidations", join(&mut self.writer)).await;
    }
}

async fn join(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        ended.expect("a task of the workload");
    }
}

fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Takes what is cached.
async fn look(instance: Arc<Instance>, mut rng: fastrand::Rng, over: Arc<AtomicBool>) {
    let mut ticks = ticks(READ_EVERY);
    while !over.load(Ordering::Relaxed) {
        ticks.tick().await;
        for _ in 0..LOOKS {
            let row = rng.u32(..ROWS);
            for shelf in instance.shelves() {
                instance.get(shelf, row);
            }
        }
    }
}

/// Loads what is not.
async fn load(instance: Arc<Instance>, mut rng: fastrand::Rng, over: Arc<AtomicBool>) {
    let mut ticks = ticks(READ_EVERY);
    while !over.load(Ordering::Relaxed) {
        ticks.tick().await;
        let row = rng.u32(..ROWS);
        for shelf in instance.shelves() {
            instance.read(shelf, row).await;
        }
    }
}

/// Changes rows of the era, whether or not earlier changes have reached the broker.
async fn write(
    instance: Arc<Instance>,
    mut rng: fastrand::Rng,
    era: Arc<AtomicU32>,
    over: Arc<AtomicBool>,
) {
    let mut ticks = ticks(WRITE_EVERY);
    let mut completing = JoinSet::new();
    while !over.load(Ordering::Relaxed) {
        ticks.tick().await;
        let first = era.load(Ordering::Relaxed) % ERAS * ERA;
        let (instance, row) = (instance.clone(), first + rng.u32(..ERA));
        completing.spawn(async move { instance.write(row).await });
        while let Some(ended) = completing.try_join_next() {
            ended.expect("a write");
        }
    }
    join(&mut completing).await;
}
