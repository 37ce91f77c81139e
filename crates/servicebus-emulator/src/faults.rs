//! Faults to order. All take effect at once; orders for what is to come stay in force over a restart.

use std::time::Duration;

use crate::address::SubscriptionKey;
use crate::broker::Broker;
use crate::broker::connections::{ConnectionId, Event, Link};
use crate::{Emulator, Refusal};

/// # Connections and links
impl Emulator {
    /// Ends every connection, without a word: no AMQP close, only the end of the stream. What was on its way to
    /// receivers that delete is lost.
    pub fn cut_all(&self) {
        let mut broker = self.broker();
        let all: Vec<ConnectionId> = broker.connections.keys().copied().collect();
        all.into_iter().for_each(|id| broker.cut(id));
    }

    /// Ends the connections on which somebody receives from a subscription, without a word.
    pub fn cut_receivers(&self, topic: &str, subscription: &str) {
        let key = SubscriptionKey::new(topic, subscription);
        cut_where(&mut self.broker(), |link| link.receives_from(&key));
    }

    /// Ends the connections on which somebody sends to a topic, without a word.
    pub fn cut_senders(&self, topic: &str) {
        let topic = topic.to_lowercase();
        cut_where(&mut self.broker(), |link| link.sends_to(&topic));
    }

    /// Ends the links that receive from a subscription, and says why. Their connections live on.
    pub fn detach_receivers(&self, topic: &str, subscription: &str, reason: &Refusal) {
        let key = SubscriptionKey::new(topic, subscription);
        detach_where(&mut self.broker(), reason, |link| link.receives_from(&key));
    }

    /// Ends the links that send to a topic, and says why. Their connections live on.
    pub fn detach_senders(&self, topic: &str, reason: &Refusal) {
        let topic = topic.to_lowercase();
        detach_where(&mut self.broker(), reason, |link| link.sends_to(&topic));
    }

    /// Makes every token expire that was shown on a connection: links are detached with
    /// `amqp:unauthorized-access`. The connections live on and may show the same token again.
    pub fn expire_tokens(&self) {
        let mut broker = self.broker();
        let all: Vec<ConnectionId> = broker.connections.keys().copied().collect();
        all.into_iter().for_each(|id| broker.tell(id, Event::ExpireTokens));
    }

    /// While `refuse` is set, connections are closed as soon as they come. Those that there are live on: an outage
    /// is this and [`cut_all`](Self::cut_all).
    pub fn refuse_connections(&self, refuse: bool) {
        self.broker().faults.refuses_connections = refuse;
    }

    /// Ends every connection without a word. Topics, subscriptions and what waits in them stay.
    pub fn restart(&self) {
        self.cut_all();
    }

    /// Ends every connection without a word, and forgets all but the topics and how they are configured:
    /// subscriptions and messages are gone, and numbers begin anew.
    pub fn restart_empty(&self) {
        self.cut_all();
        let mut broker = self.broker();
        for key in broker.subscription_keys() {
            // It was there a moment ago, under this lock.
            let _ = broker.delete_subscription(&key);
        }
        for topic in broker.topics.values_mut() {
            topic.sequence = 0;
        }
    }
}

/// # Deliveries
impl Emulator {
    /// What comes for a subscription from now on is delivered that much later; zero ends it. Order is kept: what
    /// comes afterwards waits behind it.
    pub fn delay_deliveries(&self, topic: &str, subscription: &str, delay: Duration) {
        let key = SubscriptionKey::new(topic, subscription);
        self.broker().faults.subscription(&key).delay = delay;
    }

    /// What comes for any subscription from now on is delivered that much later; zero ends it. Where a
    /// subscription has a delay of its own, the longer one counts.
    pub fn delay_all_deliveries(&self, delay: Duration) {
        self.broker().faults.delay = delay;
    }

    /// While `stop` is set, a subscription delivers nothing, and nobody hears of it. Messages wait.
    pub fn stop_deliveries(&self, topic: &str, subscription: &str, stop: bool) {
        let key = SubscriptionKey::new(topic, subscription);
        let mut broker = self.broker();
        broker.faults.subscription(&key).stopped = stop;
        broker.pump(&key);
    }

    /// While `stop` is set, no subscription delivers anything, and nobody hears of it. Messages wait.
    pub fn stop_all_deliveries(&self, stop: bool) {
        let mut broker = self.broker();
        broker.faults.stopped = stop;
        broker.pump_all();
    }

    /// The next `count` copies for a subscription are not made, though the sender hears that its message was accepted:
    /// the subscription's sequence numbers have **no** gap.
    pub fn swallow_copies(&self, topic: &str, subscription: &str, count: u32) {
        let key = SubscriptionKey::new(topic, subscription);
        self.broker().faults.subscription(&key).swallow = count;
    }

    /// The next `count` copies for a subscription are numbered and lost, as those are that were sent onto a dead link
    /// that deletes: the subscription's sequence numbers have a gap.
    pub fn lose_copies(&self, topic: &str, subscription: &str, count: u32) {
        let key = SubscriptionKey::new(topic, subscription);
        self.broker().faults.subscription(&key).lose = count;
    }

    /// The next `count` deliveries from a subscription are made twice, with the same sequence number.
    pub fn duplicate_deliveries(&self, topic: &str, subscription: &str, count: u32) {
        let key = SubscriptionKey::new(topic, subscription);
        self.broker().faults.subscription(&key).duplicate = count;
    }

    /// Deletes a subscription under its receivers, whose links are detached with `amqp:not-found`.
    ///
    /// # Errors
    /// If there is none.
    pub fn delete_subscription(&self, topic: &str, subscription: &str) -> Result<(), Refusal> {
        self.broker().delete_subscription(&SubscriptionKey::new(topic, subscription))
    }
}

/// # Sends
impl Emulator {
    /// While `throttle` is set, everything new is refused: sends and attaches with `com.microsoft:server-busy`,
    /// requests with status 429 (management) or 503 and a `Retry-After`. Deliveries go on.
    pub fn throttle(&self, throttle: bool) {
        self.broker().faults.throttles = throttle;
    }

    /// The next `count` transfers to a topic are refused, for this reason.
    pub fn refuse_sends(&self, topic: &str, reason: Refusal, count: u32) {
        let topic = topic.to_lowercase();
        self.broker().faults.topic(&topic).refuse = Some((reason, count));
    }

    /// The next `count` transfers to a topic are accepted, and their connections cut before the sender hears of it.
    pub fn cut_after_accept(&self, topic: &str, count: u32) {
        let topic = topic.to_lowercase();
        self.broker().faults.topic(&topic).cut_after_accept = count;
    }
}

fn cut_where(broker: &mut Broker, wanted: impl Fn(&Link) -> bool) {
    let links = broker.links.values().filter(|link| wanted(link));
    let connections: Vec<ConnectionId> = links.map(|link| link.connection).collect();
    connections.into_iter().for_each(|id| broker.cut(id));
}

fn detach_where(broker: &mut Broker, reason: &Refusal, wanted: impl Fn(&Link) -> bool) {
    for link in broker.links_where(wanted) {
        broker.expel(link, reason);
    }
}
