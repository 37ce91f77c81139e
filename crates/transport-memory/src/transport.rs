//! The contract of `unstale::Transport`, word by word.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use unstale::Transport;
use unstale::transport::{Capabilities, Item, SequencerId, Subscription, TransportError};

use crate::broker::Broker;
use crate::queue::Queue;

/// The way to one channel of a [`Hub`](crate::Hub). A clone is on the same channel.
///
/// Both methods finish on their first poll: a future that was dropped unpolled did nothing.
#[derive(Clone)]
pub struct MemoryTransport {
    broker: Arc<Broker>,
    channel: Arc<str>,
}

impl MemoryTransport {
    pub(crate) fn new(broker: Arc<Broker>, channel: Arc<str>) -> Self {
        Self { broker, channel }
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, TransportError> {
        let (queue, sequencer) = self.broker.subscribe(&self.channel)?;
        Ok(Box::new(MemorySubscription {
            broker: Arc::clone(&self.broker),
            channel: Arc::clone(&self.channel),
            queue,
            sequencer,
        }))
    }

    async fn publish(&self, frame: Bytes) -> Result<(), TransportError> {
        self.broker.publish(&self.channel, &frame)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new("memory")
            .with_max_frame_bytes(self.broker.limits().max_frame_bytes)
            .with_native_fences()
    }
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTransport").field("channel", &self.channel).finish_non_exhaustive()
    }
}

struct MemorySubscription {
    broker: Arc<Broker>,
    channel: Arc<str>,
    queue: Arc<Queue>,
    sequencer: SequencerId,
}

#[async_trait]
impl Subscription for MemorySubscription {
    fn sequencer(&self) -> Option<&SequencerId> {
        Some(&self.sequencer)
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        self.queue.poll(context)
    }

    fn fence(&mut self, token: u64) {
        self.broker.fence(&self.queue, token);
    }

    async fn close(self: Box<Self>) {}
}

impl Drop for MemorySubscription {
    fn drop(&mut self) {
        self.broker.unsubscribe(&self.channel, &self.queue);
    }
}
