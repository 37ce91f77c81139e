//! Links, as their connection knows them.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::address::{Address, SubscriptionKey};
use crate::broker::connections::LinkId;

/// A link that is attached.
pub(super) enum Link {
    /// The peer sends to a topic.
    Ingest { id: LinkId, topic: String, intake: Intake },
    /// The peer receives from a subscription.
    Egress { id: LinkId, key: SubscriptionKey },
    /// The peer sends tokens.
    TokenRequests { intake: Intake },
    /// The peer hears what became of them.
    TokenReplies {
        address: Option<String>,
        credit: u32,
        delivery_count: u32,
        waiting: VecDeque<Bytes>,
    },
}

/// What comes in on a link: how much may, and what has not come whole.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// Deliveries that have come.
    pub(super) delivery_count: u32,
    pub(super) credit: u32,
    pub(super) partial: Option<Partial>,
}

/// A delivery of which more is to come.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) delivery_id: u32,
    pub(super) format: u32,
    pub(super) settled: bool,
    pub(super) bytes: BytesMut,
}

impl Intake {
    /// What a sender may send without asking.
    const CREDIT: u32 = 1_000;

    /// A delivery has come whole; whether the sender should be told that it may go on.
    pub(super) fn use_credit(&mut self) -> bool {
        self.delivery_count = self.delivery_count.wrapping_add(1);
        self.credit = self.credit.saturating_sub(1);
        self.credit < Self::CREDIT / 2
    }

    /// The credit is full again.
    pub(super) fn refill(&mut self) {
        self.credit = Self::CREDIT;
    }
}

impl Link {
    /// For answers about tokens.
    pub(super) fn replies(address: Option<String>) -> Self {
        Self::TokenReplies { address, credit: 0, delivery_count: 0, waiting: VecDeque::new() }
    }

    /// Its number at the broker, if it has one.
    pub(super) fn id(&self) -> Option<LinkId> {
        match self {
            Self::Ingest { id, .. } | Self::Egress { id, .. } => Some(*id),
            Self::TokenRequests { .. } | Self::TokenReplies { .. } => None,
        }
    }

    /// What a token must cover for it.
    pub(super) fn address(&self) -> Address {
        match self {
            Self::Ingest { topic, .. } => Address::Topic(topic.clone()),
            Self::Egress { key, .. } => Address::Subscription(key.clone()),
            Self::TokenRequests { .. } | Self::TokenReplies { .. } => Address::Tokens,
        }
    }
}
