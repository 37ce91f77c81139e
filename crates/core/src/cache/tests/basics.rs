//! Getting, loading, invalidating.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::cache::domain::{Applied, Origin};
use crate::cache::testing::{TestNode, WITHIN};
use crate::cache::{Loaded, Lookup, key};
use crate::node_id::NodeId;
use crate::target::{Group, Keys, Target};

use super::{load, ok};

#[tokio::test]
async fn a_value_is_loaded_once() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("numbers").build().unwrap();
    assert_eq!(cache.get(&1), None);
    assert_eq!(load(&cache, 1, 10).await, 10);
    assert_eq!(load(&cache, 1, 20).await, 10);
    assert_eq!(cache.get(&1), Some(10));
    assert_eq!(cache.len(), 1);
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.loads), (2, 2, 1));
    assert_eq!(node.domain.reads_total(), 4);
}

#[tokio::test]
async fn an_invalidated_key_is_gone_at_once_and_published() {
    let node = TestNode::new();
    let cache = node.cache::<String, u64>("names").build().unwrap();
    let key = "a".to_owned();
    cache.get_or_load(&key, |_| async { ok(1) }).await.unwrap();
    assert_eq!(cache.get("a"), Some(1));
    cache.invalidate(&key).published().await.unwrap();
    assert_eq!(cache.get("a"), None);
    let published = node.uplink.take_published();
    let [Target::Key { cache: name, schema, key }] = &published[..] else {
        panic!("{published:?}");
    };
    assert_eq!((&**name, &key[..]), ("names", &[1, b'a'][..]));
    // What was published has the same effect when it comes back.
    cache.get_or_load(&"a".to_owned(), |_| async { ok(2) }).await.unwrap();
    assert_eq!(node.domain.apply_one(&published[0], Origin::Unknown), Applied::Done);
    assert_eq!(cache.get("a"), None);
    let other = Target::Key { cache: name.clone(), schema: schema + 1, key: key.clone() };
    cache.get_or_load(&"b".to_owned(), |_| async { ok(2) }).await.unwrap();
    assert_eq!(node.domain.apply_one(&other, Origin::Unknown), Applied::SchemaMismatch);
    assert_eq!(cache.get("b"), None);
    let unknown = Target::Cache("other".into());
    assert_eq!(node.domain.apply_one(&unknown, Origin::Unknown), Applied::UnknownCache);
}

#[tokio::test]
async fn a_tag_spans_caches() {
    let node = TestNode::new();
    let first = node.cache::<u64, u64>("first").build().unwrap();
    let second = node.cache::<u64, u64>("second").build().unwrap();
    let tagged = first.get_or_load(&1, |cx| async move {
        cx.tag("t");
        ok(1)
    });
    tagged.await.unwrap();
    second.get_or_load(&1, |_| async { ok(Loaded::new(1).tag("t").tag("u")) }).await.unwrap();
    load(&second, 2, 2).await;
    let _ = first.invalidate_tag("t");
    assert_eq!(first.get(&1), None);
    assert_eq!(second.get(&1), None);
    assert_eq!(second.get(&2), Some(2));
    assert_eq!(node.uplink.take_published(), [Target::Tag("t".into())]);
}

#[tokio::test]
async fn clearing_drops_everything() {
    let node = TestNode::new();
    let first = node.cache::<u64, u64>("first").build().unwrap();
    let second = node.cache::<u64, u64>("second").build().unwrap();
    for cache in [&first, &second] {
        load(cache, 1, 1).await;
    }
    let _ = first.clear();
    assert_eq!((first.get(&1), second.get(&1)), (None, Some(1)));
    assert!(first.is_empty());
    load(&first, 1, 1).await;
    let origin = Origin::Node(NodeId::from_bytes([1; 16]));
    node.domain.apply_one(&Target::Everything, origin);
    assert_eq!((first.get(&1), second.get(&1)), (None, None));
}

#[tokio::test]
async fn absence_is_cached() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").build().unwrap();
    assert_eq!(cache.lookup(&1), Lookup::Miss);
    let absent = cache.get_or_load_optional(&1, |_| async { ok(None::<u64>) });
    assert_eq!(absent.await.unwrap(), None);
    assert_eq!(cache.lookup(&1), Lookup::Absent);
    assert_eq!(cache.get(&1), None);
    let error = cache.get_or_load(&1, |_| async { ok(7) }).await.unwrap_err();
    assert_eq!(error.kind(), crate::LoadErrorKind::Absent);
    let _ = cache.invalidate(&1);
    assert_eq!(load(&cache, 1, 7).await, 7);
    assert_eq!(cache.lookup(&1), Lookup::Hit(7));
}

