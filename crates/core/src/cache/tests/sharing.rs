//! One load for all readers of a key, and what happens when it goes wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::LoadErrorKind;
use crate::cache::Cache;
use crate::cache::testing::{TestNode, WITHIN};

use super::{load, ok, poll, when_told};

fn cache(node: &TestNode) -> Cache<u64, u64> {
    node.cache("c").build().unwrap()
}

#[tokio::test]
async fn readers_share_one_load() {
    let node = TestNode::new();
    let cache = cache(&node);
    let (tell, told) = oneshot::channel();
    let mut first = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut first).is_pending());
    let joined = Box::pin(load(&cache, 1, 99));
    let mut joined: Vec<_> = std::iter::once(joined).collect();
    assert!(poll(&mut joined[0]).is_pending());
    tell.send(7).unwrap();
    assert_eq!(first.await.unwrap(), 7);
    for joined in joined {
        assert_eq!(joined.await, 7);
    }
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.joined_loads), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_threads_share_loads() {
    let node = TestNode::new();
    let cache = cache(&node);
    let loads = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (cache, loads) = (cache.clone(), Arc::clone(&loads));
            #[expect(clippy::disallowed_methods, reason = "a test of real concurrency")]
            tokio::spawn(async move {
                for key in 0..200 {
                    let loader = |_| async {
                        loads.fetch_add(1, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                        ok(key)
                    };
                    assert_eq!(cache.get_or_load(&key, loader).await.unwrap(), key);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(loads.load(Ordering::Relaxed), 200);
}

#[tokio::test]
async fn joiners_get_the_error() {
    let node = TestNode::new();
    let cache = cache(&node);
    let (tell, told) = oneshot::channel::<u64>();
    let mut first = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut first).is_pending());
    let mut joined = Box::pin(cache.get_or_load(&1, |_| async { ok(2) }));
    assert!(poll(&mut joined).is_pending());
    drop(tell);
    assert_eq!(first.await.unwrap_err().to_string(), "the loader failed: not told");
    assert_eq!(joined.await.unwrap_err().to_string(), "the loader failed: not told");
    assert_eq!(load(&cache, 1, 3).await, 3);
}

#[tokio::test]
async fn a_cancelled_load_is_taken_over() {
    let node = TestNode::new();
    let cache = cache(&node);
    let (_tell, told) = oneshot::channel();
    let mut first = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut first).is_pending());
    let mut joined = Box::pin(load(&cache, 1, 5));
    assert!(poll(&mut joined).is_pending());
    drop(first);
    assert_eq!(joined.await, 5);
    assert_eq!(cache.get(&1), Some(5));
}

#[tokio::test]
async fn a_panicking_load_is_taken_over() {
    let node = TestNode::new();
    let cache = cache(&node);
    let (tell, told) = oneshot::channel::<()>();
    let mut first = Box::pin(cache.get_or_load(&1, |_| async {
        let told = told.await;
        assert!(told.is_err(), "panic on purpose");
        ok(1)
    }));
    assert!(poll(&mut first).is_pending());
    let mut joined = Box::pin(load(&cache, 1, 5));
    assert!(poll(&mut joined).is_pending());
    tell.send(()).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(&mut first)));
    assert!(panicked.is_err());
    drop(first);
    assert_eq!(joined.await, 5);
    assert!(!crate::cache::context::is_inside(), "the context ended with the panic");
}

#[tokio::test]
async fn a_load_that_nobody_polls_does_not_hold_up_others() {
    let node = TestNode::new();
    let timeout = Duration::from_secs(1);
    let cache = node.cache::<u64, u64>("c").load_timeout(timeout).build().unwrap();
    let (tell, told) = oneshot::channel();
    let mut idle = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut idle).is_pending());
    node.advance(timeout / 2);
    node.prove_now();
    let mut joined = Box::pin(load(&cache, 1, 5));
    assert!(poll(&mut joined).is_pending());
    node.advance(timeout / 2);
    assert_eq!(joined.await, 5);
    assert_eq!(cache.get(&1), Some(5));
    // Polled again after all, it is cut off, and takes nothing newer away.
    let _ = tell;
    assert_eq!(idle.await.unwrap_err().kind(), LoadErrorKind::TimedOut);
    assert_eq!(cache.get(&1), Some(5));
    assert_eq!(cache.stats().timed_out_loads, 1);
}

