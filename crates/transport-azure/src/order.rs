//! What the broker's numbers prove: which messages are frames, and when one may be missing.
//!
//! Service Bus numbers the messages of each subscription from 1 on without a gap ("Message sequencing and
//! timestamps" and the documentation of `SequenceNumber`). Three things follow.
//! - A number that is not above the last one is a redelivery, and is left out.
//! - A jump means that a message of ours went elsewhere: onto a dead link, to another receiver, or it expired.
//! - A topic that is partitioned numbers each partition by itself (its number is in the top 16 bits) and has no
//!   one order.
//!
//! Nothing that was in the subscription before it was opened counts: a link that died may have taken any part of
//! it, and what it held locked comes late. So a subscription begins with its own *opening*, a fence that was sent
//! after the link was attached: what comes before it is left out, what comes after it is complete.

use unstale::transport::{TransportError, TransportErrorKind as Kind};

/// Above these bits a sequence number has the number of its partition.
const PARTITION_SHIFT: u32 = 48;

/// Who asked for a fence: one opening of a subscription by one transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opener {
    /// Drawn when the transport was made.
    pub(crate) transport: u64,
    /// How many subscriptions it had opened before.
    pub(crate) number: u64,
}

/// A fence, as a message says so: it is addressed to one subscription, whose filter keeps it from the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    /// The subscription's name.
    pub(crate) addressee: String,
    pub(crate) opener: Opener,
    /// `None` for the opening.
    pub(crate) token: Option<u64>,
}

impl Fence {
    /// Who asked, as the message's correlation id.
    pub(crate) fn correlation_id(&self) -> String {
        format!("unstale-{:016x}-{}", self.opener.transport, self.opener.number)
    }

    /// What for, as the message's subject.
    pub(crate) fn subject(&self) -> String {
        self.token.map_or_else(|| "opening".to_owned(), |token| token.to_string())
    }

    /// The fence that these properties describe, if they do.
    pub(crate) fn read(
        to: Option<&str>,
        correlation_id: Option<&str>,
        subject: Option<&str>,
    ) -> Option<Self> {
        let (transport, number) = correlation_id?.strip_prefix("unstale-")?.split_once('-')?;
        let opener = Opener {
            transport: u64::from_str_radix(transport, 16).ok()?,
            number: number.parse().ok()?,
        };
        let token = match subject? {
            "opening" => None,
            token => Some(token.parse().ok()?),
        };
        Some(Self { addressee: to?.to_owned(), opener, token })
    }
}

/// What a message turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// Nothing to hand on.
    Nothing,
    /// Our opening: the subscription is confirmed.
    Opened,
    Frame,
    Fenced(u64),
}

/// Follows the messages of one opened subscription.
#[derive(Debug)]
pub(crate) struct Order {
    subscription: String,
    opener: Opener,
    last: Option<i64>,
    opened: bool,
}

impl Order {
    pub(crate) fn new(subscription: String, opener: Opener) -> Self {
        Self { subscription, opener, last: None, opened: false }
    }

    /// The fence that opens the subscription, or one with this token.
    pub(crate) fn fence(&self, token: Option<u64>) -> Fence {
        Fence { addressee: self.subscription.clone(), opener: self.opener, token }
    }

    /// Takes the next message. An error means that the subscription has to end.
    pub(crate) fn meet(
        &mut self,
        sequence: Option<i64>,
        fence: Option<&Fence>,
    ) -> Result<Met, TransportError> {
        let sequence = sequence.ok_or_else(|| {
            Kind::Protocol.error(
                "a message has no `x-opt-sequence-number`; is this really Service Bus, and not another broker?",
            )
        })?;
        if sequence >> PARTITION_SHIFT != 0 {
            return Err(partitioned());
        }
        if let Some(last) = self.last {
            if sequence <= last {
                return Ok(Met::Nothing);
            }
            if self.opened && sequence != last + 1 {
                return Err(Kind::Lagged.error(format!(
                    "{} messages of subscription `{}` went elsewhere: it is also read by someone else, or they \
                     expired",
                    sequence - last - 1,
                    self.subscription
                )));
            }
        }
        self.last = Some(sequence);
        let Some(fence) = fence else {
            return Ok(if self.opened { Met::Frame } else { Met::Nothing });
        };
        if fence.addressee != self.subscription {
            // Without a filter everybody's fences come by.
            return Ok(Met::Nothing);
        }
        match fence.token {
            None if fence.opener == self.opener => {
                self.opened = true;
                Ok(Met::Opened)
            }
            Some(token) if self.opened && fence.opener == self.opener => Ok(Met::Fenced(token)),
            // One of an earlier opening of our own may come late.
            _ if self.opened && fence.opener.transport != self.opener.transport => {
                Err(shared(&self.subscription))
            }
            _ => Ok(Met::Nothing),
        }
    }

    /// Forgets which number came last.
    #[cfg(unstale_mutants)]
    pub(crate) fn forget_last(&mut self) {
        self.last = None;
    }
}