#[tokio::test]
async fn an_unproven_entry_is_served_for_a_while_and_then_read_through() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").build().unwrap();
    load(&cache, 1, 1).await;
    node.advance(WITHIN);
    assert_eq!(cache.get(&1), Some(1));
    node.advance(Duration::from_nanos(1));
    assert_eq!(cache.get(&1), None);
    node.prove_now();
    assert_eq!(cache.get(&1), Some(1), "a proof brings it back");
    node.advance(WITHIN * 2);
    assert_eq!(load(&cache, 1, 2).await, 2);
    assert_eq!(cache.get(&1), Some(2), "the new value replaced the old one");
    assert_eq!(cache.stats().unproven, 2);
}

#[tokio::test]
async fn a_proof_is_awaited_before_loading_again() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").build().unwrap();
    load(&cache, 1, 1).await;
    node.advance(WITHIN * 2);
    node.uplink.set_proves(true);
    assert_eq!(load(&cache, 1, 2).await, 1);
    assert_eq!(node.uplink.proofs_asked(), 1);
    assert_eq!(cache.stats().loads, 1);
}

#[tokio::test]
async fn errors_are_not_cached() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").build().unwrap();
    let failing = cache.get_or_load(&1, |_| async { Err::<u64, _>(std::io::Error::other("no")) });
    let error = failing.await.unwrap_err();
    assert_eq!(error.kind(), crate::LoadErrorKind::Failed);
    assert!(error.downcast_ref::<std::io::Error>().is_some());
    assert_eq!(error.to_string(), "the loader failed: no");
    assert_eq!(load(&cache, 1, 3).await, 3);
    assert_eq!(cache.stats().failed_loads, 1);
}

#[tokio::test]
async fn futures_can_be_spawned() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").build().unwrap();
    assert_send(cache.get_or_load(&1, |_| async { ok(1) })).await.unwrap();
    let many = cache.get_many_or_load(&[1, 2], |_, _| async { ok([(2, 2)]) });
    assert_eq!(assert_send(many).await.unwrap(), [Some(1), Some(2)]);
    drop(assert_send(cache.begin_fill(&3)));
    drop(assert_send(cache.invalidate_on_drop(&3)));
}

#[tokio::test]
async fn a_guard_invalidates_when_it_is_dropped() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").build().unwrap();
    for (disarm, expected) in [(true, Some(1)), (false, None)] {
        load(&cache, 1, 1).await;
        let guard = cache.invalidate_on_drop(&1);
        if disarm {
            guard.disarm();
        } else {
            drop(guard);
        }
        assert_eq!(cache.get(&1), expected);
    }
    let tagged = cache.get_or_load(&2, |_| async { ok(Loaded::new(2).tag("t")) });
    tagged.await.unwrap();
    cache.invalidate_tag_on_drop("t").invalidate_now().published().await.unwrap();
    assert_eq!(cache.get(&2), None);
    assert_eq!(node.uplink.take_published().len(), 2);
}

#[tokio::test]
async fn nothing_is_served_while_the_node_must_not() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").build().unwrap();
    load(&cache, 1, 1).await;
    node.domain.set_serving(false);
    assert_eq!(cache.get(&1), None);
    assert_eq!(load(&cache, 1, 2).await, 2);
    assert_eq!(cache.get(&1), None);
    node.advance(Duration::from_nanos(1));
    node.domain.set_serving(true);
    assert_eq!(cache.get(&1), None, "it may have missed an invalidation");
    assert_eq!(load(&cache, 1, 3).await, 3);
    assert_eq!(cache.get(&1), Some(3));
}

#[tokio::test]
async fn a_barrier_drops_what_is_older() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").build().unwrap();
    load(&cache, 1, 1).await;
    node.advance(Duration::from_millis(1));
    let barrier = node.now();
    load(&cache, 2, 2).await;
    let late = cache.begin_fill(&3);
    node.advance(Duration::from_millis(1));
    node.domain.drop_before(barrier);
    assert_eq!((cache.get(&1), cache.get(&2)), (None, Some(2)));
    assert!(late.insert(3));
    node.domain.drop_before(node.now());
    let late = cache.begin_fill(&3);
    node.advance(Duration::from_millis(1));
    node.domain.drop_before(node.now());
    assert!(!late.insert(3));
    assert_eq!(cache.get(&3), None);
}