#[tokio::test]
async fn readers_of_a_source_that_hangs_give_up() {
    let node = TestNode::new();
    let timeout = Duration::from_secs(1);
    let cache = node.cache::<u64, u64>("c").load_timeout(timeout).build().unwrap();
    let hang = |_| std::future::pending::<Result<u64, &'static str>>();
    let mut reads: Vec<_> = (0..3).map(|_| Box::pin(cache.get_or_load(&1, hang))).collect();
    let mut errors = 0;
    for _ in 0..=2 {
        node.prove_now();
        let mut left = Vec::new();
        for mut read in reads {
            match poll(&mut read) {
                std::task::Poll::Ready(result) => {
                    assert_eq!(result.unwrap_err().kind(), LoadErrorKind::TimedOut);
                    errors += 1;
                }
                std::task::Poll::Pending => left.push(read),
            }
        }
        reads = left;
        node.advance(timeout);
    }
    assert_eq!((errors, reads.len()), (3, 0));
    assert_eq!(cache.stats().timed_out_loads, 2);
}

#[tokio::test]
async fn a_voided_load_is_not_joined() {
    let node = TestNode::new();
    let cache = cache(&node);
    let (tell, told) = oneshot::channel();
    let mut old = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut old).is_pending());
    let _ = cache.invalidate(&1);
    assert_eq!(load(&cache, 1, 2).await, 2);
    tell.send(1).unwrap();
    assert_eq!(old.await.unwrap(), 2, "not what may be older than what is stored");
    assert_eq!(cache.get(&1), Some(2));
}

#[tokio::test]
async fn a_third_load_waits() {
    let node = TestNode::new();
    let cache = cache(&node);
    let (tell_first, told) = oneshot::channel();
    let mut first = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut first).is_pending());
    let _ = cache.invalidate(&1);
    let (tell_second, told) = oneshot::channel();
    let mut second = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut second).is_pending());
    let _ = cache.invalidate(&1);
    let mut third = Box::pin(load(&cache, 1, 3));
    assert!(poll(&mut third).is_pending());
    assert_eq!(cache.stats().loads, 2);
    tell_first.send(1).unwrap();
    assert_eq!(first.await.unwrap(), 1);
    assert_eq!(third.await, 3);
    tell_second.send(2).unwrap();
    assert_eq!(second.await.unwrap(), 3);
    assert_eq!(cache.get(&1), Some(3));
}

#[tokio::test]
async fn a_load_slower_than_the_promise_is_stored_while_there_is_proof() {
    let node = TestNode::new();
    let cache = cache(&node);
    let (tell, told) = oneshot::channel();
    let mut slow = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut slow).is_pending());
    node.advance(WITHIN * 3);
    node.prove_now();
    let mut joined = Box::pin(load(&cache, 1, 2));
    assert!(poll(&mut joined).is_pending(), "it joins");
    tell.send(1).unwrap();
    assert_eq!(slow.await.unwrap(), 1);
    assert_eq!(joined.await, 1);
    assert_eq!(cache.get(&1), Some(1));
}

#[tokio::test]
async fn without_proof_a_load_slower_than_the_promise_is_not_joined() {
    let node = TestNode::new();
    let cache = cache(&node);
    let (tell, told) = oneshot::channel();
    let mut slow = Box::pin(cache.get_or_load(&1, when_told(told)));
    assert!(poll(&mut slow).is_pending());
    node.advance(WITHIN + Duration::from_nanos(1));
    assert_eq!(load(&cache, 1, 2).await, 2);
    tell.send(1).unwrap();
    assert_eq!(slow.await.unwrap(), 2);
    assert_eq!(cache.get(&1), Some(2));
}

