//! The protocol without any network: `cargo bench -p unstale-benches --features protocol --bench protocol`.
//!
//! Neither encoding nor decoding has a public entry. Nodes that are moved by hand have: *encode* is all from the outbox
//! to the sealed frame (the targets are handed over before), *decode* is opening a frame, *apply* is the rest of
//! receiving, in the log, the vector and the caches. *Receive* is both. The floor of what is done to keys is the bare
//! removal of as many from `quick_cache`.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads clocks")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use unstale::{Cache, Loaded};
use unstale_benches::{CAPACITY, HandClock, HandNode, KEYS, raw};

/// Targets of a frame.
const BATCHES: [u64; 3] = [1, 100, 10_000];

/// A node that invalidates, and one that receives what it says.
struct Pair {
    sender: HandNode,
    receiver: HandNode,
    remote: Cache<u64, u64>,
    local: Cache<u64, u64>,
}

impl Pair {
    fn new() -> Self {
        let clock = HandClock::new();
        let (sender, receiver) = (HandNode::start(&clock), HandNode::start(&clock));
        let (remote, local) = (sender.cache("rows", CAPACITY), receiver.cache("rows", CAPACITY));
        Self { sender, receiver, remote, local }
    }

    fn fill(&self, keys: u64) {
        for key in 0..keys {
            assert!(self.local.begin_fill(&key).insert(Loaded::new(key)), "key {key} not stored");
        }
    }

    /// A frame that names so many keys, or tags.
    fn frame(&mut self, targets: Targets, count: u64) -> Bytes {
        targets.invalidate(&mut self.sender, &self.remote, count);
        self.sender.frame()
    }
}

#[derive(Clone, Copy)]
enum Targets {
    Keys,
    Tags,
}

impl Targets {
    fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Tags => "tags",
        }
    }

    fn invalidate(self, node: &mut HandNode, cache: &Cache<u64, u64>, count: u64) {
        match self {
            Self::Keys => drop(cache.invalidate_many(&(0..count).collect::<Vec<_>>())),
            Self::Tags => {
                (0..count).for_each(|tag| drop(node.node().invalidate_tag(&format!("tag:{tag}"))));
            }
        }
    }
}

/// The time that so many calls take, without what is done between them to prepare the next.
fn times<S, P>(
    iterations: u64,
    state: &mut S,
    mut prepare: impl FnMut(&mut S) -> P,
    mut measured: impl FnMut(&mut S, P),
) -> Duration {
    let mut took = Duration::ZERO;
    for _ in 0..iterations {
        let prepared = prepare(state);
        let start = Instant::now();
        measured(state, prepared);
        took += start.elapsed();
    }
    took
}

fn targets(criterion: &mut Criterion) {
    for targets in [Targets::Keys, Targets::Tags] {
        let mut group = criterion.benchmark_group(format!("protocol/{}", targets.name()));
        for count in BATCHES {
            group.throughput(Throughput::Elements(count));
            let mut pair = Pair::new();
            if let Targets::Keys = targets {
                removals(&mut group, count);
            }
            group.bench_function(BenchmarkId::new("encode", count), |bencher| {
                bencher.iter_custom(|iterations| {
                    let mut took = Duration::ZERO;
                    for _ in 0..iterations {
                        targets.invalidate(&mut pair.sender, &pair.remote, count);
                        let start = Instant::now();
                        let (id, frame) = pair.sender.seal();
                        took += start.elapsed();
                        pair.sender.accept(id, &frame);
                        // What the receiver never met would be a gap.
                        pair.receiver.node().frame(&frame);
                        pair.receiver.answer_requests();
                    }
                    took
                });
            });
            let frame = pair.frame(targets, count);
            pair.receiver.node().frame(&frame);
            group.bench_function(BenchmarkId::new("decode", count), |bencher| {
                bencher.iter(|| black_box(pair.receiver.node().open(black_box(&frame))));
            });
            group.bench_function(BenchmarkId::new("apply", count), |bencher| {
                let prepare = |pair: &mut Pair| {
                    if let Targets::Keys = targets {
                        pair.fill(count);
                    }
                    let frame = pair.frame(targets, count);
                    pair.receiver.node().open(&frame)
                };
                bencher.iter_custom(|iterations| {
                    times(iterations, &mut pair, prepare, |pair, opened| {
                        pair.receiver.node().opened(&opened);
                        pair.receiver.answer_requests();
                    })
                });
            });
        }
        group.finish();
    }
}

