//! Nodes that meet at a Redis.

use unstale_redis::{RedisTransport, RedisTransportBuilder};

use crate::world::{NAMESPACE, Setup, World};

/// The channel of all nodes.
pub const CHANNEL: &str = "unstale:weather";

/// A transport as all cases use it.
pub fn transport(
    configure: impl FnOnce(RedisTransportBuilder) -> RedisTransportBuilder,
) -> RedisTransport {
    configure(RedisTransport::builder().namespace(NAMESPACE)).build().expect("a transport")
}

/// Opened by URL.
pub fn by_url(url: &str) -> RedisTransport {
    transport(|builder| builder.url(url))
}

impl World {
    /// Three nodes over these URLs, warm.
    pub async fn of_three(seed: u64, urls: [String; 3]) -> Self {
        let mut world = Self::new(seed);
        for url in urls {
            world.join(by_url(&url), &Setup::default());
        }
        world.warm().await;
        world
    }
}