#[tokio::test]
async fn sweeping_reclaims_the_dead() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").build().unwrap();
    for key in 0..10 {
        let tag = if key % 2 == 0 { "even" } else { "odd" };
        let tagged = cache.get_or_load(&key, |_| async { ok(Loaded::new(key).tag(tag)) });
        tagged.await.unwrap();
    }
    let _ = cache.invalidate_tag("even");
    assert_eq!(cache.len(), 10);
    node.advance(Duration::from_secs(60));
    node.domain.sweep();
    assert_eq!(cache.len(), 5);
    for _ in 0..64 {
        node.domain.sweep();
    }
    assert_eq!(node.domain.shared.cells.len(), 1);
}

#[tokio::test]
async fn eventual_freshness_serves_until_its_cap() {
    let cap = Duration::from_secs(1);
    let node = TestNode::with(crate::Freshness::Eventual { cap: Some(cap) });
    let capped = node.cache::<u64, u64>("capped").build().unwrap();
    let free = node.cache::<u64, u64>("free");
    let free = free.freshness(crate::Freshness::Eventual { cap: None }).build().unwrap();
    load(&capped, 1, 1).await;
    load(&free, 1, 1).await;
    assert_eq!(node.domain.smallest_within(), None);
    node.advance(cap * 5);
    node.domain.advance_connected(node.now());
    node.advance(cap);
    assert_eq!(capped.get(&1), Some(1));
    node.advance(Duration::from_nanos(1));
    assert_eq!((capped.get(&1), free.get(&1)), (None, Some(1)));
    let strict = node.cache::<u64, u64>("strict").freshness(crate::Freshness::Within(cap));
    strict.build().unwrap();
    assert_eq!(node.domain.smallest_within(), Some(cap));
}

#[tokio::test]
async fn nothing_is_left_of_a_node_that_is_gone() {
    let value = Arc::new(());
    let node = TestNode::new();
    let cache = node.cache::<u64, Arc<()>>("c").build().unwrap();
    let kept = node.cache::<u64, Arc<()>>("kept").build().unwrap();
    assert!(cache.begin_fill(&1).insert(Arc::clone(&value)));
    assert!(kept.begin_fill(&1).insert(Arc::clone(&value)));
    let mut events = cache.events();
    let shared = Arc::downgrade(&node.domain.shared);
    drop(cache);
    drop(node);
    assert_eq!(events.next().await, None);
    assert_eq!(kept.get(&1), Some(Arc::clone(&value)), "a handle keeps its cache");
    drop(kept);
    assert_eq!(Arc::strong_count(&value), 1);
    assert!(shared.upgrade().is_none());
}

/// What other nodes say of several keys at once.
fn apply_keys(node: &TestNode, keys: Keys) -> Applied {
    let schema = key::fingerprint::<u64>("");
    node.domain.apply(&Group::Keys { cache: "c".into(), schema, keys }, Origin::Unknown)
}

#[tokio::test]
async fn of_several_keys_none_is_lost() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").build().unwrap();
    let fill = || (0..4).for_each(|key| assert!(cache.begin_fill(&key).insert(key), "not stored"));
    let left = || (0..4_u64).filter(|key| cache.contains(key)).collect::<Vec<_>>();
    fill();
    let keys = |packed: &'static [u8], count| Keys::of(Bytes::from_static(packed), count);
    assert_eq!(apply_keys(&node, keys(&[1, 0, 1, 2], 2)), Applied::Done);
    assert_eq!(left(), [1, 3]);
    assert_eq!(cache.stats().invalidated_keys, 2);
    // One in the middle that is no key, one that is too long, and fewer than was said.
    for (packed, count) in [(&[1, 0, 2, 5, 5, 1, 2][..], 3), (&[1, 0, 9, 1][..], 2), (&[1, 0], 2)] {
        fill();
        assert_eq!(apply_keys(&node, keys(packed, count)), Applied::SchemaMismatch);
        assert_eq!(left(), [0_u64; 0], "{packed:?}");
    }
    fill();
    let none = Group::Keys { cache: "c".into(), schema: 7, keys: keys(&[], 0) };
    assert_eq!(node.domain.apply(&none, Origin::Unknown), Applied::Done);
    assert_eq!(left().len(), 4);
}
