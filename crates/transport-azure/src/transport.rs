//! The transport: one topic, many subscriptions.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use unstale::Transport;
use unstale::transport::{
    Capabilities, SequencerId, Subscription, TransportError, TransportErrorKind as Kind,
};

use crate::amqp::{Dialer, Opening, Publisher};
use crate::builder::{AzureTransportBuilder, ConfigError};
use crate::order::Opener;
use crate::subscriptions::Subscriptions;

/// Carries frames over one topic of Azure Service Bus.
///
/// See the [crate's documentation](crate) for what the namespace needs and what is checked.
pub struct AzureTransport {
    pub(crate) topic: String,
    pub(crate) dialer: Dialer,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) sequencer: SequencerId,
    pub(crate) prefetch: u32,
    pub(crate) open_timeout: Duration,
    /// Drawn once: tells this transport's fences from those of others.
    pub(crate) id: u64,
    pub(crate) opened: AtomicU64,
    pub(crate) capabilities: Capabilities,
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
            dialer: self.dialer.clone(),
            sequencer: self.sequencer.clone(),
            prefetch: self.prefetch,
            opener: Opener { transport: self.id, number },
            timeout: self.open_timeout,
        };
        Ok(Box::new(Box::pin(opening.open(lease)).await?))
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

impl fmt::Debug for AzureTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureTransport").field("topic", &self.topic).finish_non_exhaustive()
    }
}
