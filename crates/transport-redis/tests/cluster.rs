//! A real cluster of three primaries.
#![expect(clippy::disallowed_methods, reason = "tests wait for real servers in real time")]

mod support;

use bytes::Bytes;
use support::cluster::Cluster;
use support::{RedisServer, end, fenced, until};
use unstale::Transport;
use unstale::transport::TransportErrorKind as Kind;
use unstale_redis::RedisTransport;

fn frame(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn transport(urls: Vec<String>, lane: u16) -> RedisTransport {
    RedisTransport::builder()
        .cluster(urls)
        .namespace("shop")
        .lane(lane)
        .build()
        .expect("a configuration")
}

#[tokio::test]
async fn lanes_go_through_the_primaries_of_their_slots() {
    let cluster = Cluster::start().await;
    let mut owners = std::collections::BTreeSet::new();
    for lane in 0..8 {
        let transport = transport(cluster.urls(), lane);
        let owner = Cluster::owner(cluster.slot(transport.channel()).await);
        owners.insert(owner);
        let mut subscription = transport.subscribe().await.unwrap();
        for token in 0..3 {
            transport.publish(frame("x")).await.unwrap();
            assert_eq!(fenced(&mut subscription, token).await.unwrap(), [frame("x")]);
        }
        let channels: Vec<String> =
            redis::from_redis_value(cluster.nodes[owner].cli(&["PUBSUB", "SHARDCHANNELS"]).await)
                .unwrap();
        assert!(channels.contains(&transport.channel().to_owned()));
    }
    assert!(owners.len() > 1, "the lanes are spread");
}

#[tokio::test]
async fn any_node_leads_to_the_owner() {
    let cluster = Cluster::start().await;
    let subscriber = transport(cluster.urls()[..1].to_vec(), 0);
    let publisher = transport(cluster.urls()[2..].to_vec(), 0);
    let mut subscription = subscriber.subscribe().await.unwrap();
    publisher.publish(frame("x")).await.unwrap();
    assert_eq!(fenced(&mut subscription, 1).await.unwrap(), [frame("x")]);
}

#[tokio::test]
async fn a_moved_slot_ends_the_subscription_and_is_followed() {
    let cluster = Cluster::start().await;
    let transport = transport(cluster.urls(), 0);
    let slot = cluster.slot(transport.channel()).await;
    let mut subscription = transport.subscribe().await.unwrap();
    transport.publish(frame("x")).await.unwrap();
    let before = subscription.sequencer().cloned();

    let to = (Cluster::owner(slot) + 1) % 3;
    cluster.move_slot(slot, to).await;
    let error = end(&mut subscription).await;
    assert_eq!(error.kind(), Kind::Demoted, "{error}");
    let error = transport.publish(frame("lost")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Demoted, "{error}");

    let mut subscription = transport.subscribe().await.unwrap();
    assert_ne!(subscription.sequencer().cloned(), before);
    transport.publish(frame("y")).await.unwrap();
    assert_eq!(fenced(&mut subscription, 1).await.unwrap(), [frame("y")]);
}

#[tokio::test]
async fn a_primary_that_is_cut_off_from_the_cluster_confirms_nothing() {
    let mut cluster = Cluster::start().await;
    let transport = transport(cluster.urls(), 0);
    let owner = Cluster::owner(cluster.slot(transport.channel()).await);
    let mut subscription = transport.subscribe().await.unwrap();
    transport.publish(frame("x")).await.unwrap();
    for (index, node) in cluster.nodes.iter_mut().enumerate() {
        if index != owner {
            node.kill();
        }
    }
    let error = until("the end", async || fenced(&mut subscription, 1).await.err()).await;
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    let error = transport.publish(frame("y")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
}

#[tokio::test]
async fn a_single_server_is_no_cluster() {
    let server = RedisServer::start().await;
    let error = transport(vec![server.url()], 0).subscribe().await.err().unwrap();
    assert_eq!(error.kind(), Kind::Configuration, "{error}");
}
