//! What memory is for: bytes per entry beyond the engine by itself, per tag, per cache, per node, per other node known:
//! `cargo bench -p unstale-benches --features protocol --bench footprint`.
//!
//! Counted as it is asked for, in the thread that does all of it; what an allocator adds is its own matter. Values are
//! shared out, so that only what the cache needs for itself counts.

use std::sync::Arc;

use allocation_counter::measure;
use foyer_memory::CacheBuilder as FoyerBuilder;
use tokio::runtime::Builder;
use unstale::{Cache, Loaded, Node};
use unstale_benches::{HandClock, HandNode, Report};
use unstale_memory::Hub;

const ENTRIES: u64 = 1_000_000;
/// A little more than there are entries: an engine divides its room, not quite evenly.
const CAPACITY: u64 = ENTRIES + ENTRIES / 10;
/// Tags that exist, of which entries have some.
const TAGS: usize = 100;
/// How many caches, nodes and tags by themselves are averaged over.
const MANY: u64 = 1_000;

fn main() {
    let mut report = Report::new("footprint");
    let threads = Builder::new_current_thread().enable_all().build().expect("a tokio runtime");
    let _inside = threads.enter();
    let node = Node::builder("bench").transport(Hub::new().transport()).build();
    let node = node.expect("a valid configuration");
    entries(&mut report, &node);
    tables(&mut report, &node);
    nodes(&mut report);
    origins(&mut report);
    report.write();
}

/// The bytes of what is built here and kept, and the thing itself.
fn bytes<T>(build: impl FnOnce() -> T) -> (f64, T) {
    let mut built = None;
    let allocated = measure(|| built = Some(build()));
    (allocated.bytes_current as f64, built.expect("it was built"))
}

fn bytes_per_entry<T>(build: impl FnOnce(&Arc<str>) -> T) -> f64 {
    let value = Arc::from("value");
    bytes(|| build(&value)).0 / ENTRIES as f64
}

fn entries(report: &mut Report, node: &Node) {
    let quick = bytes_per_entry(|value| {
        let cache = quick_cache::sync::Cache::new(CAPACITY as usize);
        (0..ENTRIES).for_each(|key| cache.insert(key, Arc::clone(value)));
        assert_eq!(cache.len() as u64, ENTRIES, "some were evicted");
        cache
    });
    let moka = bytes_per_entry(|value| {
        let cache = moka::sync::Cache::new(CAPACITY);
        (0..ENTRIES).for_each(|key| cache.insert(key, Arc::clone(value)));
        cache.run_pending_tasks();
        assert_eq!(cache.entry_count(), ENTRIES, "some were evicted");
        cache
    });
    let foyer = bytes_per_entry(|value| {
        let cache: foyer_memory::Cache<u64, Arc<str>> =
            FoyerBuilder::new(CAPACITY as usize).with_shards(8).build();
        (0..ENTRIES).for_each(|key| drop(cache.insert(key, Arc::clone(value))));
        assert_eq!(cache.usage() as u64, ENTRIES, "some were evicted");
        cache
    });
    // What the node keeps of a tag by itself is measured elsewhere.
    let holder: Cache<u64, u64> = node.cache("holder").build().expect("a valid configuration");
    let all = (0..TAGS).fold(Loaded::new(0), |loaded, tag| loaded.tag(name(tag)));
    assert!(holder.begin_fill(&0).insert(all), "not stored");
    let plain = filled(node, 0);
    report.add("footprint/entry", "quick_cache", "bytes", quick);
    report.add("footprint/entry", "unstale", "bytes", plain);
    report.add("footprint/entry", "moka", "bytes", moka);
    report.add("footprint/entry", "foyer_memory", "bytes", foyer);
    for (subject, bytes) in [("unstale", plain), ("moka", moka), ("foyer_memory", foyer)] {
        report.add("footprint/entry", format!("{subject} - quick_cache"), "bytes", bytes - quick);
    }
    for tags in [1, 2, 4, 8] {
        let each = (filled(node, tags) - plain) / tags as f64;
        report.add("footprint/tag of an entry", format!("each of {tags}"), "bytes", each);
    }
}

fn name(tag: usize) -> String {
    format!("tag:{tag}")
}

