//! How many bytes an entry and each of its tags take beyond the engine by itself: counted by an allocator that counts,
//! as they are asked for.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use allocation_counter::measure;
use unstale::{Cache, Loaded, Node};
use unstale_memory::Hub;

const ENTRIES: u64 = 120_000;
/// A little more than there are entries: the engine divides its room, not quite evenly. It doubles its tables as it
/// grows; so many entries fill them well, into however many parts (a power of two) they are divided.
const CAPACITY: u64 = ENTRIES + ENTRIES / 10;

/// What an entry may take beyond the same entry in `quick_cache`.
const MOST_PER_ENTRY: f64 = 40.0;
/// What each of its tags may take beyond that.
const MOST_PER_TAG: f64 = 24.0;
/// What a cache takes once, divided by its entries, is less than this.
const SLACK: f64 = 0.05;

/// The value of every entry: it is shared out, so that only the cache's own memory counts.
fn value() -> Arc<str> {
    Arc::from("value")
}

/// The bytes per entry of what is built here and kept.
fn bytes_per_entry<T>(build: impl FnOnce() -> T) -> f64 {
    let mut built = None;
    let allocated = measure(|| built = Some(build()));
    drop(built.unwrap());
    allocated.bytes_current as f64 / ENTRIES as f64
}

fn engine() -> f64 {
    let value = value();
    bytes_per_entry(|| {
        let engine = quick_cache::sync::Cache::new(CAPACITY as usize);
        (0..ENTRIES).for_each(|key| engine.insert(key, Arc::clone(&value)));
        assert_eq!(engine.len() as u64, ENTRIES, "some were evicted");
        engine
    })
}

fn names() -> Vec<String> {
    (0..100).map(|tag| format!("tag:{tag}")).collect()
}

/// An entry that has all tags: what the node keeps of a tag by itself is there already, and not counted.
fn holder(node: &Node) -> Cache<u64, Arc<str>> {
    let cache = node.cache("holder").build().unwrap();
    let loaded = names().into_iter().fold(Loaded::new(value()), Loaded::tag);
    assert!(cache.begin_fill(&0).insert(loaded), "the fill was refused");
    cache
}

/// A cache whose entries have so many tags each.
fn cache(node: &Node, tags: usize) -> f64 {
    let (value, names) = (value(), names());
    bytes_per_entry(|| {
        let builder = node.cache(format!("{tags} tags")).capacity(CAPACITY);
        let cache: Cache<u64, Arc<str>> = builder.build().unwrap();
        for key in 0..ENTRIES {
            let loaded = (0..tags).fold(Loaded::new(Arc::clone(&value)), |loaded, tag| {
                loaded.tag(&names[(key as usize + tag) % names.len()])
            });
            assert!(cache.begin_fill(&key).insert(loaded), "the fill was refused");
        }
        assert_eq!(cache.len() as u64, ENTRIES, "some were evicted");
        cache
    })
}

#[tokio::test]
async fn an_entry_and_its_tags_are_small() {
    let node = Node::builder("test").transport(Hub::new().transport()).build().unwrap();
    let _holder = holder(&node);
    let engine = engine();
    let plain = cache(&node, 0);
    let beyond = plain - engine;
    assert!(engine > 24.0, "key and value alone are more than {engine:.1} bytes");
    assert!(
        beyond <= MOST_PER_ENTRY + SLACK,
        "{beyond:.1} bytes an entry beyond the engine's {engine:.1}"
    );
    for tags in [1, 2, 8] {
        let per_tag = (cache(&node, tags) - plain) / tags as f64;
        assert!(per_tag >= 8.0, "a tag cannot take only {per_tag:.1} bytes: were they stored?");
        assert!(per_tag <= MOST_PER_TAG + SLACK, "{per_tag:.1} bytes a tag, with {tags} of them");
    }
}