/// The floor.
fn removals(group: &mut BenchmarkGroup<'_, WallTime>, count: u64) {
    let floor = raw(|key| key);
    group.bench_function(BenchmarkId::new("quick_cache", count), |bencher| {
        bencher.iter_custom(|iterations| {
            let insert = |_: &mut ()| (0..count).for_each(|key| floor.insert(key, key));
            times(iterations, &mut (), insert, |(), ()| {
                (0..count).for_each(|key| {
                    black_box(floor.remove(&key));
                });
            })
        });
    });
}

/// A frame of one key, received by a node that knows so many others, each of which says one in turn.
fn origins(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("protocol/origins");
    for count in [1, 10, 1_000] {
        let mut receiver = HandNode::start(&HandClock::new());
        let local: Cache<u64, u64> = receiver.cache("rows", CAPACITY);
        let mut senders: Vec<_> = (0..count)
            .map(|_| {
                let sender = HandNode::start(&HandClock::new());
                let remote: Cache<u64, u64> = sender.cache("rows", 1);
                (sender, remote)
            })
            .collect();
        let mut key = 0;
        group.bench_function(BenchmarkId::new("receive", count), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut took = Duration::ZERO;
                for _ in 0..iterations {
                    key = (key + 1) % KEYS;
                    assert!(local.begin_fill(&key).insert(Loaded::new(key)), "not stored");
                    let (sender, remote) = &mut senders[key as usize % count];
                    drop(remote.invalidate(&key));
                    let frame = sender.frame();
                    let start = Instant::now();
                    receiver.node().frame(&frame);
                    receiver.answer_requests();
                    took += start.elapsed();
                }
                took
            });
        });
        assert!(receiver.is_live(), "a frame was missed");
    }
    group.finish();
}

/// What a node that was away missed so many frames of 100 keys: a witness composes the answer, the other reads it.
fn answers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("protocol/answer");
    for frames in [10, 1_000] {
        group.throughput(Throughput::Elements(frames));
        let (mut witness, mut asker) = away(frames);
        for (name, part) in [("compose", 0), ("read", 1)] {
            group.bench_function(BenchmarkId::new(name, frames), |bencher| {
                bencher.iter_custom(|iterations| {
                    (0..iterations).map(|_| ask(&mut witness, &mut asker)[part]).sum()
                });
            });
        }
    }
    group.finish();
}

/// A node with a log of so many frames, of which another one has met the first only.
fn away(frames: u64) -> (HandNode, HandNode) {
    let mut sender = HandNode::start(&HandClock::new());
    let remote: Cache<u64, u64> = sender.cache("rows", CAPACITY);
    let [mut witness, mut asker] = [(); 2].map(|()| HandNode::start(&HandClock::new()));
    // A node says once that it is there; later that would move the asker's mark.
    while witness.node().counters().beacons_published == 0 {
        witness.pass_time();
        witness.answer_requests().iter().for_each(|frame| asker.node().frame(frame));
    }
    for count in 0..=frames {
        Targets::Keys.invalidate(&mut sender, &remote, 100);
        let frame = sender.frame();
        witness.node().frame(&frame);
        witness.answer_requests();
        if count == 0 {
            asker.node().frame(&frame);
            asker.answer_requests();
        }
    }
    (witness, asker)
}

/// The asker reconnects: how long it takes the witness to say what was missed, and the asker to read that.
fn ask(witness: &mut HandNode, asker: &mut HandNode) -> [Duration; 2] {
    let before = asker.node().counters().replayed;
    for frame in asker.reconnect() {
        witness.node().frame(&frame);
        assert!(witness.answer_requests().is_empty(), "it answered at once");
    }
    let answers = witness.node().counters().answers;
    let (composing, answer) = loop {
        let start = Instant::now();
        witness.pass_time();
        let said = witness.answer_requests();
        let took = start.elapsed();
        if witness.node().counters().answers > answers {
            break (took, said);
        }
        assert!(said.is_empty(), "it said something else");
    };
    let start = Instant::now();
    for frame in &answer {
        asker.node().frame(frame);
        asker.answer_requests();
    }
    let reading = start.elapsed();
    let after = asker.node().counters().replayed;
    assert!(asker.is_live() && after > before, "it did not take the answer");
    [composing, reading]
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = targets, origins, answers
}
criterion_main!(benches);
