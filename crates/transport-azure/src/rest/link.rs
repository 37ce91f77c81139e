//! Receives from one subscription with peek-lock: one message a call, locked by the answer and completed afterwards.
//!
//! A message is completed when the next one is asked for, that is after it was handed on. What cannot be completed
//! comes again when its lock ends, and is left out by its number. An answer that is lost ends the link: the message in
//! it would come again, but after later ones.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use azure_core_legacy::StatusCode;
use azure_messaging_servicebus::service_bus::{PeekLockResponse, SubscriptionReceiver};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use unstale::Runtime;
use unstale::runtime::BoxFuture;
use unstale::transport::TransportError;

use super::client::Failure;
use super::{Sending, message};
use crate::order::Fence;
use crate::subscription::{End, Link, Received};

/// How long the service waits for a message before it says that there is none. What is between us and it may end
/// requests that take a minute.
const WAIT: Duration = Duration::from_secs(30);
/// A service that does not wait is not asked more often than this.
const LEAST_WAIT: Duration = Duration::from_secs(1);
/// Messages that are being completed; then no further one is asked for.
const MAX_COMPLETING: usize = 16;
/// Fences that wait to be sent; a node asks for one at a time, and now and then for one more.
const MAX_WAITING: usize = 1_024;

/// A link over HTTPS.
pub(crate) struct RestLink {
    receiver: SubscriptionReceiver,
    sending: Sending,
    runtime: Arc<dyn Runtime>,
    /// The wait for the next message, while it is asked for.
    asking: Option<BoxFuture<Result<Option<PeekLockResponse>, Failure>>>,
    /// The message that was handed on last.
    handed_on: Option<PeekLockResponse>,
    completing: FuturesUnordered<BoxFuture<()>>,
    fences: VecDeque<Fence>,
    fencing: Option<BoxFuture<Result<(), TransportError>>>,
}

impl RestLink {
    pub(super) fn new(
        receiver: SubscriptionReceiver,
        sending: Sending,
        runtime: Arc<dyn Runtime>,
    ) -> Self {
        Self {
            receiver,
            sending,
            runtime,
            asking: None,
            handed_on: None,
            completing: FuturesUnordered::new(),
            fences: VecDeque::new(),
            fencing: None,
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
        self.sending.send_fence(&opening).await
    }

    /// One too many is left out: it would prove nothing that those before it do not.
    fn push_fence(&mut self, fence: Fence) {
        if self.fences.len() < MAX_WAITING {
            self.fences.push_back(fence);
        }
    }

    fn poll_received(&mut self, context: &mut Context<'_>) -> Poll<Result<Received, End>> {
        loop {
            self.poll_completing(context);
            self.poll_fencing(context).map_err(End::uncertain)?;
            if self.asking.is_none() {
                if self.completing.len() >= MAX_COMPLETING {
                    return Poll::Pending;
                }
                let asking = ask(self.receiver.clone(), Arc::clone(&self.runtime));
                self.asking = Some(Box::pin(asking));
            }
            let Some(asking) = &mut self.asking else { continue };
            let answer = std::task::ready!(asking.as_mut().poll(context));
            self.asking = None;
            if let Some(message) = answer.map_err(end)? {
                let received = message::received(&message);
                self.handed_on = Some(message);
                return Poll::Ready(Ok(received));
            }
        }
    }
}

/// Waits for a message, and locks it; `None` if none came.
async fn ask(
    receiver: SubscriptionReceiver,
    runtime: Arc<dyn Runtime>,
) -> Result<Option<PeekLockResponse>, Failure> {
    let earliest = runtime.now().after(LEAST_WAIT);
    let answer = receiver.peek_lock_message2(Some(WAIT)).await?;
    if *answer.status() != StatusCode::NoContent {
        return Ok(Some(answer));
    }
    runtime.sleep_until(earliest).await;
    Ok(None)
}

/// Completes a message as well as that can be done.
async fn complete(message: PeekLockResponse) {
    if let Err(error) = message.delete_message().await {
        let error = Failure::from(error).error;
        tracing::debug!(%error, "a message could not be completed and will come again");
    }
}

/// What comes of an answer that is no message.
fn end(failure: Failure) -> End {
    let Failure { error, status } = failure;
    End {
        error,
        vanished: status.is_some_and(|status| matches!(status.as_u16(), 404 | 410)),
        // Whoever answers waits no longer.
        nobody_reads: status.is_some(),
    }
}