/// Bytes per entry of a cache whose entries have so many tags each.
fn filled(node: &Node, tags: usize) -> f64 {
    bytes_per_entry(|value| {
        let builder = node.cache(format!("{tags} tags")).capacity(CAPACITY);
        let cache: Cache<u64, Arc<str>> = builder.build().expect("a valid configuration");
        for key in 0..ENTRIES {
            let loaded = (0..tags).fold(Loaded::new(Arc::clone(value)), |loaded, tag| {
                loaded.tag(name((key as usize + tag) % TAGS))
            });
            assert!(cache.begin_fill(&key).insert(loaded), "key {key} was not stored");
        }
        assert_eq!(cache.len() as u64, ENTRIES, "some were evicted");
        cache
    })
}

/// What is there once: an empty cache, and a tag that an entry carries.
fn tables(report: &mut Report, node: &Node) {
    for capacity in [100, 1_000_000] {
        let (empty, _caches) = bytes(|| {
            let cache = |index| -> Cache<u64, u64> {
                let builder = node.cache(format!("empty {capacity} {index:03}"));
                builder.capacity(capacity).build().expect("a valid configuration")
            };
            (0..MANY).map(cache).collect::<Vec<_>>()
        });
        let subject = format!("empty, room for {capacity}");
        report.add("footprint/cache", subject, "bytes", empty / MANY as f64);
    }
    // Entries of the same number with and without a tag of their own: the rest is what the node keeps.
    let tagged = |cache: &str, tag: &dyn Fn(u64) -> String| {
        bytes(|| {
            let builder = node.cache(cache).capacity(CAPACITY);
            let cache: Cache<u64, u64> = builder.build().expect("a valid configuration");
            for key in 0..100 * MANY {
                let loaded = Loaded::new(key).tag(tag(key));
                assert!(cache.begin_fill(&key).insert(loaded), "key {key} was not stored");
            }
            cache
        })
    };
    let (shared, _first) = tagged("one tag", &|_| name(0));
    let (own, _second) = tagged("own tags", &|key| format!("own:{key}"));
    report.add("footprint/tag", "its cell", "bytes", (own - shared) / (100 * MANY) as f64);
}

/// A node that is live and has no caches: as it is used, with its tasks, and without any.
fn nodes(report: &mut Report) {
    let threads = Builder::new_current_thread().enable_all().build().expect("a tokio runtime");
    let hub = Hub::new();
    let (all, _nodes) = bytes(|| {
        threads.block_on(async {
            let mut nodes = Vec::new();
            for _ in 0..MANY / 100 {
                let node = Node::builder("bench").transport(hub.transport()).build();
                let node = node.expect("a valid configuration");
                assert!(node.status_stream().reaches(unstale::State::Live).await, "it left");
                nodes.push(node);
            }
            nodes
        })
    });
    report.add("footprint/node", "with its tasks", "bytes", all / (MANY / 100) as f64);
    let clock = HandClock::new();
    let (all, _nodes) =
        bytes(|| (0..MANY / 10).map(|_| HandNode::start(&clock)).collect::<Vec<_>>());
    report.add("footprint/node", "state machine only", "bytes", all / (MANY / 10) as f64);
}

/// Other nodes that a node knows of, each by one frame with one key.
fn origins(report: &mut Report) {
    let mut receiver = HandNode::start(&HandClock::new());
    let _local: Cache<u64, u64> = receiver.cache("rows", 1);
    let frames: Vec<_> = (0..MANY)
        .map(|key| {
            let mut sender = HandNode::start(&HandClock::new());
            let remote: Cache<u64, u64> = sender.cache("rows", 1);
            drop(remote.invalidate(&key));
            // A frame of its own memory, as it comes from a network.
            bytes::Bytes::copy_from_slice(&sender.frame())
        })
        .collect();
    // The log keeps each frame: what a second one of the same node takes is not the node's.
    let one = {
        let mut sender = HandNode::start(&HandClock::new());
        let remote: Cache<u64, u64> = sender.cache("rows", 1);
        let mut frames = Vec::new();
        for key in 0..MANY {
            drop(remote.invalidate(&key));
            frames.push(bytes::Bytes::copy_from_slice(&sender.frame()));
        }
        let mut receiver = HandNode::start(&HandClock::new());
        let _local: Cache<u64, u64> = receiver.cache("rows", 1);
        received(&mut receiver, &frames)
    };
    let each = received(&mut receiver, &frames);
    report.add("footprint/peer", "frame in the log", "bytes", one / MANY as f64);
    report.add("footprint/peer", "beside its frame", "bytes", (each - one) / MANY as f64);
}

fn received(node: &mut HandNode, frames: &[bytes::Bytes]) -> f64 {
    let (all, ()) = bytes(|| {
        for frame in frames {
            node.node().frame(frame);
            node.answer_requests();
        }
    });
    assert!(node.is_live(), "a frame was missed");
    all
}
