//! Times to live and to idle, and the events that tell of the end.

use std::time::Duration;

use crate::Freshness;
use crate::cache::domain::Origin;
use crate::cache::testing::TestNode;
use crate::cache::{Cause, Event, Loaded, Lookup};
use crate::node_id::NodeId;

use super::{load, ok};

const OTHER: NodeId = NodeId::from_bytes([9; 16]);
const TTL: Duration = Duration::from_millis(50);

fn node() -> TestNode {
    TestNode::with(Freshness::Eventual { cap: None })
}

#[tokio::test]
async fn entries_expire_counted_from_the_start_of_their_load() {
    let node = node();
    let cache = node.cache::<u64, u64>("c").time_to_live(TTL).build().unwrap();
    let slow = cache.get_or_load(&1, |_| {
        let runtime = node.runtime.clone();
        async move {
            runtime.advance(TTL / 2);
            ok(1)
        }
    });
    slow.await.unwrap();
    node.advance(TTL / 2 - Duration::from_nanos(1));
    assert_eq!(cache.get(&1), Some(1));
    node.advance(Duration::from_nanos(1));
    assert_eq!(cache.get(&1), None);
    assert!(cache.is_empty(), "who finds an expired entry removes it");
}

#[tokio::test]
async fn an_entry_and_absence_can_have_times_of_their_own() {
    let node = node();
    let cache = node.cache::<u64, u64>("c").time_to_live(TTL);
    let cache = cache.absent_time_to_live(TTL / 5).build().unwrap();
    cache.begin_fill(&1).insert(1);
    cache.begin_fill(&2).insert(Loaded::new(2).time_to_live(TTL * 3));
    cache.begin_fill(&3).insert_absent();
    node.advance(TTL / 5);
    assert_eq!(cache.lookup(&3), Lookup::Miss);
    assert_eq!(cache.get(&1), Some(1));
    node.advance(TTL);
    assert_eq!((cache.get(&1), cache.get(&2)), (None, Some(2)));
    node.advance(TTL * 2);
    assert_eq!(cache.get(&2), None);
}

#[tokio::test]
async fn what_is_not_read_expires() {
    let node = node();
    let cache = node.cache::<u64, u64>("c").time_to_idle(TTL).build().unwrap();
    load(&cache, 1, 1).await;
    load(&cache, 2, 2).await;
    for _ in 0..4 {
        node.advance(TTL / 2);
        assert_eq!(cache.get(&1), Some(1));
    }
    assert_eq!(cache.get(&2), None);
    node.advance(TTL);
    assert_eq!(cache.get(&1), None);
}

#[tokio::test]
async fn jitter_only_shortens() {
    let node = node();
    let cache = node.cache::<u64, u64>("c").time_to_live(TTL).jitter(0.5).build().unwrap();
    for key in 0..100 {
        load(&cache, key, key).await;
    }
    let alive = || (0..100).filter(|key| cache.contains(key)).count();
    node.advance(TTL / 2 - Duration::from_millis(1));
    assert_eq!(alive(), 100);
    node.advance(TTL / 4);
    let half = alive();
    assert!((20..80).contains(&half), "{half}");
    node.advance(TTL / 4 + Duration::from_millis(1));
    assert_eq!(alive(), 0);
}

