//! What a subscription is on every path: opened, followed in order, closed.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use unstale::transport::{
    Item, SequencerId, Subscription, TransportError, TransportErrorKind as Kind,
};

use crate::network::Network;
use crate::order::{Fence, Met, Opener, Order};
use crate::subscriptions::Lease;

/// A message, as far as anybody cares.
pub(crate) struct Received {
    pub(crate) sequence: Option<i64>,
    pub(crate) fence: Option<Fence>,
    pub(crate) frame: Bytes,
}

/// Why nothing more is received.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) error: TransportError,
    /// There is no such subscription.
    pub(crate) vanished: bool,
    /// It is certain that the service takes us for a reader no longer.
    pub(crate) nobody_reads: bool,
}

impl End {
    /// One that says nothing about whether the service still takes us for a reader.
    pub(crate) fn uncertain(error: TransportError) -> Self {
        Self { error, vanished: false, nobody_reads: false }
    }
}

/// Receives from one subscription, and sends its fences.
pub(crate) trait Link: Send + 'static {
    /// Sends the opening; `Ok` once the service accepted it.
    fn send_opening(
        &mut self,
        opening: Fence,
    ) -> impl Future<Output = Result<(), TransportError>> + Send;

    /// Sends a fence with the next [`poll_received`](Self::poll_received).
    fn push_fence(&mut self, fence: Fence);

    /// The next message. After an end nothing is polled.
    fn poll_received(&mut self, context: &mut Context<'_>) -> Poll<Result<Received, End>>;

    /// Whether it goes on over a gap, behind the node's back.
    #[cfg(unstale_mutants)]
    fn take_resumed(&mut self) -> bool {
        false
    }
}

/// Makes links to the subscriptions of one topic.
pub(crate) trait Attach: Sync {
    type Link: Link;

    /// A link to the subscription that is on lease.
    fn attach(&self, lease: &Lease) -> impl Future<Output = Result<Self::Link, End>> + Send;
}

/// What it takes to open a subscription.
pub(crate) struct Opening {
    pub(crate) network: Network,
    pub(crate) sequencer: SequencerId,
    pub(crate) opener: Opener,
    /// How long the opening may take to come back.
    pub(crate) timeout: Duration,
}

impl Opening {
    /// Attaches to the subscription and waits until its own opening has come back.
    pub(crate) async fn open<A: Attach>(
        &self,
        path: &A,
        mut lease: Lease,
    ) -> Result<OpenSubscription<A::Link>, TransportError> {
        let end = match self.attempt(path, lease).await {
            Ok(subscription) => return Ok(subscription),
            Err((vanished, end)) if end.vanished => {
                lease = vanished;
                end
            }
            Err((_, end)) => return Err(end.error),
        };
        if !lease.recreate().await? {
            return Err(end.error);
        }
        self.attempt(path, lease).await.map_err(|(_, end)| end.error)
    }

    async fn attempt<A: Attach>(
        &self,
        path: &A,
        mut lease: Lease,
    ) -> Result<OpenSubscription<A::Link>, (Lease, End)> {
        let link = match path.attach(&lease).await {
            Ok(link) => link,
            Err(end) => {
                lease.ended(&end);
                return Err((lease, end));
            }
        };
        let order = Order::new(lease.name().to_owned(), self.opener);
        let sequencer = self.sequencer.clone();
        let mut subscription = OpenSubscription { link: Some(link), order, sequencer, lease };
        let opened = async { Ok(subscription.opened().await) };
        let doing = "waiting for the opening";
        match self.network.within(self.timeout, doing, opened).await {
            Ok(Ok(())) => Ok(subscription),
            Ok(Err(end)) => Err((subscription.lease, end)),
            Err(error) => {
                let end = End::uncertain(Kind::Unreachable.error(format!(
                    "{error}; if this goes on, is subscription `{}` read by another node, or does its filter keep \
                     out what is addressed to it?",
                    subscription.lease.name()
                )));
                Err((subscription.lease, end))
            }
        }
    }
}

/// A subscription that is attached to, and confirmed once it has met its opening.
pub(crate) struct OpenSubscription<L> {
    // In this order: the link goes first. `None` after the end.
    link: Option<L>,
    order: Order,
    sequencer: SequencerId,
    lease: Lease,
}

impl<L: Link> OpenSubscription<L> {
    async fn opened(&mut self) -> Result<(), End> {
        let opening = self.order.fence(None);
        if let Some(link) = &mut self.link {
            link.send_opening(opening).await.map_err(End::uncertain)?;
        }
        while poll_fn(|context| self.poll_met(context)).await?.0 != Met::Opened {}
        Ok(())
    }

    fn poll_met(&mut self, context: &mut Context<'_>) -> Poll<Result<(Met, Bytes), End>> {
        let Some(link) = &mut self.link else {
            let error = Kind::Closed.error("the subscription has ended");
            return Poll::Ready(Err(End::uncertain(error)));
        };
        let end = match std::task::ready!(link.poll_received(context)) {
            Ok(received) => {
                #[cfg(unstale_mutants)]
                if link.take_resumed() {
                    self.order.forget_last();
                }
                match self.order.meet(received.sequence, received.fence.as_ref()) {
                    Ok(met) => return Poll::Ready(Ok((met, received.frame))),
                    Err(error) => End::uncertain(error),
                }
            }
            Err(end) => end,
        };
        self.link = None;
        self.lease.ended(&end);
        Poll::Ready(Err(end))
    }
}

#[async_trait]
impl<L: Link> Subscription for OpenSubscription<L> {
    fn sequencer(&self) -> Option<&SequencerId> {
        Some(&self.sequencer)
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        loop {
            let met = std::task::ready!(self.poll_met(context));
            match met.map_err(|end| end.error)? {
                (Met::Frame, frame) => return Poll::Ready(Ok(Item::Frame(frame))),
                (Met::Fenced(token), _) => return Poll::Ready(Ok(Item::Fenced(token))),
                (Met::Nothing | Met::Opened, _) => {}
            }
        }
    }

    fn fence(&mut self, token: u64) {
        if let Some(link) = &mut self.link {
            link.push_fence(self.order.fence(Some(token)));
        }
    }

    async fn close(self: Box<Self>) {
        let Self { link, lease, .. } = *self;
        // The link goes first.
        drop(link);
        lease.close().await;
    }
}