#[tokio::test]
async fn concurrent_loads_are_limited_and_nested_ones_are_not() {
    let node = TestNode::new();
    let limited = node.cache::<u64, u64>("limited").max_concurrent_loads(1).build().unwrap();
    let (tell, told) = oneshot::channel();
    let mut first = Box::pin(limited.get_or_load(&1, when_told(told)));
    assert!(poll(&mut first).is_pending());
    let mut second = Box::pin(load(&limited, 2, 2));
    assert!(poll(&mut second).is_pending());
    assert_eq!(limited.stats().loads, 1);
    // What is invalidated while it waits for its turn does not concern it.
    let _ = limited.invalidate(&2);
    tell.send(1).unwrap();
    assert_eq!(first.await.unwrap(), 1);
    assert_eq!(second.await, 2);
    assert_eq!(limited.get(&2), Some(2));
    // The only permit is taken by the outer load.
    let outer = limited.get_or_load(&3, |_| async { ok(load(&limited, 4, 4).await) });
    assert_eq!(outer.await.unwrap(), 4);
    assert_eq!((limited.get(&3), limited.get(&4)), (Some(4), Some(4)));
}

#[tokio::test]
async fn a_nested_read_does_not_wait_for_who_waits_for_its_permit() {
    let node = TestNode::new();
    let limited = node.cache::<u64, u64>("limited").max_concurrent_loads(1).build().unwrap();
    let (go, gone) = oneshot::channel::<u64>();
    let mut outer = Box::pin(limited.get_or_load(&1, |_| async {
        gone.await.unwrap();
        ok(load(&limited, 2, 2).await)
    }));
    assert!(poll(&mut outer).is_pending());
    let mut queued = Box::pin(load(&limited, 2, 20));
    assert!(poll(&mut queued).is_pending());
    go.send(0).unwrap();
    assert_eq!(outer.await.unwrap(), 2);
    assert_eq!(limited.stats().unshared_loads, 1);
    assert_eq!(queued.await, 20);
}

/// Polls reads of several keys once, and counts how many of their loaders run.
fn running_at_once<'a>(
    reads: impl Iterator<Item = u64>,
    read: impl Fn(u64, &'a AtomicU64) -> BoxFuture<'a, ()>,
    running: &'a AtomicU64,
) -> u64 {
    let mut reads: Vec<_> = reads.map(|key| read(key, running)).collect();
    for read in &mut reads {
        assert!(poll(read).is_pending());
    }
    running.load(Ordering::Relaxed)
}

/// A loader that counts itself and does not end.
async fn hang(running: &AtomicU64) -> Result<u64, &'static str> {
    running.fetch_add(1, Ordering::Relaxed);
    std::future::pending().await
}

#[tokio::test]
async fn unshared_loads_are_limited_too() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").max_concurrent_loads(1).max_loads_in_flight(2);
    let cache = &cache.build().unwrap();
    let running = AtomicU64::new(0);
    let read = |key, running| -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let _ = cache.get_or_load(&key, |_| hang(running)).await;
        })
    };
    assert_eq!(running_at_once(0..50, read, &running), 1);
}

#[tokio::test]
async fn nested_loads_are_limited_where_the_load_around_them_is_not() {
    let node = TestNode::new();
    let limited = node.cache::<u64, u64>("limited").max_concurrent_loads(1).build().unwrap();
    let outer = cache(&node);
    let (limited, outer) = (&limited, &outer);
    let running = AtomicU64::new(0);
    let read = |key, running| -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let nested = |_| limited.get_or_load(&key, |_| hang(running));
            let _ = outer.get_or_load(&key, nested).await;
        })
    };
    assert_eq!(running_at_once(0..50, read, &running), 1);
}

