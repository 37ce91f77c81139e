//! The server fails: connections killed, the process killed, the process stopped.

use std::time::Duration;

use crate::support::RedisServer;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

async fn three_on(server: &RedisServer, seed: u64) -> World {
    World::of_three(seed, [(); 3].map(|()| server.url())).await
}

/// Kills the clients of a kind a hundred times, at random moments. What is killed here is not the test's own
/// connection: a server spares whoever asks.
async fn clients_are_killed(kind: &str, seed: u64) {
    let server = RedisServer::start().await;
    let mut world = three_on(&server, seed).await;
    let before = world.counters();
    let workload = world.begin();
    let mut killed = 0;
    for turn in 0..100 {
        if turn % 25 == 24 {
            workload.next_era();
        }
        // Mostly before the nodes have recovered from the last time, now and then after.
        let most = if world.rng.u32(..4) > 0 { 20 } else { 400 };
        let pause = Duration::from_millis(world.rng.u64(..most));
        world.pass(pause).await;
        killed += server.number(&["CLIENT", "KILL", "TYPE", kind]).await;
    }
    assert!(killed >= 20, "hardly a connection was killed: {killed}");
    workload.finish().await;
    world.heal().await;
    for (instance, before) in world.nodes.iter().zip(&before) {
        let after = instance.node.counters();
        let ended = after.subscription_failures > before.subscription_failures;
        assert_eq!(ended, kind == "pubsub", "{}: {after:?}", instance.name);
        // What failed to be published goes out again, under its number: nobody misses anything.
        assert_eq!(after.clears > before.clears, kind == "pubsub", "{}: {after:?}", instance.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_times_all_subscribers_are_killed() {
    clients_are_killed("pubsub", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_times_all_publishers_are_killed() {
    clients_are_killed("normal", 2).await;
}

/// Nobody witnesses a restart of the broker: it costs each node one clear.
async fn the_broker_is_killed(down: Duration, seed: u64) {
    let mut server = RedisServer::start().await;
    let mut world = three_on(&server, seed).await;
    let before = world.counters();
    let workload = world.begin();
    world.pass(SECOND).await;
    let completed = world.oracle.completions();
    assert!(completed > 0, "the writer completes nothing");
    server.kill();
    world.pass(down).await;
    server.restart().await;
    workload.next_era();
    for instance in &world.nodes {
        instance.live().await;
    }
    world.pass(SECOND).await;
    workload.finish().await;
    world.heal().await;
    assert!(world.oracle.completions() > completed, "the writer did not go on");
    for (instance, before) in world.nodes.iter().zip(&before) {
        let after = instance.node.counters();
        let name = &instance.name;
        assert_eq!(after.clears - before.clears, 1, "clears of {name}: {after:?}");
        assert_eq!(after.syncs_witnessed, before.syncs_witnessed, "witnesses of {name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_is_killed_and_restarts_at_once() {
    the_broker_is_killed(Duration::ZERO, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_is_killed_and_restarts_after_3_s() {
    the_broker_is_killed(3 * SECOND, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_is_killed_and_restarts_after_20_s() {
    the_broker_is_killed(20 * SECOND, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_is_stopped_for_5_s() {
    let server = RedisServer::start().await;
    let mut world = three_on(&server, 6).await;
    let workload = world.begin();
    world.pass(SECOND).await;
    server.stop();
    world.pass(5 * SECOND).await;
    for instance in &world.nodes {
        assert_ne!(instance.node.status().state, unstale::State::Live, "{}", instance.name);
    }
    server.cont();
    workload.next_era();
    for instance in &world.nodes {
        instance.live().await;
    }
    world.pass(SECOND).await;
    workload.finish().await;
    world.heal().await;
}
