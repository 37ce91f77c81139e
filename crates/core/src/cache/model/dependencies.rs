//! Tags, and values built from other cached values.

use std::convert::Infallible;

use shuttle::future::block_on;

use super::{KEY, LATER, NEW, World, assert_not_old, beside, load, load_tagged};
use crate::cache::handle::Cache;
use crate::freshness::Freshness;

/// Loads the row into `outer` by way of `inner`.
async fn load_nested(world: &World, outer: &Cache<u64, u64>, inner: &Cache<u64, u64>) -> u64 {
    let loader = |_| async { Ok::<_, Infallible>(load_tagged(world, inner).await) };
    outer.get_or_load(&KEY, loader).await.unwrap()
}

pub(super) fn late_tag() {
    let world = World::new();
    let cache = world.cache("c");
    let filled = cache.clone();
    beside(
        &world,
        move |world| {
            block_on(load_tagged(world, &filled));
        },
        |world| {
            world.commit();
            let _ = cache.invalidate_tag("tag");
            assert_not_old(&cache);
        },
    );
    assert_not_old(&cache);
}

/// Sweeping never takes a cell from an entry.
pub(super) fn cell_freed() {
    let world = World::new();
    let cache = world.cache("c");
    let filled = cache.clone();
    beside(
        &world,
        move |world| {
            block_on(load_tagged(world, &filled));
            world.node.domain.sweep();
        },
        |world| {
            world.commit();
            let _ = cache.invalidate_tag("tag");
            assert_not_old(&cache);
        },
    );
    assert_not_old(&cache);
}

fn nested(warm: bool, invalidate: impl FnOnce(&Cache<u64, u64>)) {
    let world = World::new();
    let inner = world.cache("inner");
    let outer = world.cache("outer");
    if warm {
        block_on(load_tagged(&world, &inner));
    }
    let (to_fill, read) = (outer.clone(), inner.clone());
    beside(
        &world,
        move |world| {
            block_on(load_nested(world, &to_fill, &read));
        },
        |world| {
            world.commit();
            invalidate(&inner);
            assert_not_old(&outer);
            assert_not_old(&inner);
        },
    );
    assert_not_old(&outer);
    assert_not_old(&inner);
}

pub(super) fn nested_tag() {
    nested(false, |inner| drop(inner.invalidate_tag("tag")));
}

pub(super) fn nested_hit_and_tag() {
    nested(true, |inner| drop(inner.invalidate_tag("tag")));
}

pub(super) fn nested_key() {
    nested(true, |inner| drop(inner.invalidate(&KEY)));
}

/// Another invalidation raises the cell that both share, while that of the key is under way.
pub(super) fn nested_key_and_another_tick() {
    let world = World::new();
    let inner = world.cache("inner");
    let outer = world.cache("outer");
    block_on(load(&world, &inner));
    // Invalidations of keys concern other entries from here on.
    let cells = &world.node.domain.shared.cells;
    cells.key(cells.key_id(99, &1u8));
    let (to_fill, read) = (outer.clone(), inner.clone());
    beside(
        &world,
        move |world| {
            let _ = read.invalidate_tag("other");
            block_on(load_nested(world, &to_fill, &read));
        },
        |world| {
            world.commit();
            let _ = inner.invalidate(&KEY);
            assert_not_old(&outer);
        },
    );
    assert_not_old(&outer);
}

pub(super) fn nested_clear() {
    nested(true, |inner| drop(inner.clear()));
}

/// A cache that serves for ever does not do so inside of a load that promises more.
pub(super) fn outer_within() {
    let world = World::new();
    let eventual = Freshness::Eventual { cap: None };
    let inner = world.node.cache("inner").capacity(8);
    let inner = inner.freshness(eventual).build().unwrap();
    let outer = world.cache("outer");
    block_on(load(&world, &inner));
    world.commit();
    world.node.advance(LATER);
    let read = inner.clone();
    beside(
        &world,
        move |_| {
            let _ = read.get(&KEY);
        },
        |world| assert_eq!(block_on(load_nested(world, &outer, &inner)), NEW),
    );
}
