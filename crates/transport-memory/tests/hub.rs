//! What is particular to the hub; what every transport must do is in `conformance.rs`.

use bytes::Bytes;
use unstale::Transport;
use unstale::transport::{Capabilities, Item, SubscriptionExt, TransportErrorKind};
use unstale_memory::Hub;

fn frame(bytes: &'static [u8]) -> Bytes {
    Bytes::from_static(bytes)
}

#[tokio::test]
async fn a_restart_ends_subscriptions_and_changes_the_identity() {
    let hub = Hub::new();
    let transport = hub.transport();
    let mut before = transport.subscribe().await.unwrap();
    transport.publish(frame(b"queued")).await.unwrap();
    hub.restart();
    transport.publish(frame(b"after")).await.unwrap();

    assert_eq!(before.next().await.unwrap(), Item::Frame(frame(b"queued")));
    let error = before.next().await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Unreachable);

    let after = transport.subscribe().await.unwrap();
    assert_ne!(after.sequencer(), before.sequencer());
    assert_eq!(after.sequencer(), hub.channel("other").subscribe().await.unwrap().sequencer());
    assert_ne!(after.sequencer(), Hub::new().transport().subscribe().await.unwrap().sequencer());
}

#[tokio::test]
async fn an_outage_keeps_the_identity() {
    let hub = Hub::new();
    let transport = hub.transport();
    let mut before = transport.subscribe().await.unwrap();
    hub.set_down(true);
    let error = before.next().await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Unreachable);
    let error = transport.publish(frame(b"lost")).await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Unreachable);
    assert!(transport.subscribe().await.is_err());

    hub.set_down(false);
    let after = transport.subscribe().await.unwrap();
    assert_eq!(after.sequencer(), before.sequencer());
}

#[tokio::test]
async fn overflow_ends_only_the_subscription_that_does_not_read() {
    let hub = Hub::builder()
        .max_frame_bytes(Capabilities::MIN_FRAME_BYTES)
        .queue_bytes(4 * Capabilities::MIN_FRAME_BYTES)
        .build()
        .unwrap();
    let transport = hub.transport();
    let mut slow = transport.subscribe().await.unwrap();
    let mut quick = transport.subscribe().await.unwrap();
    let large = Bytes::from(vec![7; Capabilities::MIN_FRAME_BYTES]);
    for _ in 0..10 {
        transport.publish(large.clone()).await.unwrap();
        assert_eq!(quick.next().await.unwrap(), Item::Frame(large.clone()));
    }
    assert_eq!(hub.subscriptions(), 1);
    for _ in 0..3 {
        assert_eq!(slow.next().await.unwrap(), Item::Frame(large.clone()));
    }
    let error = slow.next().await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Lagged);
}

#[tokio::test]
async fn dropped_subscriptions_leave_nothing_behind() {
    let hub = Hub::new();
    let subscription = hub.channel("a").subscribe().await.unwrap();
    drop(hub.channel("b").subscribe());
    assert_eq!(hub.subscriptions(), 1);
    drop(subscription);
    assert_eq!(hub.subscriptions(), 0);
}

#[test]
fn impossible_limits_are_refused() {
    let error = Hub::builder().max_frame_bytes(100).build().unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Configuration);
    let error = Hub::builder().queue_bytes(1 << 20).build().unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Configuration);
}
