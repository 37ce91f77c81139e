//! Nodes that have no broker: reads go through, the status says why, and they come alive by themselves.

use std::time::Duration;

use unstale::transport::TransportErrorKind as Kind;
use unstale::{Reason, State, Status};

use crate::redis_nodes::{by_url, transport};
use crate::support::proxy::{Flow, Proxy};
use crate::support::server::free_port;
use crate::support::{Options, RedisServer, soon};
use crate::world::{COLD, Instance, ROWS, Setup, World};

const SECOND: Duration = Duration::from_secs(1);

/// Waits until the status names a transport error of this kind; what it says.
async fn says(instance: &Instance, kind: Kind) -> Status {
    let mut stream = instance.node.status_stream();
    let what = format!("a status of {} that says {kind:?}", instance.name);
    soon(&what, async {
        loop {
            let status = stream.next().await.expect("the node lives");
            if matches!(&status.reason, Some(Reason::Transport { kind: found, .. }) if *found == kind)
            {
                return status;
            }
        }
    })
    .await
}

/// Without any proof a row is served for the bound from its load on, and then loaded again.
async fn serves_its_own_loads_for_the_bound(world: &World, instance: &Instance) {
    for row in COLD..COLD + 8 {
        assert_eq!(instance.read(&instance.bounded, row).await, world.table.latest(row));
    }
    let loads = instance.bounded.cache.stats().loads;
    crate::support::until("hits right after a load", async || {
        let row = COLD + 9;
        instance.read(&instance.bounded, row).await;
        (instance.get(&instance.bounded, row) == Some(1)).then_some(())
    })
    .await;
    crate::support::until("a load after the bound", async || {
        instance.read(&instance.bounded, COLD).await;
        (instance.bounded.cache.stats().loads > loads + 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_starts_while_the_broker_is_down() {
    let mut server = RedisServer::start().await;
    let mut world = World::new(70);
    for _ in 0..2 {
        world.join(by_url(&server.url()), &Setup::default());
    }
    world.warm().await;
    server.kill();
    let late = world.join(by_url(&server.url()), &Setup::default());
    let workload = world.begin();
    let status = says(&late, Kind::Unreachable).await;
    assert_eq!(status.state, State::Starting, "{status}");
    serves_its_own_loads_for_the_bound(&world, &late).await;
    world.pass(SECOND).await;
    server.restart().await;
    workload.next_era();
    late.live().await;
    world.pass(SECOND).await;
    workload.finish().await;
    world.heal().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_has_a_wrong_password() {
    const RIGHT: &str = "correct-horse";
    const WRONG: &str = "battery-staple";
    let server = Options::new().password(RIGHT).start().await;
    let url = |password| format!("redis://:{password}@127.0.0.1:{}", server.port());
    let mut world = World::new(71);
    for _ in 0..2 {
        world.join(by_url(&url(RIGHT)), &Setup::default());
    }
    world.warm().await;
    let stranger = world.join(by_url(&url(WRONG)), &Setup::default());
    let workload = world.begin();
    let status = says(&stranger, Kind::Unauthorized).await;
    let shown = format!("{status} {status:?} {:?}", stranger.node);
    assert!(status.to_string().contains("wrong credentials"), "{status}");
    assert!(!shown.contains(WRONG) && !shown.contains(RIGHT), "{shown}");
    assert_eq!(status.state, State::Starting, "{status}");
    serves_its_own_loads_for_the_bound(&world, &stranger).await;
    // What it invalidates itself is not lost, and no more said to be published than it is.
    let (row, writer) = (ROWS - 1, stranger.clone());
    let mut write = Box::pin(writer.write(row));
    let early = tokio::time::timeout(SECOND, &mut write).await;
    assert!(early.is_err(), "published by a node that cannot log in");
    // The operator sets it right at the server.
    server.cli(&["ACL", "SETUSER", "default", &format!(">{WRONG}")]).await;
    stranger.live().await;
    soon("the publication of what waited", write).await;
    world.pass(SECOND).await;
    workload.finish().await;
    world.heal().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_refuse_and_hosts_that_never_answer_are_unreachable() {
    let server = RedisServer::start().await;
    let silent = Proxy::start(server.port()).await;
    silent.set(Flow::Hold, Flow::Hold);
    let mut world = World::new(72);
    let refused = format!("redis://127.0.0.1:{}", free_port());
    world.join(by_url(&server.url()), &Setup::default());
    world.warm().await;
    let refused = world.join(by_url(&refused), &Setup::default());
    let unanswered = world.join(by_url(&silent.url()), &Setup::default());
    let workload = world.begin();
    for instance in [&refused, &unanswered] {
        let status = says(instance, Kind::Unreachable).await;
        assert!(status.to_string().contains("127.0.0.1"), "names the address: {status}");
        assert_eq!(status.state, State::Starting, "{status}");
        serves_its_own_loads_for_the_bound(&world, instance).await;
    }
    silent.set(Flow::Pass, Flow::Pass);
    unanswered.live().await;
    workload.finish().await;
    // The one that has nowhere to go is none of those that heal.
    world.nodes.retain(|instance| instance.node.status().state == State::Live);
    assert_eq!(world.nodes.len(), 2);
    world.heal().await;
    soon("a node that gives up", refused.node.shutdown(SECOND)).await.unwrap();
}

/// The first of two addresses never answers: the node gets to the second one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_hosts_never_answers() {
    let server = RedisServer::start().await;
    let silent = Proxy::start(server.port()).await;
    silent.set(Flow::Hold, Flow::Hold);
    let mut world = World::new(73);
    for _ in 0..3 {
        let urls = [silent.url(), server.url()];
        world.join(transport(|builder| builder.urls(urls)), &Setup::default());
    }
    world.warm().await;
    let workload = world.begin();
    world.pass(SECOND).await;
    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    workload.next_era();
    world.pass(SECOND).await;
    workload.finish().await;
    world.heal().await;
}
