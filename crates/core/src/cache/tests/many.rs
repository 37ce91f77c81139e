//! Loading several keys in one call.

use tokio::sync::oneshot;

use crate::LoadErrorKind;
use crate::cache::testing::{TestNode, WITHIN};
use crate::cache::{Cache, Loaded, Lookup};

use super::{load, ok, poll};

fn cache(node: &TestNode) -> Cache<u64, u64> {
    node.cache("c").build().unwrap()
}

#[tokio::test]
async fn what_is_missing_is_loaded_in_one_call() {
    let node = TestNode::new();
    let cache = cache(&node);
    load(&cache, 2, 20).await;
    let mut calls = Vec::new();
    let read = cache.get_many_or_load(&[1, 2, 3, 1, 4], |keys, cx| {
        calls.push(keys);
        cx.tag("all");
        async { ok([(1, Loaded::new(10)), (4, Loaded::new(40).tag("four"))]) }
    });
    let values = read.await.unwrap();
    assert_eq!(values, [Some(10), Some(20), None, Some(10), Some(40)]);
    assert_eq!(calls, [[1, 3, 4]]);
    assert_eq!(cache.lookup(&3), Lookup::Absent);
    let _ = cache.invalidate_tag("four");
    assert_eq!((cache.get(&1), cache.get(&4)), (Some(10), None));
    let _ = cache.invalidate_tag("all");
    assert_eq!((cache.lookup(&1), cache.lookup(&3)), (Lookup::Miss, Lookup::Miss));
    assert_eq!(cache.get(&2), Some(20));
    assert_eq!(cache.stats().loads, 2);
}

#[tokio::test]
async fn loads_in_flight_are_joined() {
    let node = TestNode::new();
    let cache = cache(&node);
    let (tell, told) = oneshot::channel::<u64>();
    let mut single = Box::pin(cache.get_or_load(&1, |_| told));
    assert!(poll(&mut single).is_pending());
    let read = cache.get_many_or_load(&[1, 2], |keys, _| async move {
        assert_eq!(keys, [2]);
        ok([(2, 20)])
    });
    let mut many = Box::pin(read);
    assert!(poll(&mut many).is_pending());
    assert_eq!(cache.get(&2), Some(20), "what it owes to others comes first");
    tell.send(10).unwrap();
    assert_eq!(single.await.unwrap(), 10);
    assert_eq!(many.await.unwrap(), [Some(10), Some(20)]);
}

#[tokio::test]
async fn a_joined_load_that_comes_to_nothing_is_loaded_again() {
    let node = TestNode::new();
    let cache = cache(&node);
    let (_tell, told) = oneshot::channel::<u64>();
    let mut single = Box::pin(cache.get_or_load(&1, |_| told));
    assert!(poll(&mut single).is_pending());
    let mut calls = 0;
    let mut many = Box::pin(cache.get_many_or_load(&[1, 2], |keys, _| {
        calls += 1;
        async move { ok(keys.into_iter().map(|key| (key, key * 10))) }
    }));
    assert!(poll(&mut many).is_pending());
    drop(single);
    assert_eq!(many.await.unwrap(), [Some(10), Some(20)]);
    assert_eq!(calls, 2);
}

#[tokio::test]
async fn two_calls_with_the_same_keys_do_not_wait_for_each_other() {
    let node = TestNode::new();
    let cache = cache(&node);
    let read = |order: [u64; 2]| {
        let cache = cache.clone();
        async move {
            let loader = |keys: Vec<u64>, _| async move {
                tokio::task::yield_now().await;
                ok(keys.into_iter().map(|key| (key, key)))
            };
            cache.get_many_or_load(&order, loader).await.unwrap()
        }
    };
    let (first, second) = tokio::join!(read([1, 2]), read([2, 1]));
    assert_eq!(first, [Some(1), Some(2)]);
    assert_eq!(second, [Some(2), Some(1)]);
    assert_eq!(cache.stats().loads, 1);
}

#[tokio::test]
async fn an_invalidation_refuses_its_key_only() {
    let node = TestNode::new();
    let cache = cache(&node);
    let read = cache.get_many_or_load(&[1, 2], |_, _| {
        let _ = cache.invalidate(&1);
        async { ok([(1, 1), (2, 2)]) }
    });
    assert_eq!(read.await.unwrap(), [Some(1), Some(2)]);
    assert_eq!((cache.get(&1), cache.get(&2)), (None, Some(2)));
}

#[tokio::test]
async fn an_error_is_for_all() {
    let node = TestNode::new();
    let cache = cache(&node);
    let read = cache.get_many_or_load(&[1, 2], |_, _| async { Err::<[(u64, u64); 0], _>("no") });
    assert_eq!(read.await.unwrap_err().kind(), LoadErrorKind::Failed);
    assert_eq!(load(&cache, 1, 1).await, 1);
}

#[tokio::test]
async fn one_proof_and_one_permit_serve_all() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").max_concurrent_loads(1).build().unwrap();
    for key in 0..10 {
        load(&cache, key, key).await;
    }
    node.advance(WITHIN * 2);
    node.uplink.set_proves(true);
    let keys: Vec<u64> = (0..12).collect();
    let read = cache.get_many_or_load(&keys, |keys, _| async move {
        assert_eq!(keys, [10, 11]);
        ok(keys.into_iter().map(|key| (key, key)))
    });
    assert_eq!(read.await.unwrap(), keys.iter().copied().map(Some).collect::<Vec<_>>());
    assert_eq!(node.uplink.proofs_asked(), 1);
}

#[tokio::test]
async fn a_nested_call_makes_all_its_keys_dependencies() {
    let node = TestNode::new();
    let inner = cache(&node);
    let outer = node.cache::<u64, u64>("outer").build().unwrap();
    for changed in [1, 2, 3] {
        let page = outer.get_or_load(&1, |_| async {
            let parts = inner.get_many_or_load(&[1, 2, 3], |keys, _| async move {
                ok(keys.into_iter().filter(|key| *key < 3).map(|key| (key, key)))
            });
            ok(parts.await.unwrap().into_iter().flatten().sum::<u64>())
        });
        assert_eq!(page.await.unwrap(), 3);
        assert_eq!(outer.get(&1), Some(3));
        let _ = inner.invalidate(&changed);
        assert_eq!(outer.get(&1), None);
    }
}