#[tokio::test]
async fn nested_reads_without_a_permit_join_a_queued_load() {
    let node = TestNode::new();
    let limited = node.cache::<u64, u64>("limited").max_concurrent_loads(1).build().unwrap();
    let outer = cache(&node);
    let (limited, outer) = (&limited, &outer);
    let (tell, told) = oneshot::channel();
    let mut busy = Box::pin(limited.get_or_load(&9, when_told(told)));
    assert!(poll(&mut busy).is_pending());
    let mut queued = Box::pin(load(limited, 1, 1));
    assert!(poll(&mut queued).is_pending());
    let read = |key| {
        Box::pin(async move {
            let nested = |_| async { ok(load(limited, 1, 9).await) };
            outer.get_or_load(&key, nested).await.unwrap()
        })
    };
    let mut reads: Vec<_> = (0..50).map(read).collect();
    for read in &mut reads {
        assert!(poll(read).is_pending());
    }
    assert_eq!(limited.stats().loads, 1);
    tell.send(0).unwrap();
    busy.await.unwrap();
    assert_eq!(queued.await, 1);
    for read in reads {
        assert_eq!(read.await, 1);
    }
    assert_eq!(limited.stats().loads, 2);
}

/// The one permit is held by a load that waits for the one that would queue for it.
#[tokio::test]
async fn a_nested_load_does_not_queue_behind_who_waits_for_it() {
    let node = TestNode::new();
    let limited = node.cache::<u64, u64>("limited").max_concurrent_loads(1).build().unwrap();
    let outer = cache(&node);
    let (go, gone) = oneshot::channel::<u64>();
    let mut waited_for = Box::pin(outer.get_or_load(&1, |_| async {
        gone.await.unwrap();
        ok(load(&limited, 2, 2).await)
    }));
    assert!(poll(&mut waited_for).is_pending());
    let mut holder =
        Box::pin(limited.get_or_load(&1, |_| async { ok(load(&outer, 1, 9).await + 1) }));
    assert!(poll(&mut holder).is_pending());
    go.send(0).unwrap();
    assert_eq!(waited_for.await.unwrap(), 2);
    assert_eq!(holder.await.unwrap(), 3);
}

#[tokio::test]
async fn a_load_that_nobody_polls_does_not_keep_its_permit() {
    let node = TestNode::new();
    let timeout = Duration::from_secs(1);
    let cache = node.cache::<u64, u64>("c").load_timeout(timeout).max_concurrent_loads(1);
    let cache = cache.build().unwrap();
    let hang = |_| std::future::pending::<Result<u64, &'static str>>();
    let mut idle = Box::pin(cache.get_or_load(&1, hang));
    assert!(poll(&mut idle).is_pending());
    for key in 2..5 {
        let mut other = Box::pin(load(&cache, key, 1));
        if key == 2 {
            assert!(poll(&mut other).is_pending());
        }
        node.advance(timeout * 2);
        assert_eq!(other.await, 1);
    }
    drop(idle);
    assert_eq!(load(&cache, 9, 1).await, 1);
}

#[tokio::test]
async fn too_many_loads_in_flight_run_unshared() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").max_loads_in_flight(2).build().unwrap();
    let fills = [cache.begin_fill(&1), cache.begin_fill(&2)];
    assert_eq!(load(&cache, 3, 3).await, 3);
    assert_eq!(cache.get(&3), None);
    assert_eq!(cache.stats().unshared_loads, 1);
    assert!(!cache.begin_fill(&4).insert(4));
    // What could not be registered has been handed out, and is newer than what is in flight.
    assert!(!cache.begin_fill(&1).insert(10));
    let [first, second] = fills;
    assert!(!first.insert(1));
    assert!(second.insert(2));
    assert_eq!(load(&cache, 3, 3).await, 3);
    assert_eq!(cache.get(&3), Some(3));
}
