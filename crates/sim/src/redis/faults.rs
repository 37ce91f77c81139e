//! What was ordered to go wrong, and has not yet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::publish::Message;

/// How many accepted messages can be accepted again.
const MAX_HISTORY: usize = 1024;

/// Orders that wait for the next message, and what was kept for later.
#[derive(Default)]
pub(crate) struct Faults {
    peers: BTreeMap<Arc<str>, PeerFaults>,
    /// So many publishes are answered and delivered to nobody.
    pub(crate) lose_accepted: usize,
    /// Nothing is read or written.
    pub(crate) stalled: bool,
    /// Nothing is written to anyone.
    pub(crate) hold_all: bool,
    /// Nothing is written to these.
    pub(crate) held: BTreeSet<Arc<str>>,
    /// Publishes that the network still has.
    pub(crate) zombies: Vec<Message>,
    /// The last accepted messages, the newest at the end. The oldest are forgotten.
    history: VecDeque<Message>,
}

/// What becomes of a publish.
pub(crate) enum Ordered {
    Nothing,
    /// With this text.
    Refuse(String),
    Delay,
    BreakAfter,
}

/// Whether an order concerns this message.
pub(crate) type Like = fn(&[u8]) -> bool;

/// Orders that concern the connections of one peer.
#[derive(Default)]
pub(crate) struct PeerFaults {
    /// So many messages are not delivered.
    pub(crate) lose: usize,
    /// So many messages like this are not delivered.
    pub(crate) lose_like: Option<(Like, usize)>,
    /// No message like this is delivered.
    pub(crate) lose_all_like: Option<Like>,
    /// So many publishes are refused with this text.
    pub(crate) refuse: usize,
    pub(crate) refusal: String,
    /// So many publishes are accepted, but the connection is closed before the reply.
    pub(crate) break_after: usize,
    /// So many publishes are kept by the network, and the connection is closed.
    pub(crate) delay: usize,
}

impl Faults {
    /// The orders for a peer, to be changed.
    pub(crate) fn peer(&mut self, peer: &str) -> &mut PeerFaults {
        self.peers.entry(peer.into()).or_default()
    }

    /// What was ordered for the next publish of this peer, which this is.
    pub(crate) fn next_publish(&mut self, peer: &str) -> Ordered {
        let Some(orders) = self.peers.get_mut(peer) else {
            return Ordered::Nothing;
        };
        if take_one(&mut orders.refuse) {
            Ordered::Refuse(orders.refusal.clone())
        } else if take_one(&mut orders.delay) {
            Ordered::Delay
        } else if take_one(&mut orders.break_after) {
            Ordered::BreakAfter
        } else {
            Ordered::Nothing
        }
    }

    /// Whether the message for this peer that is next, and is this, is to be lost.
    pub(crate) fn loses(&mut self, peer: &str, frame: &[u8]) -> bool {
        let Some(orders) = self.peers.get_mut(peer) else { return false };
        let of_these = match &mut orders.lose_like {
            Some((like, left)) if like(frame) => take_one(left),
            _ => false,
        };
        of_these
            || orders.lose_all_like.is_some_and(|like| like(frame))
            || take_one(&mut orders.lose)
    }

    /// No order is left, and nothing that was kept; what was accepted is remembered.
    pub(crate) fn clear_orders(&mut self) {
        *self = Self { history: std::mem::take(&mut self.history), ..Self::default() };
    }

    pub(crate) fn holds(&self, peer: &Arc<str>) -> bool {
        self.hold_all || self.held.contains(peer)
    }

    pub(crate) fn remember(&mut self, message: Message) {
        if self.history.len() == MAX_HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(message);
    }

    /// The last accepted message, or the `back`-th before it.
    pub(crate) fn accepted(&self, back: usize) -> Option<Message> {
        self.history.iter().rev().nth(back).cloned()
    }
}

/// Takes one off `left`; whether there was one.
pub(crate) fn take_one(left: &mut usize) -> bool {
    let due = *left > 0;
    *left = left.saturating_sub(1);
    due
}
