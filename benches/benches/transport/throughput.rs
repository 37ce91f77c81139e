//! A flood of single invalidations to eight nodes over Redis.

use std::sync::Arc;
use std::time::{Duration, Instant};

use unstale_benches::{Laden, Member, RedisServer, Report, flood, process_cpu_time, shuffled};
use unstale_redis::RedisTransport;

use crate::Size;
use crate::raw;

const NODES: usize = 8;
/// Keys published singly: a flood of them would take minutes.
const SINGLES: usize = 5_000;

/// Where a raw subscriber keeps its entries.
#[derive(Clone)]
enum Engine {
    Bare(Arc<quick_cache::sync::Cache<u64, u64>>),
    Laden(Arc<Laden<u64>>),
}

impl Engine {
    fn bare(capacity: usize) -> Self {
        Self::Bare(Arc::new(quick_cache::sync::Cache::new(capacity)))
    }

    fn laden(capacity: usize) -> Self {
        Self::Laden(Arc::new(Laden::new(capacity)))
    }

    fn insert(&self, key: u64) {
        match self {
            Self::Bare(bare) => bare.insert(key, key),
            Self::Laden(laden) => laden.insert(key, key),
        }
    }

    fn remove(&self, key: u64) {
        match self {
            Self::Bare(bare) => drop(bare.remove(&key)),
            Self::Laden(laden) => laden.remove(key),
        }
    }
}

pub(crate) fn run(report: &mut Report, server: &RedisServer, size: Size) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    // The same order for all: a removal waits for memory.
    let keys = shuffled(size.keys);
    let turns: Vec<Turn> = runtime.block_on(async {
        let nodes = Nodes::start(server, size.keys).await;
        let mut floor = Floor::start(server, "floor", Engine::bare, size.keys).await;
        let mut laden = Floor::start(server, "laden", Engine::laden, size.keys).await;
        let mut turns = Vec::new();
        for round in 0..=size.rounds / 2 {
            nodes.fill(size.keys);
            let cpu = process_cpu_time();
            let (ours, per_frame) = nodes.flood(&keys).await;
            let ours_ns = spent_ns(cpu, size.keys);
            floor.fill(size.keys);
            let cpu = process_cpu_time();
            let batched = floor.flood(&keys, per_frame).await;
            let batched_ns = spent_ns(cpu, size.keys);
            let single = floor.flood(&keys[..SINGLES], 1).await;
            laden.fill(size.keys);
            let laden = laden.flood(&keys, per_frame).await;
            if round > 0 {
                turns.push(Turn { ours, ours_ns, per_frame, batched, batched_ns, laden, single });
            }
        }
        turns
    });
    let median = |figure: &dyn Fn(&Turn) -> f64| {
        let mut figures: Vec<f64> = turns.iter().map(figure).collect();
        figures.sort_unstable_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let group = "redis throughput, 8 nodes";
    report.add(group, "one by one by 64 tasks", "keys/s", median(&|turn| turn.ours));
    report.add(group, "keys in a frame", "keys", median(&|turn| turn.per_frame as f64));
    report.add(group, "raw, a PUBLISH each", "keys/s", median(&|turn| turn.single));
    report.add(group, "raw, batches of that size", "keys/s", median(&|turn| turn.batched));
    let laden = "raw, those batches, entries as large";
    report.add(group, laden, "keys/s", median(&|turn| turn.laden));
    report.add(group, "ours / a PUBLISH each", "×", median(&|turn| turn.ours / turn.single));
    report.add(group, "ours / batches of that size", "×", median(&|turn| turn.ours / turn.batched));
    // Where the machine has other work, this says more: what sender and receivers have used of it.
    report.add(group, "ours, processor a key", "ns", median(&|turn| turn.ours_ns));
    report.add(group, "batches, processor a key", "ns", median(&|turn| turn.batched_ns));
}

