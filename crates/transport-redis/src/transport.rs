//! The transport.

use async_trait::async_trait;
use bytes::Bytes;
use unstale::Transport;
use unstale::transport::{Capabilities, Subscription, TransportError, TransportErrorKind as Kind};

use crate::builder::{ConfigError, RedisTransportBuilder};
use crate::publish::Publisher;
use crate::subscription::RedisSubscription;

/// Redis publish/subscribe as an [`unstale::Transport`].
///
/// See the [crate's page](crate) for what it needs from the server.
#[derive(Debug)]
pub struct RedisTransport {
    publisher: Publisher,
    capabilities: Capabilities,
}

impl RedisTransport {
    /// A transport to the primary at `url`, on the channel `unstale:{namespace}`. Connects to nothing yet.
    ///
    /// ```
    /// # fn main() -> Result<(), unstale_redis::ConfigError> {
    /// let transport = unstale_redis::RedisTransport::new("redis://127.0.0.1:6379", "shop")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] when the URL cannot be understood or the namespace is empty.
    pub fn new(url: impl Into<String>, namespace: impl Into<String>) -> Result<Self, ConfigError> {
        Self::builder().url(url).namespace(namespace).build()
    }

    /// Configures a transport: Sentinel, Cluster, TLS, time-outs, your own connection.
    ///
    /// ```
    /// # fn main() -> Result<(), unstale_redis::ConfigError> {
    /// let transport = unstale_redis::RedisTransport::builder()
    ///     .sentinel("mymaster", ["redis://10.0.0.1:26379", "redis://10.0.0.2:26379"])
    ///     .credentials("app", "a password")
    ///     .namespace("shop")
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn builder() -> RedisTransportBuilder {
        RedisTransportBuilder::default()
    }

    pub(crate) fn new_from(publisher: Publisher, capabilities: Capabilities) -> Self {
        Self { publisher, capabilities }
    }

    /// The channel that frames travel on.
    pub fn channel(&self) -> &str {
        self.publisher.channel.as_str()
    }
}

#[async_trait]
impl Transport for RedisTransport {
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, TransportError> {
        let Publisher { dialer, locator, channel, sequencer, .. } = &self.publisher;
        let subscription = RedisSubscription::open(dialer, locator, channel).await?;
        sequencer.subscribed(subscription.tenure());
        Ok(Box::new(subscription))
    }

    async fn publish(&self, frame: Bytes) -> Result<(), TransportError> {
        if frame.len() > self.capabilities.max_frame_bytes {
            return Err(Kind::Rejected.error(format!(
                "a frame of {} bytes is over `max_frame_bytes` ({})",
                frame.len(),
                self.capabilities.max_frame_bytes
            )));
        }
        self.publisher.publish(&frame).await
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }
}
