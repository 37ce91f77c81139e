//! Storing what was read outside of a loader.

use crate::cache::testing::{TestNode, WITHIN};

use super::{load, ok};

#[tokio::test]
async fn a_fill_is_refused_after_an_invalidation() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").build().unwrap();
    assert!(cache.begin_fill(&1).insert(1));
    assert_eq!(cache.get(&1), Some(1));

    let fill = cache.begin_fill(&1);
    let _ = cache.invalidate(&1);
    assert!(!fill.insert(2));

    let fill = cache.begin_fill(&1);
    let _ = cache.clear();
    assert!(!fill.insert(2));

    let fill = cache.begin_fill(&1);
    let _ = cache.invalidate_tag("t");
    fill.tag("t");
    assert!(!fill.insert(2));

    let fill = cache.begin_fill(&1);
    node.domain.void_loads();
    assert!(!fill.insert(2));

    let fill = cache.begin_fill(&1);
    let _ = cache.invalidate(&2);
    let _ = cache.invalidate_tag("other");
    assert!(fill.insert(3), "what it does not depend on does not matter");
    assert_eq!(cache.get(&1), Some(3));
    assert_eq!(cache.stats().refused_fills, 4);
}

#[tokio::test]
async fn only_the_newest_fill_is_stored() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").build().unwrap();
    let older = cache.begin_fill(&1);
    let newer = cache.begin_fill(&1);
    assert!(newer.insert(2));
    assert!(!older.insert(1));
    assert_eq!(cache.get(&1), Some(2), "the refused one took nothing newer away");
    let older = cache.begin_fill(&1);
    drop(cache.begin_fill(&1));
    assert!(!older.insert(3));
    assert_eq!(cache.get(&1), None, "its caller has seen something newer than the entry");
}

#[tokio::test]
async fn a_read_through_that_is_not_stored_takes_the_old_entry_away() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").build().unwrap();
    load(&cache, 1, 1).await;
    node.advance(WITHIN * 2);
    assert_eq!(cache.get(&1), None);
    let read = cache.get_or_load(&1, |cx| {
        let _ = cache.invalidate_tag("t");
        async move {
            cx.tag("t");
            ok(2)
        }
    });
    assert_eq!(read.await.unwrap(), 2, "the one who loads gets the value in any case");
    node.prove_now();
    assert_eq!(cache.get(&1), None, "a proof must not bring the older value back");
}

#[tokio::test]
async fn a_failed_read_through_leaves_the_old_entry() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").build().unwrap();
    load(&cache, 1, 1).await;
    node.advance(WITHIN * 2);
    let failing = cache.get_or_load(&1, |_| async { Err::<u64, _>("no") });
    failing.await.unwrap_err();
    node.prove_now();
    assert_eq!(cache.get(&1), Some(1));
}

#[tokio::test]
async fn a_fill_collects_what_is_read_in_its_scope() {
    let node = TestNode::new();
    let inner = node.cache::<u64, u64>("inner").build().unwrap();
    let outer = node.cache::<u64, u64>("outer").build().unwrap();
    load(&inner, 1, 10).await;
    let fill = outer.begin_fill(&1);
    let value = fill.scope(async { inner.get(&1) }).await.unwrap();
    assert!(fill.insert(value + 1));
    assert_eq!(outer.get(&1), Some(11));
    let _ = inner.invalidate(&1);
    assert_eq!(outer.get(&1), None);
}