/// Processor time of this process since then, for each of these keys: the sender and eight receivers.
fn spent_ns(since: Duration, keys: u64) -> f64 {
    (process_cpu_time() - since).as_secs_f64() * 1e9 / keys as f64
}

/// Keys a second until the last receiver had removed the last key, and how many went together.
struct Turn {
    ours: f64,
    ours_ns: f64,
    per_frame: u64,
    batched: f64,
    batched_ns: f64,
    laden: f64,
    single: f64,
}

/// A writer, and eight nodes that hold all keys.
struct Nodes {
    writer: Arc<Member>,
    readers: Vec<Member>,
}

impl Nodes {
    async fn start(server: &RedisServer, keys: u64) -> Self {
        let transport = || RedisTransport::new(server.url(), "flood").unwrap();
        let writer = Arc::new(Member::start(transport(), 2 * keys).await);
        let mut readers = Vec::new();
        for _ in 0..NODES {
            readers.push(Member::start(transport(), 2 * keys).await);
        }
        Self { writer, readers }
    }

    fn fill(&self, keys: u64) {
        for reader in &self.readers {
            (0..keys).for_each(|key| reader.fill(key));
        }
    }

    /// Keys a second, and how many went together.
    async fn flood(&self, keys: &Arc<[u64]>) -> (f64, u64) {
        let published = || self.writer.node.counters().frames_published;
        let frames = published();
        let took = flood(&self.writer, &self.readers, keys).await;
        assert!(self.readers.iter().all(|reader| reader.cache.is_empty()), "an entry is left");
        let frames = published() - frames;
        (keys.len() as f64 / took.as_secs_f64(), (keys.len() as u64).div_ceil(frames.max(1)))
    }
}

/// Raw subscribers that split each payload into keys and remove them from an engine of their own.
struct Floor {
    channel: &'static str,
    publisher: redis::aio::MultiplexedConnection,
    engines: Vec<Engine>,
    progress: Vec<tokio::sync::watch::Receiver<u64>>,
}

impl Floor {
    async fn start(
        server: &RedisServer,
        channel: &'static str,
        engine: fn(usize) -> Engine,
        keys: u64,
    ) -> Self {
        let publisher = raw::publisher(server).await;
        let (mut engines, mut progress) = (Vec::new(), Vec::new());
        for _ in 0..NODES {
            let engine = engine(usize::try_from(2 * keys).unwrap());
            let mut messages = raw::subscriber(server, channel).await;
            let (done, received) = tokio::sync::watch::channel(0);
            engines.push(engine.clone());
            progress.push(received);
            tokio::spawn(async move {
                loop {
                    let payload = raw::next(&mut messages).await;
                    let keys = payload.as_chunks::<8>().0;
                    for key in keys {
                        engine.remove(u64::from_le_bytes(*key));
                    }
                    done.send_modify(|done| *done += keys.len() as u64);
                }
            });
        }
        Self { channel, publisher, engines, progress }
    }

    fn fill(&self, keys: u64) {
        for engine in &self.engines {
            (0..keys).for_each(|key| engine.insert(key));
        }
    }

    /// One awaited `PUBLISH` after the other.
    async fn flood(&mut self, keys: &[u64], per_frame: u64) -> f64 {
        let before: Vec<u64> = self.progress.iter().map(|progress| *progress.borrow()).collect();
        let begun = Instant::now();
        let mut payload = Vec::new();
        for batch in keys.chunks(usize::try_from(per_frame).unwrap()) {
            payload.clear();
            for key in batch {
                payload.extend_from_slice(&key.to_le_bytes());
            }
            raw::publish(&mut self.publisher, self.channel, &payload).await;
        }
        for (progress, before) in self.progress.iter_mut().zip(before) {
            progress.wait_for(|done| done - before >= keys.len() as u64).await.unwrap();
        }
        keys.len() as f64 / begun.elapsed().as_secs_f64()
    }
}
