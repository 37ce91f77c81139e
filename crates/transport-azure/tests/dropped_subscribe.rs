//! A `subscribe` that is dropped leaves nothing in the namespace, wherever it was.
#![expect(clippy::unwrap_used, reason = "what a test cannot do panics")]

mod support;

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use support::{Namespace, TOPIC, until};
use unstale::Transport;
use unstale_azure::AzureTransportBuilder;

/// Polls a future this many times, and drops it.
async fn poll_and_drop<T>(future: impl Future<Output = T>, times: usize) {
    let mut future = pin!(future);
    let mut left = times;
    std::future::poll_fn(|context| {
        if left == 0 || future.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        left -= 1;
        Poll::Pending
    })
    .await;
}

async fn leaves_nothing(change: impl Fn(AzureTransportBuilder) -> AzureTransportBuilder) {
    let namespace = Namespace::start().await;
    let transport = change(namespace.builder()).build().unwrap();
    for times in 0..40 {
        poll_and_drop(transport.subscribe(), times % 20).await;
    }
    until("the end of every subscription", async || {
        namespace.emulator.subscriptions(TOPIC).is_empty().then_some(())
    })
    .await;
    // What is still under way would leave something now.
    let mut subscription = transport.subscribe().await.unwrap();
    transport.publish("frame".into()).await.unwrap();
    std::future::poll_fn(|context| subscription.poll_next(context)).await.unwrap();
    subscription.close().await;
    until("the end of every subscription", async || {
        namespace.emulator.subscriptions(TOPIC).is_empty().then_some(())
    })
    .await;
}

#[cfg(feature = "amqp")]
#[tokio::test]
async fn a_dropped_subscribe_over_amqp_leaves_nothing() {
    leaves_nothing(|builder| builder.path(unstale_azure::DataPath::Amqp)).await;
}

#[cfg(feature = "rest")]
#[tokio::test]
async fn a_dropped_subscribe_over_https_leaves_nothing() {
    leaves_nothing(|builder| builder.path(unstale_azure::DataPath::Rest)).await;
}
