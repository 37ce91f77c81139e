//! How much a crowd says: frames that can be counted, with a thousand nodes.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod world;

use std::time::Duration;

use world::{Accepted, BEACON, REPLAY, SYNC, SYNCED, World};

const NODES: usize = 1_000;
const SEEDS: std::ops::Range<u64> = 0..3;
/// The target: `Sync` and `Synced` together when one node reconnects.
const ONE_RECONNECTS: u64 = 5;
/// The same for answers when a thousand do.
const ANSWERS: u64 = 100;
/// Changes while somebody is away.
const MISSED: u64 = 20;
/// Longer than a node is away, asks and is answered.
const SETTLED: Duration = Duration::from_secs(10);

/// A thousand nodes that are live, and of which each knows of the others.
fn crowd(seed: u64) -> World {
    let mut world = World::new(NODES, seed);
    world.run(Duration::from_secs(60));
    assert_eq!(world.live(), NODES, "seed {seed}");
    for node in 0..NODES {
        world.invalidate(node, [1]);
    }
    world.run(SETTLED);
    world.take_accepted();
    world
}

/// Cuts these, lets the others change something meanwhile, and says what it took until all were live again.
fn reconnect(world: &mut World, cut: std::ops::Range<usize>) -> Accepted {
    let writer = cut.end % NODES;
    cut.for_each(|node| world.cut(node));
    for key in 0..MISSED {
        world.invalidate(writer, [key]);
        world.run(Duration::from_millis(1));
    }
    world.run(SETTLED);
    assert_eq!(world.live(), NODES);
    world.take_accepted()
}

#[test]
fn one_that_reconnects_costs_a_handful_of_frames() {
    for seed in SEEDS {
        let mut world = crowd(seed);
        let before = (world.total(|it| it.syncs_witnessed), world.total(|it| it.replayed));
        let said = reconnect(&mut world, 7..8);
        println!("seed {seed}: {said:?}");
        assert_eq!(world.total(|it| it.syncs_witnessed) - before.0, 1, "nothing was dropped");
        assert_eq!(said.of(SYNC), 1);
        assert!(said.of(SYNC) + said.of(SYNCED) <= ONE_RECONNECTS, "seed {seed}: {said:?}");
        // What it missed, in one frame for each answer.
        assert!(said.of(REPLAY) <= said.of(SYNCED), "seed {seed}: {said:?}");
    }
}

#[test]
fn a_thousand_that_reconnect_at_once_are_answered_together() {
    for seed in SEEDS {
        let mut world = crowd(seed);
        let said = reconnect(&mut world, 0..NODES);
        println!("seed {seed}, all: {said:?}");
        assert!(said.of(SYNC) <= NODES as u64, "seed {seed}: {said:?}");
        assert!(said.of(SYNCED) <= ANSWERS, "seed {seed}: {said:?}");
    }
}

#[test]
fn those_who_stayed_answer_a_crowd_together() {
    for seed in SEEDS {
        let mut world = crowd(seed);
        let before = world.total(|it| it.syncs_witnessed);
        let away = NODES / 2;
        let said = reconnect(&mut world, 0..away);
        println!("seed {seed}, half: {said:?}");
        assert_eq!(world.total(|it| it.syncs_witnessed) - before, away as u64, "seed {seed}");
        assert!(said.of(SYNC) <= away as u64, "seed {seed}: {said:?}");
        assert!(said.of(SYNCED) <= ANSWERS, "seed {seed}: {said:?}");
    }
}

/// One frame when idle, however many nodes hear it; and what queues while a frame is under way leaves together.
#[test]
fn invalidations_cost_as_many_frames_as_there_are_waits() {
    for nodes in [1, 10, 100] {
        let mut world = World::new(nodes, 1);
        world.run(Duration::from_secs(30));
        assert_eq!(world.live(), nodes);
        world.fill(5);
        world.take_accepted();
        world.invalidate(0, [5]);
        world.run(Duration::from_millis(10));
        assert_eq!(world.holders(5), 0);
        let said = world.take_accepted();
        assert_eq!(said.all() - said.of(BEACON), 1, "{nodes} nodes: {said:?}");
        // A thousand keys within one wait for the broker, then a thousand more at once.
        world.invalidate(0, [0]);
        for key in 0..1_000 {
            world.invalidate(0, [key]);
        }
        world.run(Duration::from_millis(10));
        let said = world.take_accepted();
        assert_eq!(said.all() - said.of(BEACON), 2, "{nodes} nodes: {said:?}");
    }
}
