//! The broker as its users see it.

use std::fmt;
use std::sync::Arc;

use unstale::transport::{Capabilities, TransportError, TransportErrorKind};

use crate::broker::{Broker, Limits};
use crate::transport::MemoryTransport;

/// A broker inside this process: named channels, each one totally ordered.
///
/// A clone is the same hub. It lives as long as any clone, transport or subscription of it.
///
/// # Limits
/// Each subscriber has a queue of [`queue_bytes`](HubBuilder::queue_bytes); one that overflows ends that
/// subscription, after what it holds, with
/// [`Lagged`](unstale::transport::TransportErrorKind::Lagged), and nobody else notices.
#[derive(Clone)]
pub struct Hub {
    broker: Arc<Broker>,
}

impl Hub {
    /// The name of the channel that [`transport`](Self::transport) is on.
    pub const DEFAULT_CHANNEL: &'static str = "default";

    /// A hub with the default limits.
    pub fn new() -> Self {
        Self::from_limits(HubBuilder::DEFAULT)
    }

    /// For a hub with other limits.
    pub fn builder() -> HubBuilder {
        HubBuilder { limits: HubBuilder::DEFAULT }
    }

    fn from_limits(limits: Limits) -> Self {
        Self { broker: Arc::new(Broker::new(limits)) }
    }

    /// A transport on the default channel. All of them meet on it, one per node or shared.
    pub fn transport(&self) -> MemoryTransport {
        self.channel(Self::DEFAULT_CHANNEL)
    }

    /// A transport on the channel of this name: a namespace of its own, or one lane of several.
    pub fn channel(&self, name: impl Into<Arc<str>>) -> MemoryTransport {
        MemoryTransport::new(Arc::clone(&self.broker), name.into())
    }

    /// Ends all subscriptions; what comes after has another
    /// [sequencer identity](unstale::transport::Subscription::sequencer), as after the restart of a broker.
    pub fn restart(&self) {
        self.broker.restart();
    }

    /// Takes the hub off the network, or brings it back. While it is down all subscriptions have ended and
    /// every `subscribe` and `publish` fails with
    /// [`Unreachable`](unstale::transport::TransportErrorKind::Unreachable). The sequencer identity stays.
    pub fn set_down(&self, down: bool) {
        self.broker.set_down(down);
    }

    /// How many subscriptions are open, over all channels.
    pub fn subscriptions(&self) -> usize {
        self.broker.subscriptions()
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("subscriptions", &self.subscriptions()).finish_non_exhaustive()
    }
}

/// Makes a [`Hub`] with other limits than the default ones.
#[derive(Clone, Debug)]
pub struct HubBuilder {
    limits: Limits,
}

impl HubBuilder {
    const DEFAULT: Limits = Limits { max_frame_bytes: 1 << 20, queue_bytes: 32 << 20 };

    /// The largest frame, in bytes. Default: 1 MiB, like the network transports.
    #[must_use]
    pub fn max_frame_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_frame_bytes = bytes;
        self
    }

    /// The most that may wait for one subscriber, in bytes, some tens of bytes a frame included. Default:
    /// 32 MiB, the limit at which Redis cuts off a subscriber. Frames are shared between subscribers.
    #[must_use]
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.limits.queue_bytes = bytes;
        self
    }

    /// Makes the hub.
    ///
    /// # Errors
    /// [`Configuration`](TransportErrorKind::Configuration) when frames are smaller than
    /// [`Capabilities::MIN_FRAME_BYTES`], or a queue does not hold two of the largest.
    pub fn build(self) -> Result<Hub, TransportError> {
        let Limits { max_frame_bytes, queue_bytes } = self.limits;
        if max_frame_bytes < Capabilities::MIN_FRAME_BYTES {
            return Err(TransportErrorKind::Configuration.error(format!(
                "max_frame_bytes is {max_frame_bytes}, at least {} are needed",
                Capabilities::MIN_FRAME_BYTES
            )));
        }
        if queue_bytes / 2 < max_frame_bytes {
            return Err(TransportErrorKind::Configuration.error(format!(
                "queue_bytes is {queue_bytes}, which does not hold two frames of {max_frame_bytes}"
            )));
        }
        Ok(Hub::from_limits(self.limits))
    }
}
