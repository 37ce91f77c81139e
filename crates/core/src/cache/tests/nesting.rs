//! Values built from other cached values.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::cache::testing::{TestNode, WITHIN};
use crate::cache::{
    Cache, LoadError, LoadErrorKind, without_dependencies, without_dependencies_sync,
};
use crate::freshness::Freshness;

use super::{load, ok, poll};

fn cache(node: &TestNode, name: &str) -> Cache<u64, u64> {
    node.cache(name).build().unwrap()
}

fn caches<const N: usize>(node: &TestNode) -> [Cache<u64, u64>; N] {
    std::array::from_fn(|n| node.cache(&format!("level {n}")).build().unwrap())
}

/// Loads key 1 of each cache from key 1 of the next; the last one is tagged.
fn load_chain(levels: &[Cache<u64, u64>], value: u64) -> BoxFuture<'_, u64> {
    Box::pin(async move {
        let (outer, inner) = levels.split_first().unwrap();
        let loader = |cx: crate::cache::LoadContext| async move {
            if inner.is_empty() {
                cx.tag("t");
                return ok(value);
            }
            ok(load_chain(inner, value).await)
        };
        outer.get_or_load(&1, loader).await.unwrap()
    })
}

fn values(levels: &[Cache<u64, u64>]) -> Vec<Option<u64>> {
    levels.iter().map(|level| level.get(&1)).collect()
}

#[tokio::test]
async fn an_invalidation_reaches_every_level() {
    let node = TestNode::new();
    let levels = caches::<4>(&node);
    // Whether inner levels are hit or loaded makes no difference.
    for warm in [4, 3, 2, 1, 0] {
        load_chain(&levels[warm.min(3)..], 1).await;
        load_chain(&levels, 1).await;
        assert_eq!(values(&levels), [Some(1); 4]);
        let _ = levels[0].invalidate_tag("t");
        assert_eq!(values(&levels), [None; 4]);
        load_chain(&levels[warm.min(3)..], 2).await;
        load_chain(&levels, 2).await;
        let _ = levels[3].invalidate(&1);
        assert_eq!(values(&levels), [None; 4]);
        load_chain(&levels, 3).await;
        let _ = levels[2].clear();
        assert_eq!(values(&levels), [None, None, None, Some(3)]);
        let _ = levels[3].invalidate(&1);
    }
}

#[tokio::test]
async fn sweeping_reclaims_what_died_with_something_inner() {
    let node = TestNode::new();
    let levels = caches::<2>(&node);
    load_chain(&levels, 1).await;
    node.advance(Duration::from_secs(60));
    for _ in 0..2 {
        node.domain.sweep();
    }
    assert_eq!(levels[0].len(), 1);
    let _ = levels[1].invalidate(&1);
    node.advance(Duration::from_secs(60));
    for _ in 0..2 {
        node.domain.sweep();
    }
    assert_eq!(levels[0].len(), 0);
}

#[tokio::test]
async fn nothing_found_is_a_dependency_too() {
    let node = TestNode::new();
    let [outer, inner] = caches(&node);
    let by_get = outer.get_or_load(&1, |_| async { ok(inner.get(&5).unwrap_or(0)) });
    assert_eq!(by_get.await.unwrap(), 0);
    let by_absence = outer.get_or_load(&2, |_| async {
        let found = inner.get_or_load_optional(&6, |_| async { ok(None::<u64>) });
        ok(found.await.unwrap().unwrap_or(0))
    });
    assert_eq!(by_absence.await.unwrap(), 0);
    assert_eq!((outer.get(&1), outer.get(&2)), (Some(0), Some(0)));
    let _ = inner.invalidate(&5);
    assert_eq!((outer.get(&1), outer.get(&2)), (None, Some(0)));
    let _ = inner.invalidate(&6);
    assert_eq!(outer.get(&2), None);
}

#[tokio::test]
async fn an_unrelated_invalidation_before_does_not_keep_a_value_out() {
    let node = TestNode::new();
    let [outer, inner] = caches(&node);
    load(&inner, 1, 1).await;
    // Later than the inner entry, and nothing to it.
    let _ = outer.clear();
    let _ = outer.invalidate_tag("outer");
    let _ = inner.invalidate(&2);
    let read = outer.get_or_load(&1, |cx| {
        cx.tag("outer");
        let inner = inner.clone();
        async move { ok(inner.get(&1).unwrap()) }
    });
    assert_eq!(read.await.unwrap(), 1);
    assert_eq!(outer.get(&1), Some(1));
}

#[tokio::test]
async fn the_outer_value_is_as_old_as_the_inner() {
    let node = TestNode::new();
    let [outer, inner] = caches(&node);
    load(&inner, 1, 1).await;
    node.advance(WITHIN * 3 / 4);
    let read = outer.get_or_load(&1, |_| async { ok(inner.get(&1).unwrap()) });
    assert_eq!(read.await.unwrap(), 1);
    assert_eq!(outer.get(&1), Some(1));
    node.advance(WITHIN / 2);
    assert_eq!(outer.get(&1), None);
}