#[tokio::test]
async fn events_tell_why() {
    let node = node();
    let cache = node.cache::<u64, u64>("c").capacity(32).time_to_live(TTL).build().unwrap();
    load(&cache, 0, 0).await;
    let _ = cache.invalidate(&0);
    let mut events = cache.events();
    let removed = |key, cause| Some(Event::Removed { key, cause });
    load(&cache, 1, 1).await;
    let _ = cache.invalidate(&1);
    assert_eq!(events.next().await, removed(1, Cause::InvalidatedLocally));
    let published = node.uplink.take_published();
    let (from, by) = (Origin::Node(OTHER), Cause::InvalidatedBy(OTHER));
    node.domain.apply_one(published.last().unwrap(), from);
    assert_eq!(events.next().await, removed(1, by));
    node.domain.apply_one(published.last().unwrap(), Origin::Unknown);
    assert_eq!(events.next().await, removed(1, Cause::InvalidatedByUnknown));
    cache.begin_fill(&2).insert(2);
    cache.begin_fill(&2).insert(3);
    assert_eq!(events.next().await, removed(2, Cause::Replaced));
    node.advance(TTL);
    assert_eq!(cache.get(&2), None);
    assert_eq!(events.next().await, removed(2, Cause::Expired));
    cache.begin_fill(&3).insert(Loaded::new(3).tag("t"));
    let _ = cache.invalidate_tag("t");
    assert_eq!(cache.get(&3), None);
    assert_eq!(events.next().await, removed(3, Cause::Dependency));
    let cause = Cause::InvalidatedLocally;
    let _ = cache.clear();
    assert_eq!(events.next().await, Some(Event::Cleared { cause }));
    for key in 0..1_000 {
        load(&cache, key, key).await;
    }
    let Some(Event::Removed { cause, .. }) = events.next().await else {
        panic!("no eviction was reported");
    };
    assert_eq!(cause, Cause::Capacity);
    for key in 0..2_000 {
        let _ = cache.invalidate(&key);
    }
    assert!(matches!(events.next().await, Some(Event::Lagged(_))));
}

#[tokio::test]
async fn the_longest_times_to_live_are_no_trouble() {
    let node = TestNode::new();
    for jitter in [0.0, 1.0] {
        let cache = node.cache::<u64, u64>(&format!("jitter {jitter}")).jitter(jitter);
        let cache = cache.time_to_live(Duration::MAX).build().unwrap();
        assert_eq!(load(&cache, 1, 1).await, 1);
        let own = |_| async { ok(Loaded::new(2).time_to_live(Duration::MAX)) };
        assert_eq!(cache.get_or_load(&2, own).await.unwrap(), 2);
    }
}

#[tokio::test]
async fn what_is_built_from_something_very_old_expires_in_its_own_time() {
    let node = TestNode::new();
    let inner = node.cache::<u64, u64>("inner").build().unwrap();
    let short = Duration::from_millis(500);
    let outer = node.cache::<u64, u64>("outer").time_to_live(short).build().unwrap();
    load(&inner, 1, 1).await;
    node.advance(Duration::from_millis(50 * 86_400_000 + 300));
    node.prove_now();
    let read = outer.get_or_load(&1, |_| async { ok(inner.get(&1).unwrap()) });
    assert_eq!(read.await.unwrap(), 1);
    node.advance(short - Duration::from_nanos(1));
    node.prove_now();
    assert_eq!(outer.get(&1), Some(1));
    node.advance(Duration::from_nanos(1));
    assert_eq!(inner.get(&1), Some(1));
    assert_eq!(outer.get(&1), None);
}

#[tokio::test]
async fn a_read_within_a_load_renews_the_time_to_idle() {
    let node = TestNode::new();
    let idle = Duration::from_secs(9);
    let inner = node.cache::<u64, u64>("inner").time_to_idle(idle).build().unwrap();
    let outer = node.cache::<u64, u64>("outer").build().unwrap();
    load(&inner, 1, 1).await;
    for key in 0..3 {
        node.advance(idle * 2 / 3);
        node.prove_now();
        let read = outer.get_or_load(&key, |_| async { ok(inner.get(&1).unwrap()) });
        assert_eq!(read.await.unwrap(), 1);
    }
    node.advance(idle);
    node.prove_now();
    assert_eq!(inner.get(&1), None);
    // What was built from it does not become idle with it.
    assert_eq!(outer.get(&0), Some(1));
}

#[tokio::test]
async fn everything_goes_with_the_node() {
    let value = std::sync::Arc::new(());
    let held = std::sync::Arc::downgrade(&value);
    let node = TestNode::new();
    let cache = node.cache::<u64, std::sync::Arc<()>>("c").build().unwrap();
    assert!(cache.begin_fill(&1).insert(value));
    let mut events = cache.events();
    let shared = std::sync::Arc::downgrade(&node.domain.shared);
    drop((cache, node));
    assert!(held.upgrade().is_none() && shared.upgrade().is_none());
    assert_eq!(events.next().await, None);
}
