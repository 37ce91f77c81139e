//! What the node's driver does, beside reads and loads.

use shuttle::future::block_on;

use super::{KEY, LATER, OLD, WITHIN, World, assert_not_old, beside, load, received};
use crate::cache::domain::Origin;

/// An entry that a commit has made old, and that lacks proof, is read while the driver does this.
fn hit_beside(driver: impl FnOnce(&World) + Send + 'static) {
    let world = World::new();
    let cache = world.cache("c");
    block_on(load(&world, &cache));
    world.commit();
    world.node.advance(LATER);
    beside(&world, driver, |_| assert_not_old(&cache));
    assert_eq!(cache.get(&KEY), None);
}

/// The horizon vouches for an entry only after everything before it was applied.
pub(super) fn hit_and_driver() {
    hit_beside(|world| {
        world.node.domain.apply_one(&received(), Origin::Unknown);
        world.node.prove_now();
    });
}

/// What was dropped is not served by the proof that came after.
pub(super) fn hit_and_drop() {
    hit_beside(|world| {
        world.node.domain.drop_before(world.node.now());
        world.node.prove_now();
    });
}

pub(super) fn fill_and_barrier() {
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
            world.node.advance(WITHIN / 2);
            world.node.domain.drop_before(world.node.now());
            assert_not_old(&cache);
        },
    );
    assert_not_old(&cache);
}

/// A load that began before the confirmation is not stored after it.
pub(super) fn fill_and_confirmation() {
    let world = World::new();
    let cache = world.cache("c");
    let filled = cache.clone();
    let mut was_stored = false;
    beside(
        &world,
        move |world| {
            block_on(load(world, &filled));
        },
        |world| {
            world.commit();
            world.node.domain.void_loads();
            was_stored = cache.get(&KEY) == Some(OLD);
        },
    );
    if !was_stored {
        assert_not_old(&cache);
    }
}
