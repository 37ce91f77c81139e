//! One real server: order, fences, publishing, and everything that must end or fail.
#![expect(clippy::disallowed_methods, reason = "tests wait for real servers in real time")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use support::proxy::{Flow, Proxy};
use support::{Options, RedisServer, end, fenced, next, soon, until};
use unstale::Transport;
use unstale::transport::{Item, SubscriptionExt, TransportErrorKind as Kind};
use unstale_redis::RedisTransport;

fn transport(server: &RedisServer) -> RedisTransport {
    RedisTransport::new(server.url(), "shop").expect("a configuration")
}

fn frame(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[tokio::test]
async fn frames_come_in_order_with_fences_in_their_place() {
    let server = RedisServer::start().await;
    let (one, other) = (transport(&server), transport(&server));
    let mut mine = one.subscribe().await.unwrap();
    let mut theirs = other.subscribe().await.unwrap();
    assert_eq!(mine.sequencer(), theirs.sequencer());
    assert!(mine.sequencer().is_some());

    for round in 0..100_u64 {
        let sent: Vec<Bytes> = (0..5).map(|n| frame(&format!("{round}/{n}"))).collect();
        for (n, frame) in sent.iter().enumerate() {
            let publisher = if n % 2 == 0 { &one } else { &other };
            publisher.publish(frame.clone()).await.unwrap();
        }
        assert_eq!(fenced(&mut mine, round).await.unwrap(), sent);
        assert_eq!(fenced(&mut theirs, round).await.unwrap(), sent);
    }
}

#[tokio::test]
async fn fences_asked_together_pass_in_their_order() {
    let server = RedisServer::start().await;
    let mut subscription = transport(&server).subscribe().await.unwrap();
    for token in [7, 7, u64::MAX, 0] {
        subscription.fence(token);
    }
    for token in [7, 7, u64::MAX, 0] {
        assert_eq!(next(&mut subscription).await, Item::Fenced(token));
    }
}

#[tokio::test]
async fn any_bytes_of_anyone_pass_and_other_channels_do_not() {
    let server = RedisServer::start().await;
    let transport = transport(&server);
    let mut subscription = transport.subscribe().await.unwrap();
    let garbage = Bytes::from_iter((0..=255).cycle().take(100_000));
    let mut foreign = server.connection().await;
    redis::cmd("PUBLISH")
        .arg("unstale:other")
        .arg("not ours")
        .exec_async(&mut foreign)
        .await
        .unwrap();
    for bytes in [&garbage[..], b"", b"pong", b"*1\r\n$4\r\nPING\r\n"] {
        redis::cmd("PUBLISH")
            .arg(transport.channel())
            .arg(bytes)
            .exec_async(&mut foreign)
            .await
            .unwrap();
    }
    let seen = fenced(&mut subscription, 1).await.unwrap();
    assert_eq!(seen, [garbage, Bytes::new(), frame("pong"), frame("*1\r\n$4\r\nPING\r\n")]);
}

#[tokio::test]
async fn the_database_makes_no_difference() {
    let server = RedisServer::start().await;
    let url = |database: u8| format!("{}/{database}", server.url());
    let mut subscription = RedisTransport::new(url(3), "shop").unwrap().subscribe().await.unwrap();
    let other = RedisTransport::new(url(7), "shop").unwrap();
    other.publish(frame("x")).await.unwrap();
    assert_eq!(next(&mut subscription).await, Item::Frame(frame("x")));
}

#[tokio::test]
async fn a_frame_of_the_largest_size_passes_and_a_larger_one_is_rejected() {
    let server = RedisServer::start().await;
    let transport = RedisTransport::builder()
        .url(server.url())
        .namespace("shop")
        .max_frame_bytes(3 << 20)
        .build()
        .unwrap();
    let mut subscription = transport.subscribe().await.unwrap();
    let largest = Bytes::from(vec![b'x'; 3 << 20]);
    transport.publish(largest.clone()).await.unwrap();
    assert_eq!(next(&mut subscription).await, Item::Frame(largest));

    let too_large = Bytes::from(vec![0; (3 << 20) + 1]);
    let error = transport.publish(too_large).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Rejected);
    assert!(fenced(&mut subscription, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_message_that_is_too_large_to_keep_ends_the_subscription() {
    let server = Options::new().line("client-output-buffer-limit pubsub 0 0 0").start().await;
    let transport = transport(&server);
    let mut subscription = transport.subscribe().await.unwrap();
    redis::cmd("PUBLISH")
        .arg(transport.channel())
        .arg(vec![0_u8; 40 << 20])
        .exec_async(&mut server.connection().await)
        .await
        .unwrap();
    let error = end(&mut subscription).await;
    assert_eq!(error.kind(), Kind::Protocol, "{error}");
}

#[tokio::test]
async fn a_demoted_primary_confirms_nothing() {
    let primary = RedisServer::start().await;
    let server = RedisServer::start().await;
    let transport = transport(&server);
    let mut subscription = transport.subscribe().await.unwrap();
    transport.publish(frame("before")).await.unwrap();
    fenced(&mut subscription, 1).await.unwrap();

    server.replicate(&primary).await;
    let error = transport.publish(frame("lost")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Demoted, "{error}");
    let error = fenced(&mut subscription, 2).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Demoted, "{error}");
    let error = transport.subscribe().await.err().unwrap();
    assert_eq!(error.kind(), Kind::Demoted, "{error}");
    assert!(error.to_string().contains("replica"), "{error}");
}

#[tokio::test]
async fn demoted_and_promoted_again_is_another_sequencer() {
    let primary = RedisServer::start().await;
    let server = RedisServer::start().await;
    let transport = transport(&server);
    let mut subscription = transport.subscribe().await.unwrap();
    let before = subscription.sequencer().cloned();

    server.replicate(&primary).await;
    server.cli(&["REPLICAOF", "NO", "ONE"]).await;
    let error = fenced(&mut subscription, 1).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Demoted, "{error}");

    let mut subscription = transport.subscribe().await.unwrap();
    assert_ne!(subscription.sequencer().cloned(), before);
    transport.publish(frame("x")).await.unwrap();
    assert_eq!(fenced(&mut subscription, 1).await.unwrap(), [frame("x")]);
}

#[tokio::test]
async fn a_killed_subscriber_ends_and_can_come_again() {
    let server = RedisServer::start().await;
    let transport = transport(&server);
    let mut subscription = transport.subscribe().await.unwrap();
    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    assert_eq!(end(&mut subscription).await.kind(), Kind::Unreachable);

    let mut again = transport.subscribe().await.unwrap();
    transport.publish(frame("x")).await.unwrap();
    assert_eq!(next(&mut again).await, Item::Frame(frame("x")));
    assert_eq!(subscription.sequencer(), again.sequencer());
}

#[tokio::test]
async fn a_killed_publisher_is_dialled_again() {
    let server = RedisServer::start().await;
    let transport = transport(&server);
    let mut subscription = transport.subscribe().await.unwrap();
    for round in 0..5 {
        transport.publish(frame("x")).await.unwrap();
        assert_eq!(next(&mut subscription).await, Item::Frame(frame("x")));
        // The connection that asks is of the same type; it is spared by default.
        let killed = server.number(&["CLIENT", "KILL", "TYPE", "normal"]).await;
        assert_eq!(killed, 1, "in round {round}");
        // The loss may show itself in one publish at most.
        let _ = transport.publish(frame("perhaps")).await;
        while !fenced(&mut subscription, round).await.unwrap().is_empty() {}
    }
}

#[tokio::test]
async fn a_restarted_server_is_another_sequencer() {
    let mut server = RedisServer::start().await;
    let transport = transport(&server);
    let mut subscription = transport.subscribe().await.unwrap();
    transport.publish(frame("before")).await.unwrap();
    let before = subscription.sequencer().cloned();
    server.kill();
    assert_eq!(end(&mut subscription).await.kind(), Kind::Unreachable);
    let error = transport.publish(frame("lost")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");

    server.restart().await;
    let mut subscription = transport.subscribe().await.unwrap();
    assert_ne!(subscription.sequencer().cloned(), before);
    transport.publish(frame("after")).await.unwrap();
    assert_eq!(next(&mut subscription).await, Item::Frame(frame("after")));
}

#[tokio::test]
async fn a_paused_server_loses_nothing() {
    let server = RedisServer::start().await;
    let transport = transport(&server);
    let mut subscription = transport.subscribe().await.unwrap();
    server.cli(&["CLIENT", "PAUSE", "300", "ALL"]).await;
    let published = soon("a publish", transport.publish(frame("x")));
    let (published, seen) = tokio::join!(published, fenced(&mut subscription, 1));
    published.unwrap();
    if seen.unwrap().is_empty() {
        assert_eq!(next(&mut subscription).await, Item::Frame(frame("x")));
    }
}

#[tokio::test]
async fn a_slow_subscriber_is_cut_off_and_told() {
    let server = Options::new().line("client-output-buffer-limit pubsub 256kb 0 0").start().await;
    let transport = transport(&server);
    let mut subscription = transport.subscribe().await.unwrap();
    let burst = Bytes::from(vec![0; 64 * 1024]);
    until("the server to cut the subscriber off", || async {
        transport.publish(burst.clone()).await.unwrap();
        let clients = server.text(&["CLIENT", "LIST", "TYPE", "pubsub"]).await;
        clients.trim().is_empty().then_some(())
    })
    .await;
    let error = end(&mut subscription).await;
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    assert!(error.to_string().contains("too slowly"), "{error}");
}

#[tokio::test]
async fn time_outs_end_what_a_stopped_server_holds_up() {
    let server = RedisServer::start().await;
    let transport = RedisTransport::builder()
        .url(server.url())
        .namespace("shop")
        .connect_timeout(Duration::from_millis(300))
        .publish_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    transport.publish(frame("warm")).await.unwrap();
    server.stop();
    let error = soon("the time-out", transport.publish(frame("x"))).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    let error = soon("the time-out", transport.subscribe()).await.err().unwrap();
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    server.cont();
    until("publishing again", || async { transport.publish(frame("y")).await.ok() }).await;
}

#[tokio::test]
async fn an_unreachable_host_says_so() {
    let port = support::server::free_port();
    for url in [
        format!("redis://127.0.0.1:{port}"),
        "redis://no-such-host.invalid".to_owned(),
        "unix:///no/such/socket".to_owned(),
    ] {
        let transport = RedisTransport::new(&url, "shop").unwrap();
        let error = transport.subscribe().await.err().unwrap();
        assert_eq!(error.kind(), Kind::Unreachable, "{error}");
        assert!(error.can_retry());
        let error = transport.publish(frame("x")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    }
}

#[tokio::test]
async fn a_publish_that_is_given_up_does_not_keep_a_dead_connection() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let transport = RedisTransport::new(proxy.url(), "shop").unwrap();
    transport.publish(frame("warm")).await.unwrap();
    proxy.set(Flow::Swallow, Flow::Swallow);
    // Much less patient than the transport's own time-out.
    let impatient = tokio::time::timeout(Duration::from_millis(50), transport.publish(frame("x")));
    assert!(impatient.await.is_err());
    // The old connection has lost bytes for ever; only a new one can work.
    proxy.set(Flow::Pass, Flow::Pass);
    transport.publish(frame("y")).await.unwrap();
}

#[tokio::test]
async fn a_silent_network_confirms_nothing_and_loses_nothing_that_is_late() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let near = transport(&server);
    let far = RedisTransport::new(proxy.url(), "shop").unwrap();
    let mut subscription = far.subscribe().await.unwrap();
    fenced(&mut subscription, 1).await.unwrap();

    proxy.set(Flow::Pass, Flow::Hold);
    near.publish(frame("late")).await.unwrap();
    subscription.fence(2);
    let nothing = tokio::time::timeout(Duration::from_millis(200), subscription.next());
    assert!(nothing.await.is_err());
    proxy.set(Flow::Pass, Flow::Pass);
    assert_eq!(next(&mut subscription).await, Item::Frame(frame("late")));
    assert_eq!(next(&mut subscription).await, Item::Fenced(2));

    proxy.set(Flow::Swallow, Flow::Pass);
    subscription.fence(3);
    let nothing = tokio::time::timeout(Duration::from_millis(200), subscription.next());
    assert!(nothing.await.is_err());
    proxy.cut();
    assert_eq!(end(&mut subscription).await.kind(), Kind::Unreachable);
}
