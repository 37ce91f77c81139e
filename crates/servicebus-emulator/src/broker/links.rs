//! Links that send and receive, and what receivers decide.

use std::time::SystemTime;

use crate::address::{Address, SubscriptionKey};

use super::Broker;
use super::connections::{ConnectionId, Event, Link, LinkId};
use super::refusal::Refusal;
use super::subscription::{Receiver, Settlement};
use super::tokens::Token;

impl Broker {
    pub(crate) fn attach_sender(
        &mut self,
        connection: ConnectionId,
        topic: &str,
    ) -> Result<LinkId, Refusal> {
        self.refuse_if_throttled()?;
        self.topic(topic)?;
        Ok(self.add_link(connection, Address::Topic(topic.to_owned())))
    }

    pub(crate) fn attach_receiver(
        &mut self,
        connection: ConnectionId,
        key: &SubscriptionKey,
        deletes: bool,
    ) -> Result<LinkId, Refusal> {
        self.refuse_if_throttled()?;
        self.subscription(key)?;
        let link = self.add_link(connection, Address::Subscription(key.clone()));
        let now = self.now();
        let subscription = self.subscription_mut(key)?;
        subscription.used_at = now;
        let receiver = Receiver { link, connection, deletes, credit: 0, delivery_count: 0 };
        subscription.receivers.push(receiver);
        Ok(link)
    }

    pub(crate) fn refuse_if_throttled(&self) -> Result<(), Refusal> {
        if self.faults.throttles { Err(Refusal::busy()) } else { Ok(()) }
    }

    fn add_link(&mut self, connection: ConnectionId, address: Address) -> LinkId {
        let id = self.take_id();
        self.links.insert(id, Link { connection, address });
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.links.push(id);
        }
        id
    }

    /// Forgets a link. What was locked on it stays locked.
    pub(crate) fn detach(&mut self, id: LinkId) {
        let Some(Link { connection, address }) = self.links.remove(&id) else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.links.retain(|link| *link != id);
        }
        let Address::Subscription(key) = address else {
            return;
        };
        let now = self.now();
        if let Some(subscription) = self.find_mut(&key) {
            subscription.receivers.retain(|receiver| receiver.link != id);
            subscription.used_at = now;
        }
    }

    /// A receiver says up to which delivery it wants messages. With `drain` it wants to hear when there are no
    /// more.
    pub(crate) fn flow(&mut self, id: LinkId, seen: u32, credit: u32, drain: bool) {
        let Some(Link { address: Address::Subscription(key), connection }) =
            self.links.get(&id).cloned()
        else {
            return;
        };
        let Some(receiver) = self.receiver(&key, id) else {
            return;
        };
        // What was sent and has not been seen there yet is part of the credit.
        let mut on_its_way = receiver.delivery_count.wrapping_sub(seen);
        if on_its_way > u32::MAX / 2 {
            // There are clients that count twice what they had not looked at when they were drained.
            receiver.delivery_count = seen;
            on_its_way = 0;
        }
        receiver.credit = credit.saturating_sub(on_its_way);
        self.pump(&key);
        if !drain {
            return;
        }
        let Some(receiver) = self.receiver(&key, id) else {
            return;
        };
        // The credit that is left is used up, by nothing.
        receiver.delivery_count = receiver.delivery_count.wrapping_add(receiver.credit);
        receiver.credit = 0;
        let delivery_count = receiver.delivery_count;
        self.tell(connection, Event::Drained { link: id, delivery_count });
    }

    pub(crate) fn receiver(&mut self, key: &SubscriptionKey, id: LinkId) -> Option<&mut Receiver> {
        let receivers = &mut self.find_mut(key)?.receivers;
        receivers.iter_mut().find(|receiver| receiver.link == id)
    }

    /// Decides over a locked message.
    pub(crate) fn settle(
        &mut self,
        key: &SubscriptionKey,
        token: Token,
        settlement: Settlement,
    ) -> Result<(), Refusal> {
        let now = self.now();
        let subscription = self.subscription_mut(key)?;
        subscription.expire(now);
        subscription.used_at = now;
        if !subscription.settle(token, settlement) {
            return Err(Refusal::lock_lost());
        }
        self.pump(key);
        Ok(())
    }

    pub(crate) fn renew(
        &mut self,
        key: &SubscriptionKey,
        token: Token,
    ) -> Result<SystemTime, Refusal> {
        let now = self.now();
        let subscription = self.subscription_mut(key)?;
        subscription.expire(now);
        let until = subscription.renew(token, now).ok_or_else(Refusal::lock_lost)?;
        self.pump(key);
        Ok(until)
    }

    /// Where a connection receives.
    pub(crate) fn received_by(&self, id: ConnectionId) -> Vec<SubscriptionKey> {
        let links = self.connections.get(&id).map(|connection| connection.links.as_slice());
        let links = links.unwrap_or_default().iter().filter_map(|link| self.links.get(link));
        let keys = links.filter_map(|link| match &link.address {
            Address::Subscription(key) => Some(key.clone()),
            Address::Topic(_) | Address::Tokens => None,
        });
        keys.collect()
    }
}
