//! What a received key costs, to decode it and to apply it, in batches of 100, beside a bare removal from `quick_cache`:
//! `cargo bench -p unstale-benches --features protocol --bench applying`.
//!
//! By nodes that are moved by hand, so that nothing but that is measured: the sender's part is done before the time is
//! taken. Not in `ratios`: feature `protocol` adds what a simulation needs to every read.

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use unstale::{Cache, CacheValue, Loaded};
use unstale_benches::{CAPACITY, HandClock, HandNode, KEYS, Report, Subject, raw, timed};

/// Keys of a frame.
const BATCH: usize = 100;
/// Frames between two preparations.
const FRAMES: usize = 20;
/// Turns of each group: all of them take about a minute, most of it preparation.
const TURNS: usize = 60;

fn main() {
    let mut report = Report::new("applying");
    group(&mut report, "u64", |key| key);
    group(&mut report, "arc", |key| Arc::<str>::from(key.to_string()));
    report.write();
}

fn group<V: CacheValue>(report: &mut Report, values: &str, value: impl Fn(u64) -> V + Copy) {
    for (keys, first) in [("present", 0), ("absent", KEYS)] {
        let subjects: Vec<Subject<'_>> = vec![
            ("quick_cache", removals(first, value)),
            ("decode and apply", receiving(Part::Both, first, value)),
            ("decode", receiving(Part::Decode, first, value)),
            ("apply", receiving(Part::Apply, first, value)),
        ];
        report.compare(&format!("applying/{values}/{keys}"), &subjects, TURNS);
    }
}

/// Every key from the first on, in an order that is not theirs.
fn shuffled(first: u64) -> Vec<u64> {
    let mut keys: Vec<u64> = (first..first + KEYS).collect();
    fastrand::Rng::with_seed(5).shuffle(&mut keys);
    keys
}

/// Runs rounds of [`FRAMES`] batches until there were `count` keys: the time for that many of them.
fn rounds(count: u64, keys: &[u64], mut round: impl FnMut(&[u64]) -> Duration) -> Duration {
    let mut took = Duration::ZERO;
    let mut done = 0;
    for keys in keys.chunks_exact(BATCH * FRAMES).cycle() {
        took += round(keys);
        done += keys.len() as u64;
        if done >= count {
            break;
        }
    }
    took.mul_f64(count as f64 / done as f64)
}

fn removals<'a, V: CacheValue>(
    first: u64,
    value: impl Fn(u64) -> V + Copy + 'a,
) -> Box<dyn Fn(u64) -> Duration + 'a> {
    let (cache, keys) = (raw(value), shuffled(first));
    Box::new(move |count| {
        rounds(count, &keys, |keys| {
            keys.iter().filter(|key| **key < KEYS).for_each(|key| cache.insert(*key, value(*key)));
            timed(keys.len() as u64, |index| drop(black_box(cache.remove(&keys[index as usize]))))
        })
    })
}

/// What of receiving is measured.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Decode,
    Apply,
    Both,
}

fn receiving<'a, V: CacheValue>(
    part: Part,
    first: u64,
    value: impl Fn(u64) -> V + Copy + 'a,
) -> Box<dyn Fn(u64) -> Duration + 'a> {
    let (pair, keys) = (RefCell::new(Pair::new(value)), shuffled(first));
    Box::new(move |count| {
        let mut pair = pair.borrow_mut();
        rounds(count, &keys, |keys| pair.round(part, keys, value))
    })
}

/// A node that invalidates, and one that receives.
struct Pair<V: CacheValue> {
    sender: HandNode,
    receiver: HandNode,
    remote: Cache<u64, V>,
    local: Cache<u64, V>,
}

impl<V: CacheValue> Pair<V> {
    fn new(value: impl Fn(u64) -> V) -> Self {
        let clock = HandClock::new();
        let (sender, receiver) = (HandNode::start(&clock), HandNode::start(&clock));
        let (remote, local) = (sender.cache("rows", CAPACITY), receiver.cache("rows", CAPACITY));
        (0..KEYS).for_each(|key| fill(&local, key, value(key)));
        Self { sender, receiver, remote, local }
    }

    fn round(&mut self, part: Part, keys: &[u64], value: impl Fn(u64) -> V) -> Duration {
        keys.iter().filter(|key| **key < KEYS).for_each(|key| fill(&self.local, *key, value(*key)));
        let frames: Vec<Bytes> = keys
            .chunks(BATCH)
            .map(|batch| {
                drop(self.remote.invalidate_many(batch));
                self.sender.frame()
            })
            .collect();
        let node = &mut self.receiver;
        let took = match part {
            Part::Both => timed(FRAMES as u64, |index| {
                node.node().frame(&frames[index as usize]);
                node.answer_requests();
            }),
            Part::Decode | Part::Apply => {
                let mut opened = Vec::with_capacity(FRAMES);
                let decoding = timed(FRAMES as u64, |index| {
                    opened.push(node.node().open(&frames[index as usize]));
                });
                let applying = timed(FRAMES as u64, |index| {
                    node.node().opened(&opened[index as usize]);
                    node.answer_requests();
                });
                if part == Part::Decode { decoding } else { applying }
            }
        };
        assert!(keys.iter().all(|key| !self.local.contains(key)), "a key was not invalidated");
        took
    }
}

fn fill<V: CacheValue>(cache: &Cache<u64, V>, key: u64, value: V) {
    assert!(cache.begin_fill(&key).insert(Loaded::new(value)), "key {key} was not stored");
}
