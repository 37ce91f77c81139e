//! The subscriber: one connection that yields frames and fences until anything is not as it must be.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use unstale::transport::{
    Item, SequencerId, Subscription, TransportError, TransportErrorKind as Kind,
};

use crate::channel::Channel;
use crate::error;
use crate::locate::Locator;
use crate::mutation::{self, Mutation};
use crate::resp::Value;
use crate::sequencer::Tenure;
use crate::server::{Dialer, Primary, Server};
use crate::wire::Wire;

/// A node has a handful of fences in flight; so many unanswered ones are a dead server.
const MAX_FENCES: usize = 1024;

/// A confirmed subscription on the primary.
///
/// A fence is `PING` on the subscribed connection, whose answer comes after every message that the server had
/// accepted, and `INFO replication`, which shows that the server has been the primary all along: of the same
/// replication id at some moment after the fence was asked for, hence at every moment before. The second
/// may thus take another connection to the same server process, and must where version 2 of the
/// protocol allows only `PING` on a subscribed one. In a cluster a question about the channel's slot is asked
/// before `INFO`, which a server refuses that no longer owns the slot or knows that it is cut off.
pub(crate) struct RedisSubscription {
    wire: Wire,
    /// For `INFO`, with version 2 of the protocol.
    control: Option<Wire>,
    channel: Arc<Channel>,
    primary: Primary,
    sequencer: SequencerId,
    tenure: Arc<Tenure>,
    fences: VecDeque<Fence>,
    ended: bool,
}

#[derive(Debug)]
struct Fence {
    token: u64,
    /// `INFO` showed the primary that we subscribed at.
    confirmed: bool,
    /// `PING` was answered in the stream.
    passed: bool,
}

impl RedisSubscription {
    /// Finds the primary and subscribes there.
    pub(crate) async fn open(
        dialer: &Dialer,
        locator: &Locator,
        channel: &Arc<Channel>,
    ) -> Result<Self, TransportError> {
        let (server, primary) = locator.connect(dialer, true).await?;
        let endpoint = server.wire.endpoint().clone();
        let confirmed = async {
            let Server { mut wire, resp3 } = server;
            let control = if resp3 {
                None
            } else {
                let mut control = dialer.open(&endpoint, false).await?;
                if control.primary().await? != primary {
                    return Err(Kind::Demoted
                        .error(format!("two connections to {endpoint} reach different servers")));
                }
                Some(control.wire)
            };
            let confirmation = wire
                .request(&[&[channel.subscribe_command(), channel.name()]])
                .await?
                .pop()
                .unwrap_or(Value::Nil);
            match &confirmation {
                Value::Push(parts) | Value::List(parts) if channel.is_confirmation(parts) => {
                    Ok((wire, control))
                }
                other => Err(error::unexpected(&endpoint, "SUBSCRIBE", other)),
            }
        };
        let (wire, control) = dialer.in_time(&endpoint, confirmed).await?;
        let sequencer = primary.sequencer();
        tracing::debug!(%endpoint, ?sequencer, resp3 = control.is_none(), "subscribed");
        Ok(Self {
            wire,
            control,
            channel: Arc::clone(channel),
            tenure: Arc::new(Tenure::of(sequencer.clone())),
            primary,
            sequencer,
            fences: VecDeque::new(),
            ended: false,
        })
    }

    /// What ends this subscription from outside.
    pub(crate) fn tenure(&self) -> &Arc<Tenure> {
        &self.tenure
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        self.tenure.poll_over(context)?;
        loop {
            if self.fences.len() > MAX_FENCES {
                return Poll::Ready(Err(Kind::Unreachable.error(format!(
                    "{} has not answered {MAX_FENCES} fences",
                    self.wire.endpoint()
                ))));
            }
            let control = match &mut self.control {
                Some(control) => control.poll_value(context)?,
                None => Poll::Pending,
            };
            if let Poll::Ready(value) = control {
                self.confirm(&value)?;
            } else if let Poll::Ready(value) = self.wire.poll_value(context)? {
                if let Some(frame) = self.understand(value)? {
                    return Poll::Ready(Ok(Item::Frame(frame)));
                }
            } else {
                return Poll::Pending;
            }
            if let Some(token) = self.passed_fence() {
                return Poll::Ready(Ok(Item::Fenced(token)));
            }
        }
    }

