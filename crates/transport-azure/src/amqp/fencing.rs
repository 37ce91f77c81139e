//! Sends the fences of one subscription, over the subscription's own connection.
//!
//! So a fence says nothing about the connection that publishes, and needs nothing of it.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use fe2o3_amqp::Sender;
use fe2o3_amqp::session::SessionHandle;
use unstale::runtime::BoxFuture;
use unstale::transport::TransportError;

use super::failure::{Cause, accepted};
use super::message;
use crate::order::Fence;

/// Fences that wait to be sent; a node asks for one at a time, and now and then for one more.
const MAX_WAITING: usize = 1_024;

/// The sending link of a subscription.
pub(super) struct Fencing {
    /// `None` while it is sending.
    sender: Option<Sender>,
    sending: Option<BoxFuture<(Sender, Result<(), Cause>)>>,
    waiting: VecDeque<Fence>,
}

impl Fencing {
    pub(super) async fn attach(
        session: &mut SessionHandle<()>,
        topic: &str,
    ) -> Result<Self, Cause> {
        let sender = Sender::attach(session, "unstale-fences", topic).await?;
        Ok(Self { sender: Some(sender), sending: None, waiting: VecDeque::new() })
    }

    /// One that sends nothing.
    #[cfg(unstale_mutants)]
    pub(super) fn none() -> Self {
        Self { sender: None, sending: None, waiting: VecDeque::new() }
    }

    /// Sends the opening; `Ok` once the service accepted it.
    pub(super) async fn send_opening(&mut self, fence: &Fence) -> Result<(), TransportError> {
        const DOING: &str = "sending the opening of the subscription";
        let Some(sender) = &mut self.sender else { return Ok(()) };
        let outcome = sender.send(message::fence(fence)).await;
        accepted(outcome.map_err(|error| Cause::from(error).error(DOING))?, DOING)
    }

    /// Sends a fence with the next [`poll`](Self::poll). One too many is left out: it would prove nothing that
    /// those before it do not.
    pub(super) fn push(&mut self, fence: Fence) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(fence);
        }
    }

    /// Goes on sending. What becomes of a fence is not waited for: it comes back, or it does not.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Result<(), Cause> {
        loop {
            if let Some(sending) = &mut self.sending {
                let Poll::Ready((sender, sent)) = sending.as_mut().poll(context) else {
                    return Ok(());
                };
                (self.sending, self.sender) = (None, Some(sender));
                sent?;
            }
            let Some(fence) = self.waiting.pop_front() else { return Ok(()) };
            let Some(mut sender) = self.sender.take() else { return Ok(()) };
            self.sending = Some(Box::pin(async move {
                let sent = sender.send_batchable(message::fence(&fence)).await;
                (sender, sent.map(drop).map_err(Cause::from))
            }));
        }
    }
}
