//! The network between one node and the server fails.

use std::time::Duration;

use unstale::Freshness;

use crate::redis_nodes::by_url;
use crate::support::proxy::{Flow, Proxy};
use crate::support::{Options, RedisServer, until};
use crate::world::{Setup, World};

const SECOND: Duration = Duration::from_secs(1);

/// Three nodes, of which one reaches the server through a proxy.
async fn three_of_which(
    behind: usize,
    server: &RedisServer,
    seed: u64,
    setup: &Setup,
) -> (World, Proxy) {
    let proxy = Proxy::start(server.port()).await;
    let mut world = World::new(seed);
    for index in 0..3 {
        let url = if index == behind { proxy.url() } else { server.url() };
        world.join(by_url(&url), setup);
    }
    world.warm().await;
    (world, proxy)
}

/// For 5 s one node's bytes vanish, while its connections stay open.
async fn bytes_are_swallowed(behind: usize, to_server: Flow, to_client: Flow, seed: u64) {
    let server = RedisServer::start().await;
    let (mut world, proxy) = three_of_which(behind, &server, seed, &Setup::default()).await;
    let before = world.counters();
    let workload = world.begin();
    world.pass(SECOND / 2).await;
    let completed = world.oracle.completions();
    proxy.set(to_server, to_client);
    world.pass(5 * SECOND).await;
    if behind != 0 {
        assert!(world.oracle.completions() > completed + 100, "the writer is not concerned");
    }
    proxy.set(Flow::Pass, Flow::Pass);
    workload.next_era();
    world.nodes[behind].live().await;
    world.pass(SECOND / 2).await;
    workload.finish().await;
    world.heal().await;
    for (index, (instance, before)) in world.nodes.iter().zip(&before).enumerate() {
        let after = instance.node.counters();
        let failures = after.subscription_failures - before.subscription_failures;
        assert_eq!(failures > 0, index == behind, "{} lost {failures}", instance.name);
        // The others are witnesses of everything.
        assert_eq!(after.clears, before.clears, "clears of {}: {after:?}", instance.name);
    }
}

/// Once a node that only reads, once the one that writes.
async fn reader_and_writer_are_cut_off(to_server: Flow, to_client: Flow, seed: u64) {
    let reader = Box::pin(bytes_are_swallowed(1, to_server, to_client, seed));
    let writer = Box::pin(bytes_are_swallowed(0, to_server, to_client, seed + 1));
    tokio::join!(reader, writer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_to_the_server_vanish_for_5_s() {
    reader_and_writer_are_cut_off(Flow::Swallow, Flow::Pass, 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_from_the_server_vanish_for_5_s() {
    reader_and_writer_are_cut_off(Flow::Pass, Flow::Swallow, 32).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_in_both_directions_vanish_for_5_s() {
    reader_and_writer_are_cut_off(Flow::Swallow, Flow::Swallow, 34).await;
}

/// A cut of one second costs no clear and no reload of rows that nobody touched: the others witness it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_of_one_second_costs_nothing() {
    let server = RedisServer::start().await;
    // Within a bound that is longer than the cut: else the reads during the cut have to load.
    let bound = 5 * SECOND;
    let setup = Setup { freshness: Freshness::Within(bound), judged_by: bound, ..Setup::default() };
    let (mut world, proxy) = three_of_which(1, &server, 40, &setup).await;
    let (before, loads) = (world.counters(), cold_loads(&world));
    let workload = world.begin();
    world.pass(SECOND / 2).await;
    let completed = world.oracle.completions();
    proxy.accept(false);
    proxy.cut();
    world.pass(SECOND).await;
    assert_ne!(world.nodes[1].node.status().state, unstale::State::Live);
    assert!(world.oracle.completions() > completed + 20, "the others go on meanwhile");
    proxy.accept(true);
    workload.next_era();
    world.nodes[1].live().await;
    world.pass(SECOND / 2).await;
    workload.finish().await;
    world.heal().await;
    let after = world.counters();
    for (index, (before, after)) in before.iter().zip(&after).enumerate() {
        assert_eq!(after.clears, before.clears, "clears of node {index}: {after:?}");
        let witnessed = after.syncs_witnessed - before.syncs_witnessed;
        assert_eq!(witnessed, u64::from(index == 1), "witnessed syncs of node {index}");
    }
    assert!(after[1].replayed > before[1].replayed, "something was missed and replayed");
    assert_eq!(cold_loads(&world), loads, "loads of rows that nobody touched");
}

fn cold_loads(world: &World) -> Vec<u64> {
    world.nodes.iter().map(|instance| instance.loads_of_cold_rows()).collect()
}

/// A subscriber that does not read is cut off by the server, under a burst of 200,000 invalidations.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_subscriber_is_cut_off_by_the_server() {
    const BURST: usize = 200_000;
    const BATCH: usize = 1_000;
    // Room for some twenty frames: a healthy node on a busy machine must not be cut off as well.
    let server = Options::new().line("client-output-buffer-limit pubsub 4mb 2mb 5").start().await;
    let (mut world, proxy) = three_of_which(2, &server, 50, &Setup::default()).await;
    // Long keys fill the buffers of the operating system, so that the server's own has to grow.
    let bulk = world.nodes[0].node.cache::<String, u64>("bulk").build().unwrap();
    let key = |number: usize| format!("{number:0200}");
    let workload = world.begin();
    world.pass(SECOND / 2).await;
    // In both directions, so that the connection stays when the node gives it up by itself.
    proxy.set(Flow::Hold, Flow::Hold);
    for batch in 0..BURST / BATCH {
        let keys: Vec<_> = (batch * BATCH..(batch + 1) * BATCH).map(key).collect();
        bulk.invalidate_many(&keys).published().await.unwrap();
        world.check();
    }
    until("the overflow", async || {
        server.log().contains("overcoming of output buffer limits").then_some(())
    })
    .await;
    proxy.set(Flow::Pass, Flow::Pass);
    workload.next_era();
    world.nodes[2].live().await;
    world.pass(SECOND).await;
    workload.finish().await;
    world.heal().await;
    assert_eq!(world.nodes[0].node.counters().outbox_collapses, 0, "the burst was no burst");
    assert!(world.nodes[1].node.counters().targets_received >= BURST as u64);
}
