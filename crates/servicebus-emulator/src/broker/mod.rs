//! The broker: topics, subscriptions, what waits in them, and who is connected. It does nothing by itself and
//! waits for nothing; what has become due is done by whoever calls next.

pub(crate) mod connections;
pub(crate) mod counters;
pub(crate) mod description;
mod entities;
pub(crate) mod faults;
mod links;
mod publish;
pub(crate) mod refusal;
pub(crate) mod subscription;
pub(crate) mod tokens;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Notify;

use crate::address::{SubscriptionKey, TopicKey};
use crate::auth::Authority;
use crate::intercept::Interceptor;
use crate::options::Quotas;
use crate::time::Clock;

use connections::{Connection, ConnectionId, Event, Link, LinkId};
use counters::Operations;
use description::TopicDescription;
use faults::Faults;
use refusal::Refusal;
use subscription::Subscription;
use tokens::Tokens;

pub(crate) use publish::SendOutcome;

/// All that the emulator knows. Ordered maps throughout: what happens is the same in every process.
pub(crate) struct Broker {
    pub(crate) clock: Clock,
    pub(crate) quotas: Quotas,
    pub(crate) authority: Authority,
    pub(crate) topics: BTreeMap<TopicKey, Topic>,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    pub(crate) links: BTreeMap<LinkId, Link>,
    next_id: u64,
    pub(crate) tokens: Tokens,
    pub(crate) faults: Faults,
    pub(crate) interceptor: Option<Arc<dyn Interceptor>>,
    /// Of everything that no longer exists, and what belongs to no entity.
    pub(crate) past_operations: Operations,
}

/// A topic and its subscriptions.
pub(crate) struct Topic {
    pub(crate) description: TopicDescription,
    pub(crate) created_at: SystemTime,
    pub(crate) updated_at: SystemTime,
    /// Messages accepted so far.
    pub(crate) sequence: i64,
    /// By name, in lower case.
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
    pub(crate) sends: u64,
}

impl Broker {
    pub(crate) fn new(clock: Clock, quotas: Quotas, authority: Authority, seed: u64) -> Self {
        Self {
            clock,
            quotas,
            authority,
            topics: BTreeMap::new(),
            connections: BTreeMap::new(),
            links: BTreeMap::new(),
            next_id: 1,
            tokens: Tokens::new(seed),
            faults: Faults::default(),
            interceptor: None,
            past_operations: Operations::default(),
        }
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Lets a connection, or a request that waits, in.
    pub(crate) fn open(&mut self, peer: Option<String>) -> Option<(ConnectionId, Arc<Notify>)> {
        let full = self.connections.len() >= self.quotas.connections;
        if self.faults.refuses_connections || full {
            return None;
        }
        let id = self.take_id();
        let notify = Arc::new(Notify::new());
        let connection = Connection {
            peer,
            outbox: VecDeque::new(),
            notify: Arc::clone(&notify),
            cut: false,
            links: Vec::new(),
        };
        self.connections.insert(id, connection);
        Some((id, notify))
    }

    /// Forgets a connection and its links. What was locked stays locked.
    pub(crate) fn close(&mut self, id: ConnectionId) {
        let connection = self.connections.remove(&id);
        for link in connection.into_iter().flat_map(|connection| connection.links) {
            self.detach(link);
        }
    }

    pub(crate) fn links_where(&self, wanted: impl Fn(&Link) -> bool) -> Vec<LinkId> {
        self.links.iter().filter(|(_, link)| wanted(link)).map(|(id, _)| *id).collect()
    }

    /// Ends a connection without a word. Nothing is delivered to it any more.
    pub(crate) fn cut(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.cut = true;
        connection.outbox.clear();
        connection.notify.notify_one();
        for link in std::mem::take(&mut connection.links) {
            self.detach(link);
        }
    }

    pub(crate) fn is_cut(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_none_or(|connection| connection.cut)
    }

    /// Puts something into a connection's box. Bound: credit for deliveries; for all else, the number of links.
    pub(crate) fn tell(&mut self, id: ConnectionId, event: Event) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.outbox.push_back(event);
            connection.notify.notify_one();
        }
    }

    /// Takes a link away from its peer, and says why.
    pub(crate) fn expel(&mut self, link: LinkId, reason: &Refusal) {
        if let Some(connection) = self.links.get(&link).map(|link| link.connection) {
            self.detach(link);
            self.tell(connection, Event::Detach { link, reason: reason.clone() });
        }
    }

    /// What is in a connection's box, up to `most`.
    pub(crate) fn collect(&mut self, id: ConnectionId, most: usize) -> Vec<Event> {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Vec::new();
        };
        let count = connection.outbox.len().min(most);
        connection.outbox.drain(..count).collect()
    }

    /// Does what is due in a subscription and hands out what can be handed out.
    pub(crate) fn pump(&mut self, key: &SubscriptionKey) {
        let now = self.now();
        let Some(topic) = self.topics.get_mut(&key.topic) else {
            return;
        };
        let Some(subscription) = topic.subscriptions.get_mut(&key.subscription) else {
            return;
        };
        subscription.expire(now);
        let deliveries = if self.faults.stopped {
            Vec::new()
        } else {
            let faults = self.faults.subscriptions.entry(key.clone()).or_default();
            subscription.dispatch(now, faults, &mut self.tokens)
        };
        let waiting = subscription.announce_deadline(now);
        for (connection, delivery) in deliveries {
            self.tell(connection, Event::Deliver(delivery));
        }
        for connection in waiting {
            if let Some(connection) = self.connections.get(&connection) {
                connection.notify.notify_one();
            }
        }
    }

    /// Does so in every subscription.
    pub(crate) fn pump_all(&mut self) {
        for key in self.subscription_keys() {
            self.pump(&key);
        }
    }

    pub(crate) fn subscription_keys(&self) -> Vec<SubscriptionKey> {
        let mut keys = Vec::new();
        for (topic, entry) in &self.topics {
            let names = entry.subscriptions.keys();
            keys.extend(names.map(|name| SubscriptionKey::new(topic, name)));
        }
        keys
    }

    /// Does what is due where a connection receives; when to look again.
    pub(crate) fn tick(&mut self, id: ConnectionId) -> Option<SystemTime> {
        let keys = self.received_by(id);
        let now = self.now();
        let due = |broker: &Self, key: &SubscriptionKey| broker.find(key)?.deadline();
        for key in &keys {
            if due(self, key).is_some_and(|deadline| deadline <= now) {
                self.pump(key);
            }
        }
        keys.iter().filter_map(|key| due(self, key)).min()
    }

    pub(crate) fn find(&self, key: &SubscriptionKey) -> Option<&Subscription> {
        self.topics.get(&key.topic)?.subscriptions.get(&key.subscription)
    }

    pub(crate) fn find_mut(&mut self, key: &SubscriptionKey) -> Option<&mut Subscription> {
        self.topics.get_mut(&key.topic)?.subscriptions.get_mut(&key.subscription)
    }

    /// What Azure would bill so far.
    pub(crate) fn operations(&self) -> Operations {
        let mut total = self.past_operations;
        for topic in self.topics.values() {
            total.sends += topic.sends;
            for subscription in topic.subscriptions.values() {
                total += subscription.operations;
            }
        }
        total
    }
}
