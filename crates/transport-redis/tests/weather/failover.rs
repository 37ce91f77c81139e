//! Another server takes over.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use unstale_redis::{Address, Connector, NetConnector, Stream};

use crate::redis_nodes::transport;
use crate::support::proxy::{Flow, Proxy};
use crate::support::sentinel::{MASTER, Sentinels};
use crate::support::server::free_port;
use crate::support::{RedisServer, until};
use crate::world::{Setup, World};

const SECOND: Duration = Duration::from_secs(1);

/// `REPLICAOF` under live connections: the old primary goes on to answer and says nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_is_demoted_under_live_connections() {
    let first = RedisServer::start().await;
    let second = RedisServer::start().await;
    second.replicate(&first).await;
    let mut world = World::new(60);
    for _ in 0..3 {
        let urls = [first.url(), second.url()];
        world.join(transport(|builder| builder.urls(urls)), &Setup::default());
    }
    world.warm().await;
    let before = world.counters();
    let workload = world.begin();
    world.pass(SECOND).await;
    // Back and forth, so that a server that was demoted and promoted again is met as well.
    for (old, new, pause) in [(&first, &second, SECOND / 2), (&second, &first, Duration::ZERO)] {
        let completed = world.oracle.completions();
        // In this order, so that there are never two primaries: that would be a split brain.
        let port = new.port().to_string();
        old.cli(&["REPLICAOF", "127.0.0.1", &port]).await;
        world.pass(pause).await;
        new.cli(&["REPLICAOF", "NO", "ONE"]).await;
        workload.next_era();
        until("completed invalidations on the new primary", async || {
            (world.oracle.completions() > completed + 100).then_some(())
        })
        .await;
        for instance in &world.nodes {
            instance.live().await;
        }
        world.pass(SECOND).await;
    }
    workload.finish().await;
    world.heal().await;
    for (instance, before) in world.nodes.iter().zip(&before) {
        let after = instance.node.counters();
        let name = &instance.name;
        assert!(after.subscription_failures >= before.subscription_failures + 2, "{name} moved");
        assert!(after.clears >= before.clears + 2, "nobody could witness for {name}");
    }
}

/// One node keeps its connections to a primary that is demoted, and cannot open others. The old primary has
/// lost sight of its successor: it answers, and hears nothing.
async fn a_node_is_left_behind(left: usize, seed: u64) {
    let first = RedisServer::start().await;
    let second = RedisServer::start().await;
    second.replicate(&first).await;
    let proxies = Proxies::before(&[&first, &second]).await;
    let mut world = World::new(seed);
    for index in 0..3 {
        let urls = [first.url(), second.url()];
        let transport = transport(|builder| {
            let builder = builder.urls(urls);
            if index == left { builder.connector(proxies.connector()) } else { builder }
        });
        world.join(transport, &Setup::default());
    }
    world.warm().await;
    let workload = world.begin();
    world.pass(SECOND / 2).await;
    proxies.all().for_each(|proxy| proxy.accept(false));
    let nowhere = free_port().to_string();
    first.cli(&["REPLICAOF", "127.0.0.1", &nowhere]).await;
    second.cli(&["REPLICAOF", "NO", "ONE"]).await;
    for (index, instance) in world.nodes.iter().enumerate().filter(|(index, _)| *index != left) {
        until(&format!("node {index} at the new primary"), async || {
            (instance.node.counters().subscriptions >= 2).then_some(())
        })
        .await;
        instance.live().await;
    }
    let before = world.nodes[left].node.counters();
    let completed = world.oracle.completions();
    world.pass(2 * SECOND).await;
    if left == 0 {
        assert_eq!(world.oracle.completions(), completed, "published to nobody");
    } else {
        assert!(world.oracle.completions() > completed + 100, "the writer goes on");
    }
    let after = world.nodes[left].node.counters();
    assert_eq!(after.fences, before.fences, "fences of the old primary prove nothing");
    proxies.all().for_each(|proxy| proxy.accept(true));
    workload.next_era();
    world.nodes[left].live().await;
    world.pass(SECOND / 2).await;
    workload.finish().await;
    world.heal().await;
}

/// What it publishes reaches nobody, and must not count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_writer_is_left_behind_at_the_demoted_primary() {
    a_node_is_left_behind(0, 62).await;
}

/// What it hears is not all there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_is_left_behind_at_the_demoted_primary() {
    a_node_is_left_behind(2, 63).await;
}

/// One proxy before each server.
struct Proxies(Vec<(u16, Proxy)>);

impl Proxies {
    async fn before(servers: &[&RedisServer]) -> Self {
        let mut proxies = Vec::new();
        for server in servers {
            proxies.push((server.port(), Proxy::start(server.port()).await));
        }
        Self(proxies)
    }

    fn all(&self) -> impl Iterator<Item = &Proxy> {
        self.0.iter().map(|(_, proxy)| proxy)
    }

    fn connector(&self) -> Through {
        Through { ports: self.0.iter().map(|(port, proxy)| (*port, proxy.port())).collect() }
    }
}

/// Leads to servers through their proxies.
#[derive(Debug)]
struct Through {
    /// From a server's port to its proxy's.
    ports: BTreeMap<u16, u16>,
}

#[async_trait]
impl Connector for Through {
    async fn connect(&self, address: &Address) -> io::Result<Box<dyn Stream>> {
        match address {
            Address::Tcp { host, port } => {
                let port = *self.ports.get(port).unwrap_or(port);
                NetConnector.connect(&Address::Tcp { host: host.clone(), port }).await
            }
            address => NetConnector.connect(address).await,
        }
    }
}

/// The primary dies with frames that it had accepted and that one node has never met; the replica that
/// Sentinel promotes lacks them too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_promoted_that_lacks_accepted_frames() {
    let mut sentinels = Sentinels::start().await;
    let old = sentinels.primary_port().await;
    let proxies = Proxies::before(&sentinels.servers.iter().collect::<Vec<_>>()).await;
    let mut world = World::new(61);
    for index in 0..3 {
        let transport = transport(|builder| {
            let builder = builder.sentinel(MASTER, sentinels.urls());
            if index == 2 { builder.connector(proxies.connector()) } else { builder }
        });
        world.join(transport, &Setup::default());
    }
    world.warm().await;
    let before = world.counters();
    let workload = world.begin();
    world.pass(SECOND / 2).await;

    let received = world.nodes[2].node.counters().targets_received;
    let completed = world.oracle.completions();
    proxies.all().for_each(|proxy| proxy.set(Flow::Pass, Flow::Swallow));
    sentinels.servers[1].stop();
    until("frames that are accepted and lost", async || {
        (world.oracle.completions() > completed + 50).then_some(())
    })
    .await;
    sentinels.servers[0].kill();
    sentinels.servers[1].cont();
    workload.next_era();
    let lost = world.oracle.completions();
    proxies.all().for_each(|proxy| proxy.set(Flow::Pass, Flow::Pass));

    until("the failover", async || (sentinels.primary_port().await != old).then_some(())).await;
    until("completed invalidations on the new primary", async || {
        (world.oracle.completions() > lost + 100).then_some(())
    })
    .await;
    for instance in &world.nodes {
        instance.live().await;
    }
    world.pass(SECOND).await;
    workload.finish().await;
    world.heal().await;
    assert!(world.nodes[2].node.counters().targets_received >= received);
    for (instance, before) in world.nodes.iter().zip(&before) {
        let clears = instance.node.counters().clears - before.clears;
        assert!(clears >= 1, "nobody could witness for {}", instance.name);
    }
}
