//! Nodes on all paths share a topic.
#![cfg(all(feature = "rest", feature = "websocket"))]
#![expect(clippy::disallowed_methods, reason = "tests use real sockets in real time")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use support::Namespace;
use unstale::Transport;
use unstale::transport::{Item, SubscriptionExt};
use unstale_azure::{AzureTransport, DataPath};

const PATHS: [DataPath; 3] = [DataPath::Amqp, DataPath::WebSocket, DataPath::Rest];
const FRAMES: usize = 100;

/// The frame of this number from the node on this path: not only text, and of different lengths.
fn frame(node: usize, number: usize) -> Bytes {
    let mut bytes = vec![255, node as u8, number as u8];
    bytes.resize(3 + number, 0x80);
    bytes.into()
}

#[tokio::test]
async fn everybody_hears_everybody_in_one_order() {
    let namespace = Namespace::start().await;
    let transports: Vec<AzureTransport> =
        PATHS.map(|path| namespace.builder().path(path).build().unwrap()).into();
    let opening = transports.iter().map(Transport::subscribe);
    let mut subscriptions: Vec<_> =
        join_all(opening).await.into_iter().map(Result::unwrap).collect();
    let publishing = join_all(transports.iter().enumerate().map(|(node, transport)| async move {
        for number in 0..FRAMES {
            transport.publish(frame(node, number)).await.unwrap();
        }
    }));
    let reading = join_all(subscriptions.iter_mut().map(|subscription| async move {
        let mut heard = Vec::new();
        while heard.len() < PATHS.len() * FRAMES {
            let Item::Frame(frame) = subscription.next().await.unwrap() else { panic!("a fence") };
            heard.push(frame);
        }
        heard
    }));
    let both = async { tokio::join!(publishing, reading) };
    let (_, heard) =
        tokio::time::timeout(Duration::from_secs(60), both).await.expect("all frames in time");
    for others in &heard[1..] {
        assert!(*others == heard[0], "two nodes saw different orders");
    }
    for node in 0..PATHS.len() {
        let from_it: Vec<_> = heard[0].iter().filter(|frame| frame[1] == node as u8).collect();
        let sent: Vec<_> = (0..FRAMES).map(|number| frame(node, number)).collect();
        assert!(from_it.into_iter().eq(sent.iter()), "the frames of node {node} are not intact");
    }
    let sequencers: Vec<_> = subscriptions.iter().map(|one| one.sequencer().cloned()).collect();
    assert!(sequencers.iter().all(|one| one.is_some() && *one == sequencers[0]));
    // A fence of one is nothing to the others.
    for (token, subscription) in subscriptions.iter_mut().enumerate() {
        subscription.fence(token as u64);
        assert_eq!(subscription.next().await.unwrap(), Item::Fenced(token as u64));
    }
}
