//! Accepting messages and delivering them: one order for each channel, under the server's lock.

use std::sync::Arc;

use bytes::Bytes;

use super::faults::{Ordered, take_one};
use super::identity::Role;
use super::state::{Channel, State};
use super::{Effect, Event};

/// One message, as it was published.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) channel: Channel,
    pub(crate) frame: Bytes,
    /// `None` is a foreign publisher, at no peer of ours.
    pub(crate) publisher: Option<Arc<str>>,
}

impl State {
    /// `PUBLISH` or `SPUBLISH` on a connection, with what was ordered to go wrong with it.
    pub(crate) fn publish(&mut self, id: u64, channel: Channel, frame: Bytes) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let peer = Arc::clone(&connection.peer);
        let message = Message { channel, frame, publisher: Some(Arc::clone(&peer)) };
        match self.faults.next_publish(&peer) {
            Ordered::Nothing => {}
            Ordered::Refuse(text) => return self.write(id, |reply| reply.error(&text)),
            Ordered::Delay => {
                self.faults.zombies.push(message);
                return self.close(id);
            }
            Ordered::BreakAfter => {
                self.close(id);
                return self.accept(message);
            }
        }
        // The reply comes before the message, should the connection be subscribed as well: so the subscribers
        // are counted before anything is delivered.
        let receivers = self.subscribers(&message.channel).len();
        self.write(id, |reply| reply.integer(receivers));
        self.accept(message);
    }

    /// Gives a message its place in the order, and delivers it unless it was ordered to be lost.
    pub(crate) fn accept(&mut self, message: Message) {
        self.accepted += 1;
        let sequence = self.accepted;
        self.effects.push(Effect::Observe(Event::Accepted {
            sequence,
            publisher: message.publisher.clone(),
            frame: message.frame.clone(),
        }));
        if take_one(&mut self.faults.lose_accepted) {
            for id in self.subscribers(&message.channel) {
                self.tell_dropped(id, &message, sequence);
            }
        } else {
            self.deliver(&message, sequence);
            if matches!(self.role, Role::Primary) {
                self.relay(&message, sequence);
            }
        }
        self.faults.remember(message);
    }

    /// Puts a message into the output of every subscriber.
    pub(crate) fn deliver(&mut self, message: &Message, sequence: u64) {
        for id in self.subscribers(&message.channel) {
            let Some(connection) = self.connections.get_mut(&id) else {
                continue;
            };
            if self.faults.loses(&connection.peer, &message.frame) {
                self.tell_dropped(id, message, sequence);
                continue;
            }
            connection.wake();
            let kind: &[u8] = if message.channel.sharded { b"smessage" } else { b"message" };
            self.write(id, |push| {
                push.push(3);
                push.bulk(kind);
                push.bulk(&message.channel.name);
                push.bulk(&message.frame);
            });
        }
    }

    /// The replicas get what their primary accepted, and theirs; what a replica's own clients publish goes no
    /// further.
    pub(crate) fn relay(&mut self, message: &Message, sequence: u64) {
        if !self.replicas.is_empty() {
            self.effects.push(Effect::Propagate { message: message.clone(), sequence });
        }
    }

    fn subscribers(&self, channel: &Channel) -> Vec<u64> {
        self.connections
            .iter()
            .filter(|(_, connection)| {
                !connection.closing && connection.subscribed.contains(channel)
            })
            .map(|(id, _)| *id)
            .collect()
    }

    fn tell_dropped(&mut self, id: u64, message: &Message, sequence: u64) {
        if let Some(connection) = self.connections.get(&id) {
            let peer = Arc::clone(&connection.peer);
            let frame = message.frame.clone();
            self.effects.push(Effect::Observe(Event::Dropped { peer, frame, sequence }));
        }
    }
}