/// The error of a topic that has no one order.
pub(crate) fn partitioned() -> TransportError {
    Kind::Configuration.error(
        "the topic is partitioned and so has no one order; create it without partitions (`EnablePartitioning` \
         off, in a namespace without partitions)",
    )
}

/// The error of a subscription that two nodes read.
pub(crate) fn shared(subscription: &str) -> TransportError {
    Kind::Configuration.error(format!(
        "subscription `{subscription}` is read by another node too, so each gets a part of the messages; give \
         every node a subscription of its own"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: Opener = Opener { transport: 7, number: 3 };
    const EARLIER: Opener = Opener { transport: 7, number: 2 };
    const OTHERS: Opener = Opener { transport: 8, number: 3 };

    fn fence(opener: Opener, token: Option<u64>) -> Fence {
        Fence { addressee: "mine".to_owned(), opener, token }
    }

    fn opened_at(sequence: i64) -> Order {
        let mut order = Order::new("mine".to_owned(), MINE);
        assert_eq!(order.meet(Some(sequence), Some(&fence(MINE, None))).unwrap(), Met::Opened);
        order
    }

    #[test]
    fn what_comes_before_the_opening_is_left_out() {
        let mut order = Order::new("mine".to_owned(), MINE);
        assert_eq!(order.meet(Some(3), None).unwrap(), Met::Nothing);
        // A link that died took number 4 along; nobody minds, since nothing was promised yet.
        assert_eq!(order.meet(Some(5), Some(&fence(OTHERS, Some(1)))).unwrap(), Met::Nothing);
        assert_eq!(order.meet(Some(6), Some(&fence(EARLIER, None))).unwrap(), Met::Nothing);
        assert_eq!(order.meet(Some(7), Some(&order.fence(None))).unwrap(), Met::Opened);
        assert_eq!(order.meet(Some(8), None).unwrap(), Met::Frame);
        assert_eq!(order.meet(Some(9), Some(&order.fence(Some(5)))).unwrap(), Met::Fenced(5));
    }

    #[test]
    fn redelivered_and_late_messages_are_left_out() {
        let mut order = opened_at(5);
        for late in [5, 4, 1] {
            assert_eq!(order.meet(Some(late), None).unwrap(), Met::Nothing);
        }
        assert_eq!(order.meet(Some(6), None).unwrap(), Met::Frame);
        assert_eq!(order.meet(Some(6), None).unwrap(), Met::Nothing);
    }

    #[test]
    fn a_jump_ends_the_subscription() {
        let mut order = opened_at(5);
        let error = order.meet(Some(7), None).unwrap_err();
        assert_eq!(error.kind(), Kind::Lagged);
        assert!(error.to_string().starts_with("1 messages of subscription `mine`"), "{error}");
        // A fence that jumps proves nothing.
        assert!(opened_at(5).meet(Some(7), Some(&fence(MINE, Some(1)))).is_err());
    }

    #[test]
    fn a_foreign_fence_for_our_subscription_means_that_it_is_shared() {
        let error = opened_at(1).meet(Some(2), Some(&fence(OTHERS, Some(4)))).unwrap_err();
        assert_eq!(error.kind(), Kind::Configuration);
        assert!(error.to_string().contains("`mine`"), "{error}");
        let theirs = Fence { addressee: "theirs".to_owned(), ..fence(OTHERS, Some(4)) };
        assert_eq!(opened_at(1).meet(Some(2), Some(&theirs)).unwrap(), Met::Nothing);
        assert_eq!(
            opened_at(1).meet(Some(2), Some(&fence(EARLIER, Some(4)))).unwrap(),
            Met::Nothing
        );
    }

    #[test]
    fn partitions_are_refused() {
        let error = Order::new("mine".into(), MINE).meet(Some((2 << 48) + 1), None).unwrap_err();
        assert_eq!(error.kind(), Kind::Configuration);
        assert_eq!(
            Order::new("mine".into(), MINE).meet(None, None).unwrap_err().kind(),
            Kind::Protocol
        );
        assert!(Order::new("mine".into(), MINE).meet(Some(-1), None).is_err());
    }

    #[test]
    fn fences_are_read_as_they_were_written() {
        for token in [None, Some(0), Some(u64::MAX)] {
            let written = fence(Opener { transport: u64::MAX, number: 9 }, token);
            let read = Fence::read(
                Some("mine"),
                Some(&written.correlation_id()),
                Some(&written.subject()),
            );
            assert_eq!(read, Some(written));
        }
        for (to, correlation_id, subject) in [
            (None, Some("unstale-0-1"), Some("1")),
            (Some("mine"), None, Some("1")),
            (Some("mine"), Some("unstale-0-1"), None),
            (Some("mine"), Some("order-17"), Some("1")),
            (Some("mine"), Some("unstale-x-1"), Some("1")),
            (Some("mine"), Some("unstale-0-1"), Some("one")),
        ] {
            assert_eq!(Fence::read(to, correlation_id, subject), None);
        }
    }
}
