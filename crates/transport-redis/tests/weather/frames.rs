//! Frames as bytes, for those who play somebody else on the channel.

use futures_util::StreamExt;

use crate::redis_nodes::CHANNEL;
use crate::support::{RedisServer, soon};
use crate::world::{Instance, NAMESPACE};

/// Before this place of an unsigned frame are the magic, the namespace with its length, the attempt and the key id.
pub const ENVELOPE: usize = 4 + 1 + NAMESPACE.len() + 4 + 2;
/// The place of the flags, after the version.
pub const FLAGS: usize = ENVELOPE + 1;
/// The flag of frames that may name targets.
pub const MAY_CARRY_TARGETS: u8 = 1;
/// The place of a numbered frame's body, which begins with its kind, after origin and number.
pub const KIND: usize = FLAGS + 1 + 16 + 8;

/// The next frames that are published while `meanwhile` goes on, as anybody can hear them who may subscribe.
pub async fn overhear(
    server: &RedisServer,
    count: usize,
    meanwhile: impl Future<Output = ()>,
) -> Vec<Vec<u8>> {
    let client = redis::Client::open(server.url()).expect("a URL");
    let mut subscription = client.get_async_pubsub().await.expect("a connection");
    subscription.subscribe(CHANNEL).await.expect("a subscription");
    let messages = subscription.on_message().take(count);
    let heard = messages.map(|message| message.get_payload_bytes().to_vec()).collect();
    let (heard, ()) = tokio::join!(soon("frames", heard), meanwhile);
    heard
}

/// What a foreign publisher, which has no number, says to invalidate a row: as the node says it that writes it
/// now.
pub async fn anonymous(server: &RedisServer, writer: &Instance, row: u32) -> Vec<u8> {
    let mut frame = Vec::new();
    // A beacon may come in between.
    while frame.is_empty() || frame[FLAGS] & MAY_CARRY_TARGETS == 0 {
        frame = overhear(server, 1, writer.write(row)).await.remove(0);
    }
    frame[FLAGS] = MAY_CARRY_TARGETS;
    frame.drain(FLAGS + 1..KIND);
    frame
}
