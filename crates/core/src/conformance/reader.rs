//! A subscription, read with limited patience.

use bytes::Bytes;

use super::lab::{Checks, Outcome, Stop, ensure};
use crate::transport::{Item, SequencerId, Subscription, SubscriptionExt, TransportError};

/// A subscription whose every wait is limited and whose every error is looked at.
pub(super) struct Reader {
    pub(super) subscription: Box<dyn Subscription>,
    checks: Checks,
}

impl Reader {
    pub(super) fn new(subscription: Box<dyn Subscription>, checks: Checks) -> Self {
        Self { subscription, checks }
    }

    pub(super) fn sequencer(&self) -> Option<SequencerId> {
        self.subscription.sequencer().cloned()
    }

    pub(super) fn fence(&mut self, token: u64) {
        self.subscription.fence(token);
    }

    /// The next item or the end.
    pub(super) async fn item_or_end(
        &mut self,
        what: &str,
    ) -> Outcome<Result<Item, TransportError>> {
        let next = self.checks.within(what, self.subscription.next()).await?;
        if let Err(error) = &next {
            self.checks.inspect(error)?;
        }
        Ok(next)
    }

    /// The next item; the end is a failure.
    pub(super) async fn item(&mut self, what: &str) -> Outcome<Item> {
        self.item_or_end(what).await?.map_err(|error| {
            Stop::fail(format!("waiting for {what}, the subscription ended: {error}"))
        })
    }

    /// The next item, which must be a frame.
    pub(super) async fn frame(&mut self, what: &str) -> Outcome<Bytes> {
        match self.item(what).await? {
            Item::Frame(frame) => Ok(frame),
            Item::Fenced(token) => {
                Err(Stop::fail(format!("waiting for {what}, a fence that was not due: {token}")))
            }
        }
    }

    /// The next item must be this frame.
    pub(super) async fn expect(&mut self, what: &str, expected: &Bytes) -> Outcome {
        let frame = self.frame(what).await?;
        ensure(frame == expected, || {
            format!(
                "waiting for {what}, another frame: {} instead of {}",
                excerpt(&frame),
                excerpt(expected)
            )
        })
    }

    /// The next item must be this fence.
    pub(super) async fn expect_fence(&mut self, token: u64) -> Outcome {
        let item = self.item(&format!("fence {token}")).await?;
        ensure(item == Item::Fenced(token), || match item {
            Item::Fenced(other) => format!("fence {other} came instead of {token}"),
            Item::Frame(frame) => {
                format!("frame {} came instead of fence {token}", excerpt(&frame))
            }
        })
    }

    /// The frames before the end, and the error that it ended with.
    pub(super) async fn rest(&mut self, what: &str) -> Outcome<(Vec<Bytes>, TransportError)> {
        let mut frames = Vec::new();
        loop {
            match self.item_or_end(what).await? {
                Ok(Item::Frame(frame)) => frames.push(frame),
                Ok(Item::Fenced(token)) => {
                    return Err(Stop::fail(format!("fence {token}, which nobody asked for")));
                }
                Err(error) => return Ok((frames, error)),
            }
        }
    }
}

/// The length and the first bytes of a frame.
fn excerpt(frame: &Bytes) -> String {
    let start = &frame[..frame.len().min(24)];
    format!("{} bytes \"{}\"", frame.len(), start.escape_ascii())
}