#[tokio::test]
async fn nested_reads_keep_the_strictest_promise() {
    let node = TestNode::new();
    let lax = node.cache::<u64, u64>("lax");
    let lax = lax.freshness(crate::Freshness::Within(Duration::from_secs(60))).build().unwrap();
    let strict = node.cache::<u64, u64>("strict").build().unwrap();
    load(&lax, 1, 1).await;
    node.advance(WITHIN * 2);
    assert_eq!(lax.get(&1), Some(1));
    let through = strict.get_or_load(&1, |_| async {
        let middle = node.cache::<u64, u64>("middle");
        let eventual = crate::Freshness::Eventual { cap: None };
        let middle = middle.freshness(eventual).build().unwrap();
        let nested = middle.get_or_load(&1, |_| async { ok(load(&lax, 1, 2).await) });
        ok(nested.await.unwrap())
    });
    assert_eq!(through.await.unwrap(), 2);
}

#[tokio::test]
async fn dependencies_can_be_left_out() {
    let node = TestNode::new();
    let [outer, inner] = caches(&node);
    load(&inner, 1, 1).await;
    load(&inner, 2, 2).await;
    load(&inner, 3, 3).await;
    let read = outer.get_or_load(&1, |_| async {
        let first = without_dependencies(async { inner.get(&1).unwrap() }).await;
        let second = without_dependencies_sync(|| inner.get(&2).unwrap());
        ok(first + second + inner.get(&3).unwrap())
    });
    assert_eq!(read.await.unwrap(), 6);
    let _ = inner.invalidate_many(&[1, 2]);
    assert_eq!(outer.get(&1), Some(6));
    let _ = inner.invalidate(&3);
    assert_eq!(outer.get(&1), None);
    assert_eq!(without_dependencies(async { inner.get(&1) }).await, None);
}

#[tokio::test]
async fn another_nodes_caches_are_no_dependencies() {
    let node = TestNode::new();
    let other = TestNode::new();
    let [outer, last] = caches(&node);
    let [foreign] = caches(&other);
    load(&last, 1, 1).await;
    let read = outer.get_or_load(&1, |_| async {
        // Through the foreign cache, but from one of ours in the end.
        let nested = foreign.get_or_load(&1, |_| async { ok(last.get(&1).unwrap()) });
        ok(nested.await.unwrap())
    });
    assert_eq!(read.await.unwrap(), 1);
    let _ = foreign.invalidate(&1);
    assert_eq!(outer.get(&1), Some(1));
    let _ = last.invalidate(&1);
    assert_eq!(outer.get(&1), None);
}

#[tokio::test]
async fn a_load_that_reads_itself_ends() {
    let node = TestNode::new();
    let [cache] = caches(&node);
    let read = cache.get_or_load(&1, |_| async { ok(load(&cache, 1, 5).await + 1) });
    assert_eq!(read.await.unwrap(), 6);
    assert_eq!(cache.stats().unshared_loads, 1);
}

#[tokio::test]
async fn loads_that_wait_for_each_other_end() {
    let node = TestNode::new();
    let [a, b] = caches(&node);
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let mut first = Box::pin(a.get_or_load(&1, |_| async {
        gone.await.unwrap();
        ok(load(&b, 1, 10).await + 1)
    }));
    assert!(poll(&mut first).is_pending());
    let mut second = Box::pin(b.get_or_load(&1, |_| async { ok(load(&a, 1, 20).await + 1) }));
    assert!(poll(&mut second).is_pending());
    go.send(()).unwrap();
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.unwrap(), second.unwrap()), (11, 12));
    let unshared = a.stats().unshared_loads + b.stats().unshared_loads;
    assert_eq!(unshared, 1);
}

#[tokio::test]
async fn a_value_of_very_many_parts_is_not_stored() {
    let node = TestNode::new();
    let [cache] = caches(&node);
    let read = cache.get_or_load(&1, |cx| async move {
        cx.tags((0..20_000).map(|n| n.to_string()));
        ok(1)
    });
    assert_eq!(read.await.unwrap(), 1);
    assert_eq!(cache.get(&1), None);
    let read = cache.get_or_load(&1, |cx| async move {
        for _ in 0..3 {
            cx.tags((0..5_000).map(|n| n.to_string()));
        }
        ok(1)
    });
    read.await.unwrap();
    assert_eq!(cache.get(&1), Some(1));
    let _ = cache.invalidate_tag("4999");
    assert_eq!(cache.get(&1), None);
}

#[tokio::test]
async fn what_was_not_there_is_cleared_too() {
    let node = TestNode::new();
    let (outer, inner) = (cache(&node, "outer"), cache(&node, "inner"));
    let read = outer.get_or_load(&1, |_| async { ok(inner.get(&5).unwrap_or(0)) });
    assert_eq!(read.await.unwrap(), 0);
    assert_eq!(outer.get(&1), Some(0));
    let _ = inner.clear();
    assert_eq!(outer.get(&1), None);
}

