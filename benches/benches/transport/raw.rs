//! The floor: the `redis` crate by itself.

use futures_util::StreamExt;
use redis::aio::{MultiplexedConnection, PubSubStream};
use unstale_benches::RedisServer;

/// One connection that publishes.
pub(crate) async fn publisher(server: &RedisServer) -> MultiplexedConnection {
    server.client().get_multiplexed_async_connection().await.unwrap()
}

pub(crate) async fn publish(connection: &mut MultiplexedConnection, channel: &str, payload: &[u8]) {
    let command = redis::cmd("PUBLISH").arg(channel).arg(payload).to_owned();
    let _: i64 = command.query_async(connection).await.unwrap();
}

/// One connection that is subscribed.
pub(crate) async fn subscriber(server: &RedisServer, channel: &str) -> PubSubStream {
    let mut subscribed = server.client().get_async_pubsub().await.unwrap();
    subscribed.subscribe(channel).await.unwrap();
    let (sink, stream) = subscribed.split();
    // The subscription lives as long as both halves.
    std::mem::forget(sink);
    stream
}

/// The payload of the next message.
pub(crate) async fn next(stream: &mut PubSubStream) -> Vec<u8> {
    stream.next().await.unwrap().get_payload().unwrap()
}
