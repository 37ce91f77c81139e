//! A synchronous read allocates nothing, whatever it finds: counted by an allocator that counts.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use unstale::{Cache, CacheBuilder, Freshness, Loaded, Lookup, Node, State};
use unstale_memory::Hub;

/// A node that stays live for as long as a test may take.
async fn node() -> Node {
    let node = Node::builder("test")
        .transport(Hub::new().transport())
        .freshness(Freshness::Within(Duration::from_secs(600)))
        .build()
        .unwrap();
    assert!(node.status_stream().reaches(State::Live).await);
    node
}

/// Asserts that `read` answers `true` and allocates nothing. What a thread sets up at its first read is not
/// counted.
fn assert_no_allocation(what: &str, read: impl Fn() -> bool) {
    assert!(read(), "{what}: not the expected answer");
    let allocations = measure(|| {
        for _ in 0..100 {
            assert!(read(), "{what}: not the expected answer");
        }
    });
    assert_eq!(allocations.count_total, 0, "{what} allocates: {allocations:?}");
}

fn filled(
    builder: CacheBuilder<String, Arc<str>>,
    loaded: impl Fn() -> Loaded<Arc<str>>,
) -> Cache<String, Arc<str>> {
    let cache = builder.build().unwrap();
    for key in 0..100 {
        assert!(cache.begin_fill(&key.to_string()).insert(loaded()), "the fill was refused");
    }
    cache
}

#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(std::hint::black_box(Box::new(1)))).count_total, 1);
}

#[tokio::test]
async fn a_hit_allocates_nothing() {
    let node = node().await;
    let value = || Loaded::new(Arc::from("value"));
    let plain = filled(node.cache("plain"), value);
    let expiring =
        filled(node.cache("expiring").time_to_live(Duration::from_secs(600)).jitter(0.5), value);
    let idle = filled(node.cache("idle").time_to_idle(Duration::from_secs(600)), value);
    let tagged = filled(node.cache("tagged"), || {
        (0..8).fold(value(), |loaded, tag| loaded.tag(format!("tag:{tag}")))
    });
    let eventual =
        filled(node.cache("eventual").freshness(Freshness::Eventual { cap: None }), value);
    for cache in [plain, expiring, idle, tagged, eventual] {
        assert_no_allocation(cache.name(), || cache.get("7").as_deref() == Some("value"));
        assert_no_allocation(cache.name(), || cache.contains("7"));
        assert_no_allocation(cache.name(), || matches!(cache.lookup("7"), Lookup::Hit(_)));
        assert_eq!(cache.stats().misses, 0);
    }
}

#[tokio::test]
async fn neither_does_a_miss_or_what_is_known_not_to_be_there() {
    let node = node().await;
    let cache = filled(node.cache("absent"), Loaded::absent);
    assert_no_allocation("absent", || cache.lookup("7") == Lookup::Absent);
    assert_no_allocation("miss", || cache.lookup("none such") == Lookup::Miss);
    assert_no_allocation("miss", || cache.get("none such").is_none());
    assert_no_allocation("miss", || !cache.contains("none such"));
}

#[tokio::test]
async fn neither_does_what_is_refused() {
    let node = node().await;
    let tagged =
        || (0..8).fold(Loaded::new(Arc::from("value")), |it, tag| it.tag(format!("{tag}")));
    let brief = Duration::from_millis(1);
    let unproven = filled(
        node.cache("unproven")
            .freshness(Freshness::Eventual { cap: Some(Duration::from_nanos(1)) }),
        tagged,
    );
    let idle = filled(node.cache("idle").time_to_idle(brief), tagged);
    let expired = filled(node.cache("expired").time_to_live(brief), tagged);
    let dead = filled(node.cache("dead"), || tagged().tag("dead"));
    drop(node.invalidate_tag("dead"));
    for cache in [unproven, idle, expired, dead] {
        // The one that was filled last is refused last.
        while cache.contains("99") {
            tokio::task::yield_now().await;
        }
        let mut keys = (0..99).map(|key| key.to_string()).collect::<Vec<_>>().into_iter();
        let allocations =
            measure(|| keys.by_ref().for_each(|key| assert!(cache.get(&key).is_none())));
        assert_eq!(allocations.count_total, 0, "{}: {allocations:?}", cache.name());
    }
}
