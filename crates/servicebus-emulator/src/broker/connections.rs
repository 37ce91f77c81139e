//! Connections, as the broker sees them: a box for what is on its way to them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Notify;

use crate::Message;
use crate::address::{Address, SubscriptionKey};
use crate::message::Stamp;

use super::refusal::Refusal;
use super::tokens::Token;

/// Counted over the emulator's life; also given to requests that wait for a message.
pub(crate) type ConnectionId = u64;
/// Counted over the emulator's life.
pub(crate) type LinkId = u64;

/// Somebody who is connected.
pub(crate) struct Connection {
    /// Who it is, if whoever accepted it knows.
    pub(crate) peer: Option<String>,
    pub(crate) outbox: VecDeque<Event>,
    /// Tells its task that there is something in the box, or that it is cut.
    pub(crate) notify: Arc<Notify>,
    pub(crate) cut: bool,
    /// Those that are attached, in that order.
    pub(crate) links: Vec<LinkId>,
}

/// A link that is attached.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) connection: ConnectionId,
    pub(crate) address: Address,
}

impl Link {
    pub(crate) fn receives_from(&self, key: &SubscriptionKey) -> bool {
        matches!(&self.address, Address::Subscription(own) if own == key)
    }

    pub(crate) fn sends_to(&self, topic: &str) -> bool {
        matches!(&self.address, Address::Topic(own) if own == topic)
    }
}

/// What a connection is to tell its peer.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Deliver(Delivery),
    /// There is nothing more for the credit that this link had.
    Drained {
        link: LinkId,
        delivery_count: u32,
    },
    /// The link is gone, for this reason.
    Detach {
        link: LinkId,
        reason: Refusal,
    },
    /// Every token of this connection has expired.
    ExpireTokens,
}

/// A message on its way to a receiver.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) link: LinkId,
    pub(crate) message: Arc<Message>,
    pub(crate) stamp: Stamp,
    pub(crate) token: Token,
    pub(crate) expires_at: Option<SystemTime>,
}
