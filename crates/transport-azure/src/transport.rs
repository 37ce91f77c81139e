//! The transport: one topic, many subscriptions.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use unstale::Transport;
use unstale::transport::{
    Capabilities, SequencerId, Subscription, TransportError, TransportErrorKind as Kind,
};

#[cfg(feature = "amqp")]
use crate::amqp::AmqpPath;
use crate::builder::{AzureTransportBuilder, ConfigError};
use crate::network::Network;
use crate::order::Opener;
#[cfg(feature = "rest")]
use crate::rest::RestPath;
use crate::subscription::Opening;
use crate::subscriptions::Subscriptions;

/// Carries frames over one topic of Azure Service Bus.
///
/// See the [crate's documentation](crate) for what the namespace needs and what is checked.
pub struct AzureTransport {
    pub(crate) topic: String,
    pub(crate) path: Path,
    pub(crate) network: Network,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) sequencer: SequencerId,
    pub(crate) open_timeout: Duration,
    /// Drawn once: tells this transport's fences from those of others.
    pub(crate) id: u64,
    pub(crate) opened: AtomicU64,
    pub(crate) capabilities: Capabilities,
}

/// What carries the messages.
pub(crate) enum Path {
    #[cfg(feature = "amqp")]
    Amqp(AmqpPath),
    #[cfg(feature = "rest")]
    Rest(RestPath),
}

impl AzureTransport {
    /// A transport with all defaults, from a connection string and the name of a topic.
    ///
    /// # Errors
    /// As for [`AzureTransportBuilder::build`].
    pub fn new(
        connection_string: impl AsRef<str>,
        topic: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        Self::builder().connection_string(connection_string).topic(topic).build()
    }

    /// Configures a transport.
    pub fn builder() -> AzureTransportBuilder {
        AzureTransportBuilder::default()
    }

    /// The topic that frames travel over.
    pub fn topic(&self) -> &str {
        &self.topic
    }
}

#[async_trait]
impl Transport for AzureTransport {
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, TransportError> {
        let lease = self.subscriptions.acquire().await?;
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let opening = Opening {
            network: self.network.clone(),
            sequencer: self.sequencer.clone(),
            opener: Opener { transport: self.id, number },
            timeout: self.open_timeout,
        };
        Ok(match &self.path {
            #[cfg(feature = "amqp")]
            Path::Amqp(path) => Box::new(Box::pin(opening.open(path, lease)).await?),
            #[cfg(feature = "rest")]
            Path::Rest(path) => Box::new(Box::pin(opening.open(path, lease)).await?),
        })
    }

    async fn publish(&self, frame: Bytes) -> Result<(), TransportError> {
        if frame.len() > self.capabilities.max_frame_bytes {
            return Err(Kind::Rejected.error(format!(
                "a frame of {} bytes is over `max_frame_bytes` ({})",
                frame.len(),
                self.capabilities.max_frame_bytes
            )));
        }
        match &self.path {
            #[cfg(feature = "amqp")]
            Path::Amqp(path) => path.publisher.publish(&frame).await,
            #[cfg(feature = "rest")]
            Path::Rest(path) => path.publish(&frame).await,
        }
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }
}

impl fmt::Debug for AzureTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureTransport").field("topic", &self.topic).finish_non_exhaustive()
    }
}