    /// A value on the subscribed connection: a frame, a step of a fence, or the end.
    fn understand(&mut self, value: Value) -> Result<Option<Bytes>, TransportError> {
        match value {
            Value::Push(parts) => self.published(parts),
            Value::List(parts) if self.control.is_some() => match &parts[..] {
                [Value::Text(kind), Value::Text(token)] if &kind[..] == b"pong" => {
                    self.pass(token).map(|()| None)
                }
                _ => self.published(parts),
            },
            // Version 3 answers in the order of asking: `INFO`, then `PING`.
            value if self.control.is_none() => {
                let unconfirmed = self
                    .fences
                    .iter()
                    .find(|fence| !fence.passed)
                    .is_some_and(|fence| !fence.confirmed);
                match &value {
                    Value::Text(token) if !unconfirmed => self.pass(token)?,
                    other => self.confirm(other)?,
                }
                Ok(None)
            }
            other => Err(error::unexpected(self.wire.endpoint(), "PING", &other)),
        }
    }

    fn published(&self, parts: Vec<Value>) -> Result<Option<Bytes>, TransportError> {
        if self.channel.is_confirmation(&parts) {
            return Ok(None);
        }
        if self.channel.is_message(&parts)
            && let Some(Value::Text(frame)) = parts.into_iter().nth(2)
        {
            return Ok(Some(frame));
        }
        // Above all `sunsubscribe`: the slot has moved, or the user's permissions have changed.
        Err(Kind::Demoted.error(format!(
            "{} ended the subscription or said something that nobody asked for",
            self.wire.endpoint()
        )))
    }

    /// The answer to `INFO replication`, or to the question about the slot that goes before it.
    fn confirm(&mut self, value: &Value) -> Result<(), TransportError> {
        if self.channel.owns_slot(value) {
            return Ok(());
        }
        let endpoint = self.control.as_ref().unwrap_or(&self.wire).endpoint();
        let Value::Text(section) = value else {
            return Err(error::unexpected(endpoint, "INFO", value));
        };
        if !mutation::active(Mutation::DemotedPrimaryConfirms) {
            self.primary.check(&endpoint.to_string(), section)?;
        }
        match self.fences.iter_mut().find(|fence| !fence.confirmed) {
            Some(fence) => {
                fence.confirmed = true;
                Ok(())
            }
            None => Err(error::unexpected(endpoint, "nothing", &Value::Nil)),
        }
    }

    /// The answer to `PING`.
    fn pass(&mut self, answer: &[u8]) -> Result<(), TransportError> {
        match self.fences.iter_mut().find(|fence| !fence.passed) {
            Some(fence) if fence.token.to_string().as_bytes() == answer => {
                fence.passed = true;
                Ok(())
            }
            _ => Err(error::unexpected(self.wire.endpoint(), "PING", &Value::Nil)),
        }
    }

    fn passed_fence(&mut self) -> Option<u64> {
        let fence = self.fences.front()?;
        if !(fence.confirmed && fence.passed) {
            return None;
        }
        self.fences.pop_front().map(|fence| fence.token)
    }
}

#[async_trait]
impl Subscription for RedisSubscription {
    fn sequencer(&self) -> Option<&SequencerId> {
        Some(&self.sequencer)
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        if self.ended {
            return Poll::Ready(Err(Kind::Closed.error("this subscription has ended")));
        }
        self.poll_item(context).map_err(|error| {
            self.ended = true;
            match error.kind() {
                // The server does not say why it closes a connection.
                Kind::Unreachable => Kind::Unreachable
                    .error(
                        "the subscription broke (a server also cuts off a subscriber that reads too slowly, see its \
                         `client-output-buffer-limit pubsub`)",
                    )
                    .with_source(error),
                _ => error,
            }
        })
    }

    fn fence(&mut self, token: u64) {
        if self.ended || self.fences.len() > MAX_FENCES {
            return;
        }
        self.fences.push_back(Fence { token, confirmed: false, passed: false });
        let control = self.control.as_mut().unwrap_or(&mut self.wire);
        if let Some(question) = self.channel.ownership_question() {
            control.queue(&question);
        }
        control.queue(&[b"INFO", b"replication"]);
        self.wire.queue(&[b"PING", token.to_string().as_bytes()]);
    }

    async fn close(self: Box<Self>) {}
}
