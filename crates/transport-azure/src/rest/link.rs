//! Receives from one subscription with peek-lock: one message a call, locked by the answer and completed afterwards.
//!
//! A message is completed when the next one is asked for, that is after it was handed on. What cannot be completed
//! comes again when its lock ends, and is left out by its number. An answer that is lost ends the link: the message in
//! it would come again, but after later ones.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use azure_messaging_servicebus::service_bus::PeekLockResponse;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use unstale::Runtime;
use unstale::runtime::BoxFuture;
use unstale::transport::TransportError;

use super::Sending;
use super::asking::Asking;
use super::client::Failure;
use crate::order::Fence;
use crate::subscription::{End, Link, Received};

/// Messages that are being completed; then no further one is asked for.
const MAX_COMPLETING: usize = 32;
/// Fences that wait to be sent; a node asks for one at a time, and now and then for one more.
const MAX_WAITING: usize = 1_024;

/// When an opening that has not come back is sent again: a request that an earlier reader gave up may have taken it.
const OPENING_PAUSE: Duration = Duration::from_secs(1);

/// A link over HTTPS.
pub(crate) struct RestLink {
    runtime: Arc<dyn Runtime>,
    asking: Asking,
    /// The message that was handed on last.
    handed_on: Option<PeekLockResponse>,
    completing: FuturesUnordered<BoxFuture<()>>,
    sending: Sending,
    fences: VecDeque<Fence>,
    fencing: Option<BoxFuture<Result<(), TransportError>>>,
    /// The opening, until it has come back, and when it is sent again.
    opening: Option<(Fence, BoxFuture<()>)>,
}

impl RestLink {
    pub(super) fn new(asking: Asking, sending: Sending, runtime: Arc<dyn Runtime>) -> Self {
        Self {
            runtime,
            asking,
            handed_on: None,
            completing: FuturesUnordered::new(),
            sending,
            fences: VecDeque::new(),
            fencing: None,
            opening: None,
        }
    }

    fn pause(&self) -> BoxFuture<()> {
        self.runtime.sleep_until(self.runtime.now().after(OPENING_PAUSE))
    }

    fn poll_opening(&mut self, context: &mut Context<'_>) {
        while let Some((opening, pause)) = &mut self.opening {
            if pause.as_mut().poll(context).is_pending() {
                return;
            }
            let opening = opening.clone();
            self.push_fence(opening.clone());
            self.opening = Some((opening, self.pause()));
        }
    }

    fn poll_completing(&mut self, context: &mut Context<'_>) {
        if let Some(message) = self.handed_on.take() {
            self.completing.push(Box::pin(complete(message)));
        }
        while let Poll::Ready(Some(())) = self.completing.poll_next_unpin(context) {}
    }

    /// Goes on sending fences. One that cannot be sent ends the link, as it would over AMQP: without fences a node
    /// learns nothing from it.
    fn poll_fencing(&mut self, context: &mut Context<'_>) -> Result<(), TransportError> {
        loop {
            if let Some(fencing) = &mut self.fencing {
                let Poll::Ready(sent) = fencing.as_mut().poll(context) else { return Ok(()) };
                self.fencing = None;
                sent?;
            }
            let Some(fence) = self.fences.pop_front() else { return Ok(()) };
            let sending = self.sending.clone();
            self.fencing = Some(Box::pin(async move { sending.send_fence(&fence).await }));
        }
    }
}

impl Link for RestLink {
    async fn send_opening(&mut self, opening: Fence) -> Result<(), TransportError> {
        self.sending.send_fence(&opening).await?;
        self.opening = Some((opening, self.pause()));
        Ok(())
    }

    /// One too many is left out: it would prove nothing that those before it do not.
    fn push_fence(&mut self, fence: Fence) {
        if self.fences.len() < MAX_WAITING {
            self.fences.push_back(fence);
        }
    }

    fn poll_received(&mut self, context: &mut Context<'_>) -> Poll<Result<Received, End>> {
        self.poll_completing(context);
        self.poll_opening(context);
        self.poll_fencing(context).map_err(End::uncertain)?;
        let asks = self.completing.len() < MAX_COMPLETING;
        let message = std::task::ready!(self.asking.poll(context, asks))?;
        self.handed_on = Some(message.lock);
        if self.opening.as_ref().map(|(opening, _)| opening) == message.received.fence.as_ref() {
            self.opening = None;
        }
        Poll::Ready(Ok(message.received))
    }
}

/// Completes a message as well as that can be done.
async fn complete(message: PeekLockResponse) {
    if let Err(error) = message.delete_message().await {
        let error = Failure::from(error).error;
        tracing::debug!(%error, "a message could not be completed and will come again");
    }
}
