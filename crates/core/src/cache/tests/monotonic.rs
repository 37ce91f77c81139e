//! Reads never go back in time, whichever loads overlap. In all of these the source goes from 1 to 2 without
//! this node knowing of it, and loads that began later have read it earlier.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::cache::testing::TestNode;
use crate::cache::{Cache, Cause, Event};

use super::{load, poll, when_told};

const SOON: Duration = Duration::from_millis(1);

fn cache(node: &TestNode) -> Cache<u64, u64> {
    node.cache("c").build().unwrap()
}

#[track_caller]
fn assert_not_back(cache: &Cache<u64, u64>, first: u64) {
    let second = cache.get(&1);
    assert!(second.is_none_or(|second| second >= first), "read {first}, then {second:?}");
}

#[tokio::test]
async fn an_overtaken_load_hands_out_what_is_stored() {
    let node = TestNode::new();
    let cache = cache(&node);
    let (tell, told) = oneshot::channel();
    let mut old = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut old).is_pending());
    node.advance(SOON);
    let _ = cache.invalidate(&1);
    assert_eq!(load(&cache, 1, 1).await, 1);
    tell.send(2).unwrap();
    assert_eq!(old.await.unwrap(), 1);
    assert_eq!(cache.get(&1), Some(1));
}

#[tokio::test]
async fn an_overtaken_load_removes_what_it_cannot_hand_out() {
    let node = TestNode::new();
    let cache = cache(&node);
    let inner = node.cache::<u64, u64>("inner").build().unwrap();
    load(&inner, 1, 1).await;
    node.advance(crate::cache::testing::WITHIN);
    let (tell, told) = oneshot::channel();
    node.advance(SOON);
    let mut old = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut old).is_pending());
    let _ = cache.invalidate(&1);
    // Stored by a reader that had a proof, with an as-of that is too old for the reader without one.
    node.prove_now();
    let newer = cache.get_or_load(&1, |_| async { super::ok(inner.get(&1).unwrap()) });
    assert_eq!(newer.await.unwrap(), 1);
    assert_eq!(cache.get(&1), Some(1));
    let mut events = cache.events();
    tell.send(2).unwrap();
    assert_eq!(old.await.unwrap(), 2);
    assert_eq!(cache.get(&1), None);
    assert_eq!(events.next().await, Some(Event::Removed { key: 1, cause: Cause::Replaced }));
}

#[tokio::test]
async fn a_superseded_load_and_its_joiners_wait_for_the_newer_one() {
    let node = TestNode::new();
    let cache = cache(&node);
    let (tell, told) = oneshot::channel();
    let mut old = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut old).is_pending());
    let mut joined_old = Box::pin(load(&cache, 1, 9));
    assert!(poll(&mut joined_old).is_pending());
    node.advance(SOON);
    let _ = cache.invalidate(&1);
    let (tell_newer, told) = oneshot::channel();
    let mut newer = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut newer).is_pending());
    tell.send(2).unwrap();
    assert!(poll(&mut old).is_pending());
    assert!(poll(&mut joined_old).is_pending());
    tell_newer.send(1).unwrap();
    assert_eq!(newer.await.unwrap(), 1);
    assert_eq!(old.await.unwrap(), 1);
    assert_eq!(joined_old.await, 1);
    assert_eq!(cache.get(&1), Some(1));
}

#[tokio::test]
async fn a_superseded_load_answers_when_the_newer_one_fails() {
    let node = TestNode::new();
    let cache = cache(&node);
    let (tell, told) = oneshot::channel();
    let mut old = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut old).is_pending());
    let _ = cache.invalidate(&1);
    let (tell_newer, told) = oneshot::channel::<u64>();
    let mut newer = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut newer).is_pending());
    tell.send(2).unwrap();
    assert!(poll(&mut old).is_pending());
    drop(tell_newer);
    assert!(newer.await.is_err());
    assert_eq!(old.await.unwrap(), 2);
    assert_eq!(cache.get(&1), None);
}

