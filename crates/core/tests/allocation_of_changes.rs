//! What a change allocates: a fill, an invalidation, and a key that another node invalidated. Upper bounds, so that a
//! copy more is noticed; counted by an allocator that counts what its own thread does.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use futures_util::FutureExt;
use tokio::runtime::Runtime;
use unstale::{Cache, Freshness, LoadContext, Loaded, Node, State};
use unstale_memory::Hub;

/// Operations of each measurement.
const MANY: u64 = 1_000;

async fn node(hub: &Hub) -> Node {
    let node = Node::builder("test")
        .transport(hub.transport())
        .freshness(Freshness::Within(Duration::from_secs(600)))
        .build()
        .unwrap();
    assert!(node.status_stream().reaches(State::Live).await);
    node
}

fn cache(node: &Node) -> Cache<u64, Arc<str>> {
    node.cache("rows").capacity(100 * MANY).build().unwrap()
}

fn fill(cache: &Cache<u64, Arc<str>>, keys: impl Iterator<Item = u64>, tags: &[&str]) {
    let value: Arc<str> = Arc::from("value");
    for key in keys {
        let fill = cache.begin_fill(&key);
        tags.iter().for_each(|tag| fill.tag(tag));
        assert!(fill.insert(Loaded::new(Arc::clone(&value))), "the fill was refused");
    }
}

/// Allocations of one of [`MANY`] operations, which may be done a little before: what a thread and a table set up
/// first is not counted.
fn each(operation: impl Fn(u64)) -> f64 {
    (0..10).for_each(&operation);
    measure(|| (10..10 + MANY).for_each(&operation)).count_total as f64 / MANY as f64
}

/// A table that grows now and then allocates for many operations at once.
fn assert_at_most(most: f64, allocated: f64, what: &str) {
    assert!(allocated <= most + 0.1, "{what}: {allocated:.2} allocations, not {most} at most");
}

#[tokio::test]
async fn get_or_load_of_what_is_there_allocates_nothing() {
    let node = node(&Hub::new()).await;
    let cache = cache(&node);
    fill(&cache, 0..10 + MANY, &["tag"]);
    let read = |key| {
        let loader = async |_: LoadContext| -> Result<Arc<str>, Infallible> { panic!("is there") };
        // It has nothing to wait for.
        assert!(matches!(cache.get_or_load(&key, loader).now_or_never(), Some(Ok(_))));
    };
    assert_eq!(each(read), 0.0);
}

#[tokio::test]
async fn a_fill() {
    let node = node(&Hub::new()).await;
    let cache = cache(&node);
    // The engine's tables and those of the loads have grown before.
    fill(&cache, 10 * MANY..20 * MANY, &[]);
    assert_at_most(3.0, each(|key| fill(&cache, key..=key, &[])), "a fill of a new key");
    assert_at_most(4.0, each(|key| fill(&cache, key..=key, &[])), "a fill in place of another");
    let tags = ["a", "b"];
    assert_at_most(11.0, each(|key| fill(&cache, key..=key, &tags)), "a fill with two tags");
    let load = |key: u64| {
        let loader = async |_: LoadContext| Ok::<_, Infallible>(Arc::<str>::default());
        assert!(matches!(cache.get_or_load(&(key + 2 * MANY), loader).now_or_never(), Some(Ok(_))));
    };
    assert_at_most(5.0, each(load), "a load");
}

#[tokio::test]
async fn an_invalidation() {
    let node = node(&Hub::new()).await;
    let cache = cache(&node);
    fill(&cache, 0..10 + MANY, &["tag"]);
    // The node's tasks do not run meanwhile: this is what the caller pays.
    assert_at_most(2.0, each(|key| drop(cache.invalidate(&key))), "a key that is there");
    assert_at_most(2.0, each(|key| drop(cache.invalidate(&key))), "a key that is not there");
    let keys: Vec<u64> = (0..100).collect();
    assert_at_most(1.1, each(|_| drop(cache.invalidate_many(&keys))) / 100.0, "a key of a hundred");
    assert_at_most(2.0, each(|_| drop(node.invalidate_tag("tag"))), "a tag");
}

/// Everything of two nodes runs in this thread: what the sender's caller and driver, the hub and the receiver do for a
/// key, all together.
#[test]
fn a_key_on_its_way() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let hub = Hub::new();
    let (here, there) = runtime.block_on(async { (node(&hub).await, node(&hub).await) });
    let (sender, receiver) = runtime.block_on(async { (cache(&here), cache(&there)) });
    let pass = |keys: std::ops::Range<u64>| pass(&runtime, &sender, &receiver, keys);
    pass(0..MANY);
    let (few, many) = (pass(0..MANY), pass(0..3 * MANY));
    assert_at_most(
        2.0,
        (many - few) as f64 / (2 * MANY) as f64,
        "a key that passes from node to node",
    );
}

/// Allocations while so many keys, which the receiver holds, are invalidated in one batch.
fn pass(
    runtime: &Runtime,
    sender: &Cache<u64, Arc<str>>,
    receiver: &Cache<u64, Arc<str>>,
    keys: std::ops::Range<u64>,
) -> u64 {
    let _inside = runtime.enter();
    fill(receiver, keys.clone(), &[]);
    let keys: Vec<u64> = keys.collect();
    let passed = async {
        sender.invalidate_many(&keys).published().await.unwrap();
        while !receiver.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    measure(|| runtime.block_on(passed)).count_total
}
