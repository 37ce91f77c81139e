//! Sentinels that watch a primary and its replica.
#![expect(clippy::disallowed_methods, reason = "tests wait for real servers in real time")]

mod support;

use bytes::Bytes;
use support::sentinel::{MASTER, Sentinels};
use support::{end, fenced, until};
use unstale::Transport;
use unstale::transport::TransportErrorKind as Kind;
use unstale_redis::{RedisTransport, RedisTransportBuilder};

fn frame(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn builder(sentinels: &Sentinels) -> RedisTransportBuilder {
    RedisTransport::builder().sentinel(MASTER, sentinels.urls()).namespace("shop")
}

#[tokio::test]
async fn a_dead_primary_is_replaced_by_the_promoted_one() {
    let mut sentinels = Sentinels::start().await;
    let transport = builder(&sentinels).build().unwrap();
    let mut subscription = transport.subscribe().await.unwrap();
    transport.publish(frame("x")).await.unwrap();
    assert_eq!(fenced(&mut subscription, 1).await.unwrap(), [frame("x")]);
    let before = subscription.sequencer().cloned();

    sentinels.servers[0].kill();
    // One sentinel less must not matter either.
    sentinels.sentinels[0].stop();
    assert_eq!(end(&mut subscription).await.kind(), Kind::Unreachable);
    let mut subscription = until("a new primary", async || transport.subscribe().await.ok()).await;
    sentinels.sentinels[0].cont();
    assert_ne!(subscription.sequencer().cloned(), before);
    transport.publish(frame("y")).await.unwrap();
    assert_eq!(fenced(&mut subscription, 1).await.unwrap(), [frame("y")]);
}

#[tokio::test]
async fn a_planned_failover_ends_the_subscription() {
    let sentinels = Sentinels::start().await;
    let transport = builder(&sentinels).build().unwrap();
    let mut subscription = transport.subscribe().await.unwrap();
    let old = sentinels.primary_port().await;
    sentinels.sentinels[0].cli(&["SENTINEL", "FAILOVER", MASTER]).await;
    until("the failover", async || (sentinels.primary_port().await != old).then_some(())).await;
    let error = until("the end", async || fenced(&mut subscription, 1).await.err()).await;
    assert!(matches!(error.kind(), Kind::Demoted | Kind::Unreachable), "{error}");
    let mut subscription = until("a new primary", async || transport.subscribe().await.ok()).await;
    until("a publish", async || transport.publish(frame("y")).await.ok()).await;
    assert_eq!(fenced(&mut subscription, 1).await.unwrap(), [frame("y")]);
}

#[tokio::test]
async fn the_primary_may_need_a_password_that_the_sentinels_do_not() {
    let sentinels = Sentinels::start_with_password("hunter2").await;
    let error = builder(&sentinels).build().unwrap().subscribe().await.err();
    assert_eq!(error.unwrap().kind(), Kind::Unauthorized);
    let transport = builder(&sentinels).credentials("", "hunter2").build().unwrap();
    let mut subscription = transport.subscribe().await.unwrap();
    transport.publish(frame("x")).await.unwrap();
    assert_eq!(fenced(&mut subscription, 1).await.unwrap(), [frame("x")]);
}

#[tokio::test]
async fn an_unknown_name_says_so() {
    let sentinels = Sentinels::start().await;
    let transport = RedisTransport::builder()
        .sentinel("nobody", sentinels.urls())
        .namespace("shop")
        .build()
        .unwrap();
    let error = transport.subscribe().await.err().unwrap();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.to_string().contains("nobody"), "{error}");
}
