//! A subscription that suffers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use unstale::runtime::BoxFuture;
use unstale::transport::{Item, SequencerId, Subscription, TransportError, TransportErrorKind};

use super::state::{Shared, Waiter};

/// At most so many items are read ahead while they are delayed; the rest waits in the inner subscription,
/// where its own limit counts.
const READ_AHEAD: usize = 64 * 1024;

/// An item or the end on its way, and when it arrives.
struct Delayed {
    arrival: BoxFuture<()>,
    item: Result<Item, TransportError>,
}

pub(super) struct FaultySubscription {
    /// `None` after its end.
    inner: Option<Box<dyn Subscription>>,
    shared: Arc<Shared>,
    waiter: Waiter,
    /// How many disconnects there were when it began.
    connection: u64,
    sequencer: Option<SequencerId>,
    delayed: VecDeque<Delayed>,
}

impl FaultySubscription {
    pub(super) fn new(inner: Box<dyn Subscription>, shared: Arc<Shared>, connection: u64) -> Self {
        let pretended = shared.read(|state| state.sequencer.clone());
        Self {
            sequencer: pretended.or_else(|| inner.sequencer().cloned()),
            inner: Some(inner),
            waiter: Waiter::new(Arc::clone(&shared)),
            shared,
            connection,
            delayed: VecDeque::new(),
        }
    }

    /// What the inner subscription yields, without what is lost.
    fn poll_inner(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        let Some(inner) = &mut self.inner else {
            return Poll::Pending;
        };
        loop {
            return match inner.poll_next(context) {
                Poll::Ready(Ok(Item::Frame(frame))) if self.shared.loses_received(&frame) => {
                    continue;
                }
                Poll::Ready(Err(error)) => {
                    self.inner = None;
                    Poll::Ready(Err(error))
                }
                other => other,
            };
        }
    }

    /// Takes in what there is and lets each item travel for as long as the others.
    fn poll_delayed(
        &mut self,
        delay: Duration,
        context: &mut Context<'_>,
    ) -> Poll<Result<Item, TransportError>> {
        while self.delayed.len() < READ_AHEAD {
            let Poll::Ready(item) = self.poll_inner(context) else {
                break;
            };
            let arrival = self.shared.sleep(delay);
            self.delayed.push_back(Delayed { arrival, item });
        }
        let Some(first) = self.delayed.front_mut() else {
            return Poll::Pending;
        };
        match first.arrival.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => match self.delayed.pop_front() {
                Some(first) => Poll::Ready(first.item),
                None => Poll::Pending,
            },
        }
    }

    fn cut(&mut self) -> TransportError {
        if self.inner.take().is_some() {
            self.shared.read(|state| state.injected.disconnected += 1);
        }
        self.delayed.clear();
        TransportErrorKind::Unreachable.error("injected: the connection was cut")
    }
}

#[async_trait]
impl Subscription for FaultySubscription {
    fn sequencer(&self) -> Option<&SequencerId> {
        self.sequencer.as_ref()
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        // Registered before the look, so that no change falls in between.
        self.waiter.register(context);
        let (disconnects, silent, delay) =
            self.shared.read(|state| (state.disconnects, state.silent, state.receive_delay));
        if disconnects != self.connection {
            return Poll::Ready(Err(self.cut()));
        }
        if silent {
            return Poll::Pending;
        }
        if delay.is_zero() && self.delayed.is_empty() {
            return self.poll_inner(context);
        }
        self.poll_delayed(delay, context)
    }

    fn fence(&mut self, token: u64) {
        if let Some(inner) = &mut self.inner {
            inner.fence(token);
        }
    }

    async fn close(self: Box<Self>) {
        if let Some(inner) = self.inner {
            inner.close().await;
        }
    }
}
