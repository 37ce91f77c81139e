//! The transport over clients of the `fred` crate.
#![expect(clippy::disallowed_methods, reason = "tests wait for real servers in real time")]

mod support;

use bytes::Bytes;
use fred::clients::{Client, SubscriberClient};
use fred::prelude::{Builder, ClientLike, Config};
use fred::types::RespVersion;
use support::{Options, RedisServer, end, next, soon, until};
use unstale::Transport;
use unstale::transport::{Item, TransportErrorKind as Kind};
use unstale_redis::{ConfigError, FredTransport, RedisTransport};

fn frame(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

async fn clients(url: &str, capacity: usize) -> (SubscriberClient, Client) {
    let mut config = Config::from_url(url).expect("a URL");
    config.version = RespVersion::RESP3;
    let mut builder = Builder::from_config(config);
    builder
        .with_performance_config(|performance| performance.broadcast_channel_capacity = capacity)
        .set_policy(fred::prelude::ReconnectPolicy::new_constant(0, 50));
    let subscriber = builder.build_subscriber_client().expect("a client");
    let publisher = builder.build().expect("a client");
    subscriber.init().await.expect("a connection");
    publisher.init().await.expect("a connection");
    (subscriber, publisher)
}

async fn transport(server: &RedisServer, capacity: usize) -> FredTransport {
    let (subscriber, publisher) = clients(&server.url(), capacity).await;
    FredTransport::new(subscriber, publisher, "shop").expect("a configuration")
}

#[tokio::test]
async fn frames_come_in_order() {
    let server = RedisServer::start().await;
    let (one, other) = (transport(&server, 1024).await, transport(&server, 1024).await);
    let mut mine = one.subscribe().await.unwrap();
    let mut theirs = other.subscribe().await.unwrap();
    assert_eq!(mine.sequencer(), theirs.sequencer());
    for round in 0..50 {
        for (n, publisher) in [&one, &other].into_iter().enumerate() {
            publisher.publish(frame(&format!("{round}/{n}"))).await.unwrap();
        }
        for subscription in [&mut mine, &mut theirs] {
            for n in 0..2 {
                let expected = Item::Frame(frame(&format!("{round}/{n}")));
                assert_eq!(next(subscription).await, expected);
            }
        }
    }
    let odd = [Bytes::new(), Bytes::from_iter((0..=255).cycle().take(100_000))];
    for bytes in odd {
        one.publish(bytes.clone()).await.unwrap();
        assert_eq!(next(&mut theirs).await, Item::Frame(bytes));
    }
}

#[tokio::test]
async fn a_full_channel_of_freds_ends_the_subscription() {
    let server = RedisServer::start().await;
    let transport = transport(&server, 32).await;
    let mut subscription = transport.subscribe().await.unwrap();
    for n in 0..100 {
        transport.publish(frame(&n.to_string())).await.unwrap();
    }
    let error = end(&mut subscription).await;
    assert_eq!(error.kind(), Kind::Lagged, "{error}");
}

#[tokio::test]
async fn a_reconnect_of_freds_ends_the_subscription_for_good() {
    let server = RedisServer::start().await;
    let (subscriber, publisher) = clients(&server.url(), 1024).await;
    // What fred's users do: it resubscribes behind our back.
    let _resubscribing = subscriber.manage_subscriptions();
    let transport = FredTransport::new(subscriber, publisher, "shop").unwrap();
    let mut subscription = transport.subscribe().await.unwrap();
    transport.publish(frame("x")).await.unwrap();
    assert_eq!(next(&mut subscription).await, Item::Frame(frame("x")));

    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    until("fred to come back", async || {
        let answer = server.cli(&["PUBSUB", "NUMSUB", "unstale:shop"]).await;
        let (_, count): (String, i64) = redis::from_redis_value(answer).unwrap();
        (count == 1).then_some(())
    })
    .await;
    transport.publish(frame("after a gap")).await.unwrap();
    let error = soon("the end", async { subscription_error(&mut subscription).await }).await;
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");

    let mut subscription = until("a subscription", async || transport.subscribe().await.ok()).await;
    transport.publish(frame("y")).await.unwrap();
    assert_eq!(next(&mut subscription).await, Item::Frame(frame("y")));
}

/// The error that must come before any frame.
async fn subscription_error(
    subscription: &mut Box<dyn unstale::transport::Subscription>,
) -> unstale::transport::TransportError {
    use unstale::transport::SubscriptionExt;
    subscription.next().await.expect_err("a frame after a gap")
}

#[tokio::test]
async fn a_demoted_primary_takes_nothing() {
    let primary = RedisServer::start().await;
    let server = RedisServer::start().await;
    let transport = transport(&server, 1024).await;
    let _subscription = transport.subscribe().await.unwrap();
    server.replicate(&primary).await;
    let error = transport.publish(frame("lost")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Demoted, "{error}");
    let error = transport.subscribe().await.err().unwrap();
    assert_eq!(error.kind(), Kind::Demoted, "{error}");
}

#[tokio::test]
async fn a_publisher_at_another_server_is_noticed() {
    let (server, other) = (RedisServer::start().await, RedisServer::start().await);
    let (subscriber, _) = clients(&server.url(), 1024).await;
    let (_, publisher) = clients(&other.url(), 1024).await;
    let transport = FredTransport::new(subscriber, publisher, "shop").unwrap();
    let _subscription = transport.subscribe().await.unwrap();
    let error = transport.publish(frame("x")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Demoted, "{error}");
}

#[tokio::test]
async fn a_refused_channel_says_so() {
    let server = Options::new().password("hunter2").start().await;
    server.cli(&["ACL", "SETUSER", "app", "on", ">hunter3", "+@all", "&other:*"]).await;
    // That others are subscribed must not look like success.
    let others = format!("redis://:hunter2@127.0.0.1:{}", server.port());
    let _others = RedisTransport::new(others, "shop").unwrap().subscribe().await.unwrap();
    let url = format!("redis://app:hunter3@127.0.0.1:{}", server.port());
    let (subscriber, publisher) = clients(&url, 1024).await;
    let transport = FredTransport::new(subscriber, publisher, "shop").unwrap();
    assert!(!format!("{transport:?}").contains("hunter3"));
    let error = transport.publish(frame("x")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthorized, "{error}");
    let error = transport.subscribe().await.err().unwrap();
    assert_eq!(error.kind(), Kind::Unauthorized, "{error}");
}

#[tokio::test]
async fn clients_that_cannot_work_are_refused() {
    let old = Builder::from_config(Config::from_url("redis://127.0.0.1:1").unwrap());
    let refused =
        FredTransport::new(old.build_subscriber_client().unwrap(), old.build().unwrap(), "shop");
    assert!(matches!(refused, Err(ConfigError::Client(_))));
    let cluster = Config::from_url("redis-cluster://127.0.0.1:1").unwrap();
    let cluster = Builder::from_config(cluster);
    let refused = FredTransport::new(
        cluster.build_subscriber_client().unwrap(),
        cluster.build().unwrap(),
        "shop",
    );
    assert!(matches!(refused, Err(ConfigError::Client(_))));
}