#[tokio::test]
async fn a_fill_under_way_is_void_once_something_newer_was_handed_out() {
    let node = TestNode::new();
    let cache = cache(&node);
    let (tell, told) = oneshot::channel();
    let mut old = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut old).is_pending());
    let fill = cache.begin_fill(&1);
    tell.send(2).unwrap();
    assert_eq!(old.await.unwrap(), 2);
    assert!(!fill.insert(1));
    assert_eq!(cache.get(&1), None);
}

#[tokio::test]
async fn a_load_that_waited_for_its_turn_is_the_newest() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").max_concurrent_loads(1).build().unwrap();
    let (tell, told) = oneshot::channel();
    let mut busy = Box::pin(cache.get_or_load(&9, when_told(told)));
    assert!(poll(&mut busy).is_pending());
    let (tell_queued, told) = oneshot::channel();
    let mut queued = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut queued).is_pending());
    node.advance(SOON);
    let fill = cache.begin_fill(&1);
    node.advance(SOON);
    tell.send(0).unwrap();
    let _ = busy.await;
    assert!(poll(&mut queued).is_pending(), "it begins only now");
    assert!(!fill.insert(1), "it began before");
    tell_queued.send(2).unwrap();
    assert_eq!(queued.await.unwrap(), 2);
    assert_eq!(cache.get(&1), Some(2));
}

#[tokio::test]
async fn who_waited_for_its_turn_looks_again_before_it_loads() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").max_concurrent_loads(1).build().unwrap();
    let (tell, told) = oneshot::channel();
    let mut busy = Box::pin(cache.get_or_load(&9, when_told(told)));
    assert!(poll(&mut busy).is_pending());
    let mut queued = Box::pin(load(&cache, 1, 2));
    assert!(poll(&mut queued).is_pending());
    let loader = |keys: Vec<u64>, _| async move {
        Ok::<_, std::convert::Infallible>(keys.into_iter().map(|key| (key, key * 10)))
    };
    let mut batch = Box::pin(cache.get_many_or_load(&[2, 3], loader));
    assert!(poll(&mut batch).is_pending());
    node.advance(SOON);
    assert!(cache.begin_fill(&1).insert(1));
    assert!(cache.begin_fill(&2).insert(1));
    tell.send(0).unwrap();
    let _ = busy.await;
    assert_eq!(queued.await, 1);
    assert_eq!(batch.await.unwrap(), [Some(1), Some(30)]);
    assert_eq!(cache.stats().loads, 2);
}

#[tokio::test]
async fn an_unshared_load_hands_out_what_was_stored_meanwhile() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").max_loads_in_flight(1).build().unwrap();
    let blocker = cache.begin_fill(&77);
    let (tell, told) = oneshot::channel();
    let mut unshared = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut unshared).is_pending());
    drop(blocker);
    node.advance(SOON);
    assert_eq!(load(&cache, 1, 1).await, 1);
    tell.send(2).unwrap();
    let first = unshared.await.unwrap();
    assert_eq!(first, 1);
    assert_not_back(&cache, first);
}

/// Of a call for several keys, those that need not wait for others are there before it waits.
#[tokio::test]
async fn a_batch_ends_its_other_loads_before_it_waits() {
    let node = TestNode::new();
    let cache = cache(&node);
    let (tell, told) = oneshot::channel();
    let mut told = Some(told);
    let loader = |keys: Vec<u64>, _| {
        let told = told.take();
        async move {
            let value = told.ok_or("called again")?.await.map_err(|_| "not told")?;
            Ok::<_, &'static str>(keys.into_iter().map(move |key| (key, value)))
        }
    };
    let mut batch = Box::pin(cache.get_many_or_load(&[1, 2], loader));
    assert!(poll(&mut batch).is_pending());
    let _ = cache.invalidate(&1);
    let (tell_newer, told_newer) = oneshot::channel();
    let mut newer = Box::pin(cache.get_or_load(&1, when_told(told_newer)));
    assert!(poll(&mut newer).is_pending());
    tell.send(2).unwrap();
    assert!(poll(&mut batch).is_pending());
    assert_eq!(cache.get(&2), Some(2));
    tell_newer.send(1).unwrap();
    assert_eq!(newer.await.unwrap(), 1);
    assert_eq!(batch.await.unwrap(), [Some(1), Some(2)]);
}
