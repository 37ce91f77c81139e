//! Loads and fills beside invalidations and beside each other.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::sync::atomic::{AtomicBool, Ordering};

use super::{
    KEY, LATER, NEW, OLD, WITHIN, World, assert_not_old, beside, load, load_tagged, received, until,
};
use crate::cache::domain::Origin;
use crate::cache::handle::Cache;

pub(super) fn fill_and_invalidation() {
    fill_beside(|_, cache| drop(cache.invalidate(&KEY)));
}

/// The same with a key that another node has invalidated.
pub(super) fn fill_and_received_key() {
    fill_beside(|world, _| {
        world.node.domain.apply_one(&received(), Origin::Unknown);
    });
}

fn fill_beside(invalidate: impl FnOnce(&World, &Cache<u64, u64>)) {
    let world = World::new();
    let cache = world.cache("c");
    let filled = cache.clone();
    beside(
        &world,
        move |world| {
            block_on(load(world, &filled));
        },
        |world| {
            world.commit();
            invalidate(world, &cache);
            assert_not_old(&cache);
        },
    );
    assert_not_old(&cache);
}

/// A load that waits for its turn begins when it gets it, and is voided by what comes after.
pub(super) fn queued_load_and_invalidation() {
    let world = World::new();
    let cache = world.node.cache("c").capacity(8).max_concurrent_loads(1);
    let cache = cache.build().unwrap();
    let filled = cache.clone();
    beside(
        &world,
        move |world| {
            block_on(load(world, &filled));
        },
        |world| {
            let other = cache.get_or_load(&(KEY + 1), |_| async { Ok::<_, Infallible>(0) });
            block_on(other).unwrap();
            world.commit();
            let _ = cache.invalidate(&KEY);
            assert_not_old(&cache);
            assert_eq!(block_on(load(world, &cache)), NEW);
        },
    );
    assert_not_old(&cache);
}

/// Keys that are loaded together are guarded each by itself.
pub(super) fn batch_and_invalidation() {
    let world = World::new();
    let cache = world.cache("c");
    let filled = cache.clone();
    beside(
        &world,
        move |world| {
            let loader = |keys: Vec<u64>, _| async move {
                let version = world.read_source();
                Ok::<_, Infallible>(keys.into_iter().map(move |key| (key, version)))
            };
            block_on(filled.get_many_or_load(&[KEY, KEY + 1], loader)).unwrap();
        },
        |world| {
            world.commit();
            let _ = cache.invalidate_many(&[KEY, KEY + 1]);
            assert_not_old(&cache);
            assert_ne!(cache.get(&(KEY + 1)), Some(OLD));
            assert_eq!(block_on(load(world, &cache)), NEW);
        },
    );
    assert_not_old(&cache);
    assert_ne!(cache.get(&(KEY + 1)), Some(OLD));
}

pub(super) fn fill_and_clear() {
    let world = World::new();
    let cache = world.cache("c");
    let filled = cache.clone();
    beside(
        &world,
        move |world| {
            block_on(load(world, &filled));
        },
        |world| {
            world.commit();
            let _ = cache.clear();
            assert_not_old(&cache);
        },
    );
    assert_not_old(&cache);
}

/// A fill that is refused is not visible for an instant.
pub(super) fn refused_fill() {
    let world = World::new();
    let cache = world.cache("c");
    let fill = cache.begin_fill(&KEY);
    let version = world.read_source();
    world.commit();
    let _ = cache.invalidate(&KEY);
    beside(
        &world,
        move |_| {
            assert!(!fill.insert(version));
        },
        |_| assert_not_old(&cache),
    );
}

/// Without any invalidation: once the new value was stored, the old one is not read again.
pub(super) fn newer_fill() {
    let world = World::new();
    let cache = world.cache("c");
    let older = cache.clone();
    let mut was_stored = false;
    beside(
        &world,
        move |world| {
            let fill = older.begin_fill(&KEY);
            fill.insert(world.read_source());
        },
        |world| {
            world.commit();
            let fill = cache.begin_fill(&KEY);
            was_stored = fill.insert(world.read_source());
        },
    );
    if was_stored {
        assert_not_old(&cache);
    }
}