#[tokio::test]
async fn a_failed_inner_load_passes_on_what_it_has_read() {
    let node = TestNode::new();
    let [outer, middle, inner] = ["outer", "middle", "inner"].map(|name| cache(&node, name));
    let fail = |_| async {
        match inner.get(&1) {
            Some(1) => Err("disabled"),
            other => Ok(other.unwrap_or(0)),
        }
    };
    for batch in [false, true] {
        load(&inner, 1, 1).await;
        let read = outer.get_or_load(&1, |_| async {
            let nested = if batch {
                let loader =
                    |_: Vec<u64>, cx| async move { fail(cx).await.map(|found| [(1, found)]) };
                middle.get_many_or_load(&[1], loader).await.map(|_| 1)
            } else {
                middle.get_or_load(&1, fail).await
            };
            ok(nested.unwrap_or(0))
        });
        assert_eq!(read.await.unwrap(), 0);
        assert_eq!(outer.get(&1), Some(0));
        let _ = inner.invalidate(&1);
        assert_eq!(outer.get(&1), None);
    }
}

#[tokio::test]
async fn who_joined_a_failed_load_depends_on_what_it_has_read() {
    let node = TestNode::new();
    let [outer, middle, inner] = ["outer", "middle", "inner"].map(|name| cache(&node, name));
    load(&inner, 1, 1).await;
    let (go, gone) = oneshot::channel::<()>();
    let (middle, inner) = (&middle, &inner);
    let mut failing = Box::pin(middle.get_or_load(&1, |_| async move {
        let disabled = inner.get(&1) == Some(1);
        let _ = gone.await;
        if disabled { Err("disabled") } else { Ok(1) }
    }));
    assert!(poll(&mut failing).is_pending());
    let mut read = Box::pin(outer.get_or_load(&1, |_| async {
        ok(middle.get_or_load(&1, |_| async { ok(1) }).await.unwrap_or(0))
    }));
    assert!(poll(&mut read).is_pending());
    go.send(()).unwrap();
    assert!(failing.await.is_err());
    assert_eq!(read.await.unwrap(), 0);
    assert_eq!(outer.get(&1), Some(0));
    let _ = inner.invalidate(&1);
    assert_eq!(outer.get(&1), None);
}

#[tokio::test]
async fn a_given_up_inner_load_passes_on_what_it_has_read() {
    let node = TestNode::new();
    let [outer, middle, inner] = ["outer", "middle", "inner"].map(|name| cache(&node, name));
    load(&inner, 1, 1).await;
    let read = outer.get_or_load(&1, |_| async {
        let mut nested = Box::pin(middle.get_or_load(&1, |_| async {
            let _ = inner.get(&1);
            std::future::pending::<Result<u64, &'static str>>().await
        }));
        assert!(poll(&mut nested).is_pending());
        drop(nested);
        ok(0)
    });
    assert_eq!(read.await.unwrap(), 0);
    let _ = inner.invalidate(&1);
    assert_eq!(outer.get(&1), None);
}

#[tokio::test]
async fn a_fill_in_a_load_passes_on_what_was_read_in_its_scope() {
    let node = TestNode::new();
    let [outer, middle, inner] = ["outer", "middle", "inner"].map(|name| cache(&node, name));
    load(&inner, 1, 1).await;
    let read = outer.get_or_load(&1, |_| async {
        let fill = middle.begin_fill(&1);
        let value = fill.scope(async { inner.get(&1).unwrap() }).await;
        assert!(fill.insert(value));
        ok(value)
    });
    assert_eq!(read.await.unwrap(), 1);
    assert_eq!(outer.get(&1), Some(1));
    let _ = inner.invalidate(&1);
    assert_eq!(middle.get(&1), None);
    assert_eq!(outer.get(&1), None);
}

#[tokio::test]
async fn a_fill_in_a_load_demands_what_that_promises() {
    let node = TestNode::new();
    let forever = Freshness::Eventual { cap: None };
    let outer = cache(&node, "outer");
    let [middle, inner] = ["middle", "inner"]
        .map(|name| node.cache::<u64, u64>(name).freshness(forever).build().unwrap());
    load(&inner, 1, 1).await;
    node.advance(WITHIN * 2);
    let read = outer.get_or_load(&1, |_| async {
        let fill = middle.begin_fill(&1);
        ok(fill.scope(async { inner.get(&1).unwrap_or(0) }).await)
    });
    assert_eq!(read.await.unwrap(), 0);
}

/// Rows that are each other's parent.
#[tokio::test]
async fn a_circle_in_the_data_comes_to_an_end() {
    fn parent(cache: &Cache<u64, u64>, key: u64) -> BoxFuture<'_, Result<u64, LoadError>> {
        Box::pin(async move {
            cache.get_or_load(&key, |_| async move { parent(cache, 3 - key).await }).await
        })
    }
    let node = TestNode::new();
    let cache = cache(&node, "rows");
    let error = parent(&cache, 1).await.unwrap_err();
    let mut innermost = &error;
    let mut depth = 0;
    while let Some(inner) = innermost.downcast_ref::<LoadError>() {
        innermost = inner;
        depth += 1;
    }
    assert_eq!(innermost.kind(), LoadErrorKind::TooDeep);
    assert_eq!(depth, 33);
    assert_eq!(cache.in_flight(), 0);
}
