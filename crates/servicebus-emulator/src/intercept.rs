//! Deciding about single messages: for simulations whose faults are finer than the orders in force.

use std::sync::Arc;

use crate::broker::connections::ConnectionId;
use crate::{Emulator, Message, Refusal};

/// Looks at every message that is sent and every copy that is made.
///
/// It is called while the emulator is locked: it must not call the emulator.
pub trait Interceptor: Send + Sync {
    /// What becomes of a message that a peer sends to a topic. The peer is what
    /// [`serve_from`](Emulator::serve_from) was told; what nobody connected sends comes from nobody.
    fn sent(&self, peer: Option<&str>, topic: &str, message: &Message) -> Fate;

    /// What becomes of the copy for a subscription.
    fn copied(&self, topic: &str, subscription: &str, message: &Message) -> CopyFate;
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is accepted, and the sender hears so.
    Accept,
    /// It is refused, and the sender hears why.
    Refuse(Refusal),
    /// It is accepted, and the connection ends before the sender hears of it.
    AcceptAndCut,
    /// The connection ends, and it is not accepted.
    Cut,
}

/// What becomes of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFate {
    /// It waits to be received.
    Make,
    /// It is not made: the subscription's numbers have no gap.
    Swallow,
    /// It gets its number and is lost: the subscription's numbers have a gap.
    Lose,
}

impl Emulator {
    /// Lets `interceptor` decide from now on.
    pub fn set_interceptor(&self, interceptor: Arc<dyn Interceptor>) {
        self.broker().interceptor = Some(interceptor);
    }

    /// Ends the connections of a peer without a word: all of them, or those on which it sends to a topic.
    pub fn cut_peer(&self, peer: &str, sending_to: Option<&str>) {
        let topic = sending_to.map(str::to_lowercase);
        let mut broker = self.broker();
        let connections: Vec<ConnectionId> = broker
            .connections
            .iter()
            .filter(|(_, connection)| connection.peer.as_deref() == Some(peer))
            .map(|(id, _)| *id)
            .filter(|id| {
                topic.as_deref().is_none_or(|topic| {
                    !broker.links_where(|it| it.connection == *id && it.sends_to(topic)).is_empty()
                })
            })
            .collect();
        connections.into_iter().for_each(|id| broker.cut(id));
    }
}