/// Whoever has read the new value past an unproven entry does not find the old one once it is proven.
pub(super) fn refused_read_through() {
    let world = World::new();
    let cache = world.cache("c");
    block_on(load(&world, &cache));
    world.node.advance(LATER);
    world.commit();
    let reader = cache.clone();
    beside(
        &world,
        move |world| {
            assert_eq!(block_on(load(world, &reader)), NEW);
            world.node.prove_now();
            assert_not_old(&reader);
        },
        // A newer fill voids the load and comes to nothing.
        |_| drop(cache.begin_fill(&KEY)),
    );
    assert_not_old(&cache);
}

/// Another node's change, of which nothing has arrived: whoever has read the new row does not read the old one
/// after, whichever of two loads found which.
pub(super) fn overlapping_loads() {
    let world = World::new();
    let cache = world.cache("c");
    let older = cache.clone();
    beside(
        &world,
        move |world| {
            let first = block_on(load(world, &older));
            let second = older.get(&KEY);
            assert!(second.is_none_or(|second| second >= first));
        },
        |world| {
            let _ = cache.invalidate(&KEY);
            let loader = |_| async {
                let version = world.read_source();
                world.commit();
                Ok::<_, Infallible>(version)
            };
            block_on(cache.get_or_load(&KEY, loader)).unwrap();
        },
    );
}

pub(super) fn joiner_and_invalidation() {
    let world = World::new();
    let cache = world.cache("c");
    let leader = cache.clone();
    beside(
        &world,
        move |world| {
            block_on(load(world, &leader));
        },
        |world| {
            world.commit();
            let _ = cache.invalidate(&KEY);
            assert_eq!(block_on(load(world, &cache)), NEW);
        },
    );
    assert_not_old(&cache);
}

pub(super) fn joiner_and_tag() {
    let world = World::new();
    let cache = world.cache("c");
    let leader = cache.clone();
    beside(
        &world,
        move |world| {
            block_on(load_tagged(world, &leader));
        },
        |world| {
            world.commit();
            let _ = cache.invalidate_tag("tag");
            assert_eq!(block_on(load_tagged(world, &cache)), NEW);
        },
    );
    assert_not_old(&cache);
}

/// Whoever waits for a load that is dropped loads by itself.
pub(super) fn abandoned_load() {
    let world = World::new();
    let cache = world.cache("c");
    let dropped = cache.clone();
    beside(
        &world,
        move |_| {
            let loader = |_| std::future::pending::<Result<u64, Infallible>>();
            let mut load = Box::pin(dropped.get_or_load(&KEY, loader));
            let mut context = Context::from_waker(Waker::noop());
            let _: Poll<_> = load.as_mut().poll(&mut context);
            shuttle::thread::yield_now();
        },
        |world| {
            assert_eq!(block_on(load(world, &cache)), OLD);
        },
    );
    assert_eq!(block_on(load(&world, &cache)), OLD);
}

/// A load whose answer was built from an older hit is not for readers that want it fresher.
pub(super) fn joiner_of_an_old_answer() {
    let world = World::new();
    let inner = world.cache("inner");
    let outer = world.cache("outer");
    block_on(load(&world, &inner));
    // Another node commits, and its invalidation completes. Nothing of it arrives here.
    world.commit();
    world.node.advance(WITHIN * 9 / 10);
    let has_read = Arc::new(AtomicBool::new(false));
    let may_end = Arc::new(AtomicBool::new(false));
    let (leader, nested) = (outer.clone(), inner.clone());
    let (reading, ending) = (Arc::clone(&has_read), Arc::clone(&may_end));
    beside(
        &world,
        move |world| {
            let (nested, reading, ending) = (&nested, &reading, &ending);
            let loader = |_| async move {
                let version = load(world, nested).await;
                reading.store(true, Ordering::SeqCst);
                until(|| ending.load(Ordering::SeqCst)).await;
                Ok::<_, Infallible>(version)
            };
            block_on(leader.get_or_load(&KEY, loader)).unwrap();
        },
        |world| {
            block_on(until(|| has_read.load(Ordering::SeqCst)));
            world.node.advance(WITHIN * 6 / 10);
            let loader = |_| async { Ok::<_, Infallible>(load(world, &inner).await) };
            let mut joining = Box::pin(outer.get_or_load(&KEY, loader));
            // Once polled, it has begun and waits for the load in flight.
            let mut context = Context::from_waker(Waker::noop());
            assert!(joining.as_mut().poll(&mut context).is_pending());
            may_end.store(true, Ordering::SeqCst);
            assert_eq!(block_on(joining).unwrap(), NEW);
        },
    );
    world.node.advance(Duration::from_nanos(1));
}
