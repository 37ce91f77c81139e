//! How much a crowd says: frames that can be counted, with a thousand nodes.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod world;

use std::time::Duration;

use world::{Accepted, BEACON, REPLAY, SYNC, SYNCED, World};

const NODES: usize = 1_000;
/// The target: `Sync` and `Synced` together when one node reconnects.
const ONE_RECONNECTS: u64 = 5;
/// The same for answers when a thousand do.
const ANSWERS: u64 = 100;
/// Changes while somebody is away.
const MISSED: u64 = 20;
/// Longer than a node is away, asks and is answered.
const SETTLED: Duration = Duration::from_secs(10);
/// The same where everybody is far behind.
const SETTLED_BEHIND: Duration = Duration::from_secs(30);

/// A thousand nodes that are live, and of which each knows of the others.
fn crowd() -> World {
    let mut world = World::new(NODES, 1);
    world.run(SETTLED);
    assert_eq!(world.live(), NODES);
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
    world.run(SETTLED_BEHIND);
    assert_eq!(world.live(), NODES);
    world.take_accepted()
}

/// One after the other in the same crowd, which takes a while to gather.
#[test]
fn a_crowd_answers_those_who_reconnect_together() {
    let mut world = crowd();
    let before = (world.total(|it| it.syncs_witnessed), world.total(|it| it.replayed));
    let said = reconnect(&mut world, 7..8);
    println!("one of {NODES} reconnects: {said:?}");
    assert_eq!(world.total(|it| it.syncs_witnessed) - before.0, 1, "nothing was dropped");
    assert!(world.total(|it| it.replayed) > before.1, "it missed something");
    assert!((2..=ONE_RECONNECTS).contains(&(said.of(SYNC) + said.of(SYNCED))), "{said:?}");
    assert!(said.of(REPLAY) <= said.of(SYNCED), "{said:?}");

    let before = world.total(|it| it.syncs_witnessed);
    let away = NODES / 2;
    let said = reconnect(&mut world, 0..away);
    println!("half of {NODES} reconnect: {said:?}");
    assert_eq!(world.total(|it| it.syncs_witnessed) - before, away as u64);
    assert_eq!(said.of(SYNC), away as u64);
    assert!(said.of(SYNCED) <= ANSWERS, "{said:?}");

    // Nobody is left who could be a witness.
    let said = reconnect(&mut world, 0..NODES);
    println!("all {NODES} reconnect: {said:?}");
    assert_eq!(said.of(SYNC), NODES as u64);
    assert!(said.of(SYNCED) <= ANSWERS, "{said:?}");
}

/// Where all are behind they hear of each other's answers too late to be silent. If all of them answered, which costs
/// everybody more than anything else does, they would never catch up.
#[test]
fn a_crowd_that_is_behind_does_not_drown_in_answers() {
    let mut world = crowd();
    for behind_ms in [50, 200, 500, 900, 1_500] {
        world.fall_behind(Duration::from_millis(behind_ms));
        world.run(SETTLED_BEHIND);
        world.take_accepted();
        let before = world.total(|it| it.syncs_witnessed);
        let said = reconnect(&mut world, 0..3);
        println!("{behind_ms} ms behind: {said:?}");
        assert_eq!(said.of(SYNC), 3);
        assert_eq!(world.total(|it| it.syncs_witnessed) - before, 3, "nothing was dropped");
        assert!(said.of(SYNCED) <= ANSWERS, "{behind_ms} ms behind: {said:?}");
    }
}

/// Nobody knows of anybody yet, all ask at about the same time, and one answer makes hundreds able to give the next.
#[test]
fn a_crowd_that_starts_at_once_shares_answers() {
    let mut world = World::new(NODES, 1);
    world.run(SETTLED);
    let said = world.take_accepted();
    println!("{NODES} start: {said:?}");
    assert_eq!(world.live(), NODES);
    assert_eq!(said.of(SYNC), NODES as u64);
    assert!(said.of(SYNCED) <= 2 * ANSWERS, "{said:?}");
    // Not all in the moment in which they are told that they are synced.
    assert!(said.of(BEACON) <= 2 * NODES as u64, "{said:?}");
}

/// What puts all behind must not make them say more, which would put them behind further: answers, and subscriptions
/// that are opened anew because fences take long. Three times as slow as measured is near what a crowd of that size
/// costs while nothing happens.
#[test]
fn a_crowd_comes_up_where_processors_are_slow() {
    for slowness in [1, 3] {
        let mut world = World::new(NODES, 1);
        world.take_time(slowness);
        until_live(&mut world, &format!("{NODES} start, {slowness} times as slow"));
        assert_eq!(world.total(|it| it.subscription_failures), 0);

        (0..NODES).for_each(|node| world.cut(node));
        until_live(&mut world, &format!("{NODES} reconnect, {slowness} times as slow"));
        assert_eq!(world.total(|it| it.subscriptions), 2 * NODES as u64);
    }
}

/// Runs until all have been live for a while.
fn until_live(world: &mut World, what: &str) {
    let (mut seconds, mut quiet) = (0, 0);
    while quiet < 5 {
        world.run(Duration::from_secs(1));
        (seconds, quiet) = (seconds + 1, if world.live() == NODES { quiet + 1 } else { 0 });
        let said = &world.accepted;
        assert!(seconds <= 60, "{what}: {} are live; {said:?}", world.live());
    }
    let said = world.take_accepted();
    println!("{what}: live after {} s; {said:?}", seconds - quiet);
    assert!(said.of(SYNCED) <= 2 * ANSWERS, "{what}: {said:?}");
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
