//! The real transport, unmodified.

use unstale::Transport;
use unstale::transport::{Item, TransportErrorKind as Kind};
use unstale_sim::redis::{Options, Server};

use crate::support::{builder, frames, next, publish, subscribe, transport};

fn old() -> Server {
    Server::with_options("redis", Options { resp3: false, ..Options::default() })
}

#[tokio::test(start_paused = true)]
async fn frames_arrive_in_one_order_and_fences_in_their_place() {
    for server in [Server::new("redis"), old()] {
        let (a, b) = (transport(&server, "a"), transport(&server, "b"));
        let (mut first, mut second) = (subscribe(&a).await, subscribe(&b).await);
        assert_eq!(first.sequencer(), second.sequencer());
        for _ in 0..10 {
            publish(&a, "from a").await.unwrap();
            publish(&b, "from b").await.unwrap();
        }
        let (first, second) = (frames(&mut first, 1).await, frames(&mut second, 2).await);
        assert_eq!(first, second);
        assert_eq!(first, ["from a", "from b"].repeat(10));
        assert_eq!(server.counts().accepted, 20);
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_after_a_fence_comes_after_it() {
    let server = Server::new("redis");
    let a = transport(&server, "a");
    let mut subscription = subscribe(&a).await;
    assert!(frames(&mut subscription, 1).await.is_empty());
    publish(&a, "later").await.unwrap();
    let frame = next(&mut subscription).await.unwrap();
    assert_eq!(frame, Item::Frame("later".into()));
}

#[tokio::test(start_paused = true)]
async fn version_2_needs_a_connection_more() {
    for (server, connections) in [(Server::new("redis"), 1), (old(), 2)] {
        let _subscription = subscribe(&transport(&server, "a")).await;
        assert_eq!(server.counts().connections, connections);
        assert_eq!(server.subscribers(b"unstale:shop"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_is_asked_for() {
    let users = vec![("app".to_owned(), "hunter3".to_owned())];
    let password = Some("hunter2".to_owned());
    let server = Server::with_options("redis", Options { password, users, ..Options::default() });
    for (user, password) in [("", "hunter2"), ("default", "hunter2"), ("app", "hunter3")] {
        let a = builder(&[&server], "a").credentials(user, password).build().unwrap();
        let mut subscription = subscribe(&a).await;
        publish(&a, "x").await.unwrap();
        assert_eq!(frames(&mut subscription, 1).await, ["x"]);
    }
    let a = builder(&[&server], "a").credentials("app", "hunter2").build().unwrap();
    assert_eq!(publish(&a, "x").await.unwrap_err().kind(), Kind::Unauthorized);
    let a = transport(&server, "a");
    assert_eq!(a.subscribe().await.map(|_| ()).unwrap_err().kind(), Kind::Unauthorized);
    assert_eq!(server.counts().accepted, 3);
}

#[tokio::test(start_paused = true)]
async fn a_restart_ends_it_all_and_is_someone_else() {
    let server = Server::new("redis");
    let a = transport(&server, "a");
    let mut before = subscribe(&a).await;
    publish(&a, "x").await.unwrap();
    server.restart();
    assert_eq!(next(&mut before).await.unwrap(), Item::Frame("x".into()), "it was written");
    assert_eq!(next(&mut before).await.unwrap_err().kind(), Kind::Unreachable);
    // The publisher has found the new one, which the last subscription does not hear.
    assert_eq!(publish(&a, "y").await.unwrap_err().kind(), Kind::Demoted);
    let mut after = subscribe(&a).await;
    assert_ne!(before.sequencer(), after.sequencer());
    publish(&a, "z").await.unwrap();
    assert_eq!(frames(&mut after, 1).await, ["z"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_is_noticed_and_comes_back_as_itself() {
    let server = Server::new("redis");
    let a = transport(&server, "a");
    let mut before = subscribe(&a).await;
    server.set_up(false);
    assert_eq!(next(&mut before).await.unwrap_err().kind(), Kind::Unreachable);
    assert_eq!(a.subscribe().await.map(|_| ()).unwrap_err().kind(), Kind::Unreachable);
    assert_eq!(publish(&a, "x").await.unwrap_err().kind(), Kind::Unreachable);
    server.set_up(true);
    let after = subscribe(&a).await;
    assert_eq!(before.sequencer(), after.sequencer());
}

#[tokio::test(start_paused = true)]
async fn a_sharded_channel_of_a_cluster_of_one() {
    let server = Server::new("redis");
    let streams = crate::support::Streams { servers: vec![server.clone()], peer: "a".into() };
    let a = unstale_redis::RedisTransport::builder()
        .cluster(["redis://redis"])
        .channel(crate::support::CHANNEL)
        .connector(streams)
        .runtime(crate::support::TestRuntime::new())
        .build()
        .unwrap();
    let mut subscription = subscribe(&a).await;
    publish(&a, "x").await.unwrap();
    assert_eq!(frames(&mut subscription, 1).await, ["x"]);
}
