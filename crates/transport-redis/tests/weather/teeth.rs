//! The oracle finds what it is there for: caches that promise less than it asks.

use std::time::Duration;

use unstale::Freshness;

use crate::redis_nodes::by_url;
use crate::support::RedisServer;
use crate::support::proxy::{Flow, Proxy};
use crate::world::{Setup, World};

/// Nodes that do not bound staleness, behind a network that is silently gone, against the bound of all
/// other cases.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oracle_finds_a_node_that_bounds_nothing() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let mut world = World::new(20);
    let setup = Setup { freshness: Freshness::Eventual { cap: None }, ..Setup::default() };
    for url in [server.url(), proxy.url(), server.url()] {
        world.join(by_url(&url), &setup);
    }
    world.warm().await;
    let workload = world.begin();
    proxy.set(Flow::Swallow, Flow::Swallow);
    tokio::time::sleep(Duration::from_secs(3)).await;
    proxy.set(Flow::Pass, Flow::Pass);
    proxy.cut();
    workload.finish().await;
    let verdict = world.oracle.verdict().expect_err("stale reads");
    assert!(verdict.contains("G3, bounded staleness: node 1, cache bounded"), "{verdict}");
    for node in ["node 0", "node 2"] {
        assert!(!verdict.contains(node), "{node} has heard everything: {verdict}");
    }
    // And that a row went stale for good, had the node not repaired itself, would be seen as well.
    let instance = &world.nodes[1];
    crate::support::until("convergence", async || instance.stale_rows().is_empty().then_some(()))
        .await;
    instance.serves_hits().await;
    let row = 1;
    let version = world.table.commit(row);
    world.oracle.completed(row, version);
    assert_eq!(instance.stale_rows().len(), 2, "a commit of which the caches have not heard");
}
