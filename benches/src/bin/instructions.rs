//! Does one thing so often, to be run under callgrind with two different counts: `cargo xtask instructions` takes the
//! difference. Everything else that it does must not depend on the count.
//!
//! By nodes without tasks and a clock that stands still, so that it repeats itself: reading the real clock at a hit is
//! not counted.

use std::convert::Infallible;
use std::future::Future;
use std::hint::black_box;
use std::ops::Range;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use foldhash::quality::FixedState;
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache as Quick, DefaultLifecycle};
use unstale::{Cache, CacheBuilder, LoadContext, Loaded};
use unstale_benches::{CAPACITY, HandClock, HandNode, KEYS};

/// Keys of a frame, or of a call that invalidates many.
const BATCH: usize = 100;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [operation, count] = &arguments[..] else {
        eprintln!("which operation, and how often?");
        return ExitCode::FAILURE;
    };
    let count = count.parse().unwrap_or(0);
    if count == 0 || count > KEYS || !count.is_multiple_of(BATCH as u64) {
        eprintln!("{count} is no multiple of {BATCH} up to {KEYS}");
        return ExitCode::FAILURE;
    }
    if run(operation, count) {
        return ExitCode::SUCCESS;
    }
    eprintln!("no operation {operation}");
    ExitCode::FAILURE
}

fn run(operation: &str, count: u64) -> bool {
    match operation {
        "floor-get" | "floor-insert" | "floor-remove" => floor(operation, count),
        "get" => {
            let (_node, cache) = filled(0, |it| it);
            each(0..count, |key| cache.get(&key));
        }
        "get-absent" => {
            let (_node, cache) = filled(0, |it| it);
            each(KEYS..KEYS + count, |key| cache.get(&key));
        }
        "get-expiring-tagged" => {
            let (_node, cache) = filled(2, |it| it.time_to_live(Duration::from_secs(60)));
            each(0..count, |key| cache.get(&key));
        }
        "get-or-load" => {
            let (_node, cache) = filled(0, |it| it);
            each(0..count, |key| load(&cache, key));
        }
        "load" => {
            let (_node, cache) = filled(0, |it| it);
            each(KEYS..KEYS + count, |key| load(&cache, key));
        }
        "fill" => {
            let (_node, cache) = filled(0, |it| it);
            each(KEYS..KEYS + count, |key| fill(&cache, key, 0));
        }
        "fill-tagged" => {
            let (_node, cache) = filled(2, |it| it);
            each(KEYS..KEYS + count, |key| fill(&cache, key, 2));
        }
        "invalidate" => {
            let (_node, cache) = filled(0, |it| it);
            each(0..count, |key| cache.invalidate(&key));
        }
        "invalidate-many" => {
            let (_node, cache) = filled(0, |it| it);
            let keys: Vec<u64> = (0..KEYS).collect();
            let batches = keys.chunks(BATCH).take(count as usize / BATCH);
            batches.for_each(|batch| drop(cache.invalidate_many(batch)));
        }
        "invalidate-tag" => {
            let (mut node, _cache) = filled(2, |it| it);
            each(0..count, |_| node.node().invalidate_tag("0:7"));
        }
        "receive" => receive(count),
        _ => return false,
    }
    true
}

fn each<T>(keys: Range<u64>, mut operation: impl FnMut(u64) -> T) {
    for key in keys {
        black_box(operation(key));
    }
}

/// The same by the engine itself, with the hasher that a cache has: its own is seeded differently in each run.
fn floor(operation: &str, count: u64) {
    let lifecycle = DefaultLifecycle::default();
    let hasher = FixedState::with_seed(7);
    let cache = Quick::with(CAPACITY as usize, CAPACITY, UnitWeighter, hasher, lifecycle);
    (0..KEYS).for_each(|key| cache.insert(key, key));
    match operation {
        "floor-get" => each(0..count, |key| cache.get(&key)),
        "floor-insert" => each(KEYS..KEYS + count, |key| cache.insert(key, key)),
        _ => each(0..count, |key| cache.remove(&key)),
    }
}

/// A cache in which every key has a value.
fn filled(
    tags: usize,
    configure: impl FnOnce(CacheBuilder<u64, u64>) -> CacheBuilder<u64, u64>,
) -> (HandNode, Cache<u64, u64>) {
    let mut node = HandNode::start(&HandClock::new());
    let builder = node.node().cache("rows").capacity(CAPACITY);
    let cache = configure(builder).build().expect("a valid configuration");
    (0..KEYS).for_each(|key| fill(&cache, key, tags));
    (node, cache)
}

/// Tags of different entries overlap, as categories of products do.
fn fill(cache: &Cache<u64, u64>, key: u64, tags: usize) {
    let loaded = (0..tags)
        .fold(Loaded::new(key), |loaded, tag| loaded.tag(if tag == 0 { "0:7" } else { "1:7" }));
    assert!(cache.begin_fill(&key).insert(loaded), "key {key} was not stored");
}

fn load(cache: &Cache<u64, u64>, key: u64) {
    let loader = async |_: LoadContext| Ok::<_, Infallible>(key);
    let load = pin!(cache.get_or_load(&key, loader));
    match load.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => assert!(value.is_ok_and(|value| value == key), "another value"),
        Poll::Pending => unreachable!("it has nothing to wait for"),
    }
}

/// Receives frames that name all keys, which are there: so many of them.
fn receive(count: u64) {
    let clock = HandClock::new();
    let (mut sender, mut receiver) = (HandNode::start(&clock), HandNode::start(&clock));
    let remote: Cache<u64, u64> = sender.cache("rows", CAPACITY);
    let local: Cache<u64, u64> = receiver.cache("rows", CAPACITY);
    (0..KEYS).for_each(|key| fill(&local, key, 0));
    let keys: Vec<u64> = (0..KEYS).collect();
    let frames: Vec<Bytes> = keys
        .chunks(BATCH)
        .map(|batch| {
            drop(remote.invalidate_many(batch));
            sender.frame()
        })
        .collect();
    for frame in &frames[..count as usize / BATCH] {
        receiver.node().frame(frame);
        receiver.answer_requests();
    }
    assert_eq!(local.len() as u64, KEYS - count, "not all keys were invalidated");
}
