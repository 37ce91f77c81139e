//! What stands between a node and its transport: it tells the history what arrives, and can stop reading.

use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use unstale::Transport;
use unstale::transport::{Capabilities, Item, SequencerId, Subscription, TransportError};

use super::universe::Universe;
use crate::frames;
use crate::history::Event;

pub(super) struct Watched {
    inner: Arc<dyn Transport>,
    universe: Arc<Universe>,
    node: usize,
    /// Whether the broker does not say itself what it accepts.
    tells_accepted: bool,
}

impl Watched {
    pub(super) fn new(
        inner: Arc<dyn Transport>,
        universe: Arc<Universe>,
        node: usize,
        tells_accepted: bool,
    ) -> Self {
        Self { inner, universe, node, tells_accepted }
    }
}

#[async_trait]
impl Transport for Watched {
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, TransportError> {
        let inner = self.inner.subscribe().await?;
        let (universe, node) = (Arc::clone(&self.universe), self.node);
        Ok(Box::new(WatchedSubscription { inner, universe, node }))
    }

    async fn publish(&self, frame: Bytes) -> Result<(), TransportError> {
        let bytes = frame.len();
        self.inner.publish(frame).await?;
        if self.tells_accepted {
            self.universe.record(&Event::Accepted { bytes });
        }
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.inner.capabilities();
        // A run is shorter than the minute between beacons where they cost money; only times depend on it.
        capabilities.metered = false;
        capabilities
    }
}

struct WatchedSubscription {
    inner: Box<dyn Subscription>,
    universe: Arc<Universe>,
    node: usize,
}

#[async_trait]
impl Subscription for WatchedSubscription {
    fn sequencer(&self) -> Option<&SequencerId> {
        self.inner.sequencer()
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        if self.universe.slots[self.node].reading.poll(context).is_pending() {
            return Poll::Pending;
        }
        let item = self.inner.poll_next(context);
        match &item {
            Poll::Ready(Ok(Item::Frame(frame))) => {
                if let Some((origin, number)) = frames::numbered(frame) {
                    self.universe.record(&Event::Arrived { to: self.node, origin, number });
                }
            }
            Poll::Ready(Err(_)) => {
                self.universe.record(&Event::Unsubscribed { node: self.node });
            }
            _ => {}
        }
        item
    }

    fn fence(&mut self, token: u64) {
        self.inner.fence(token);
    }

    async fn close(self: Box<Self>) {
        self.inner.close().await;
    }
}
