//! The connections to the service fail.

use std::time::Duration;

use unstale_azure::DataPath;

use crate::support::Namespace;
use crate::support::proxy::{Flow, Proxy};
use crate::world::{Setup, World};

const SECOND: Duration = Duration::from_secs(1);

/// Three nodes on a namespace, warm.
pub async fn three(namespace: &Namespace, seed: u64) -> World {
    let mut world = World::new(seed);
    for _ in 0..3 {
        world.join(namespace.transport(), &Setup::default());
    }
    world.warm().await;
    world
}

/// All connections end at once: nobody can witness for the others what was sent onto the dead links.
async fn all_links_are_cut(path: DataPath) {
    let namespace = Namespace::start_on(path).await;
    let mut world = three(&namespace, 110).await;
    let before = world.counters();
    let workload = world.begin();
    world.pass(SECOND / 2).await;
    namespace.emulator.cut_all();
    workload.next_era();
    world.pass(SECOND).await;
    workload.finish().await;
    world.heal().await;
    for (before, after) in before.iter().zip(world.counters()) {
        assert!(after.subscription_failures > before.subscription_failures, "{after:?}");
    }
}

on_each_path!(all_links_are_cut);

/// One node's links end: the others witness what it missed, and nobody drops anything.
async fn one_link_is_cut_and_costs_no_clear(path: DataPath) {
    let namespace = Namespace::start_on(path).await;
    let proxy = Proxy::start(namespace.port()).await;
    let mut world = World::new(111);
    // Within a bound that is longer than the cut: else the reads during the cut have to load.
    let bound = 10 * SECOND;
    let setup = Setup {
        freshness: unstale::Freshness::Within(bound),
        judged_by: bound,
        ..Setup::default()
    };
    for port in [namespace.port(), proxy.port(), namespace.port()] {
        world.join(namespace.builder_at(port).build().unwrap(), &setup);
    }
    world.warm().await;
    let before = world.counters();
    let workload = world.begin();
    world.pass(SECOND / 2).await;
    proxy.accept(false);
    proxy.cut();
    world.pass(SECOND / 2).await;
    proxy.accept(true);
    workload.next_era();
    world.nodes[1].live().await;
    world.pass(SECOND / 2).await;
    workload.finish().await;
    world.heal().await;
    let after = world.counters();
    for (index, (before, after)) in before.iter().zip(&after).enumerate() {
        assert_eq!(after.clears, before.clears, "clears of node {index}: {after:?}");
    }
    assert!(after[1].syncs_witnessed > before[1].syncs_witnessed, "{:?}", after[1]);
    assert!(after[1].replayed > before[1].replayed, "something was missed and replayed");
}

on_each_path!(one_link_is_cut_and_costs_no_clear);

/// For 5 s one node's bytes vanish, while its connections stay open.
async fn bytes_vanish(path: DataPath, behind: usize, to_server: Flow, to_client: Flow, seed: u64) {
    let namespace = Namespace::start_on(path).await;
    let proxy = Proxy::start(namespace.port()).await;
    let mut world = World::new(seed);
    for index in 0..3 {
        let port = if index == behind { proxy.port() } else { namespace.port() };
        world.join(namespace.builder_at(port).build().unwrap(), &Setup::default());
    }
    world.warm().await;
    let before = world.counters();
    let workload = world.begin();
    world.pass(SECOND / 2).await;
    proxy.set(to_server, to_client);
    world.pass(5 * SECOND).await;
    proxy.set(Flow::Pass, Flow::Pass);
    workload.next_era();
    world.nodes[behind].live().await;
    world.pass(SECOND / 2).await;
    workload.finish().await;
    world.heal().await;
    let (before, after) = (&before[behind], world.nodes[behind].node.counters());
    assert!(after.subscription_failures > before.subscription_failures, "{after:?}");
}

async fn a_reader_behind_a_silent_network(path: DataPath) {
    bytes_vanish(path, 1, Flow::Swallow, Flow::Swallow, 112).await;
}

on_each_path!(a_reader_behind_a_silent_network);

async fn a_writer_whose_bytes_vanish_one_way(path: DataPath) {
    bytes_vanish(path, 0, Flow::Swallow, Flow::Pass, 113).await;
}

on_each_path!(a_writer_whose_bytes_vanish_one_way);
