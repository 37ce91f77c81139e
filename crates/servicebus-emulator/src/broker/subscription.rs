//! One subscription: what waits in it, what is locked, and who receives.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use crate::Message;
use crate::message::Stamp;

use super::connections::{ConnectionId, Delivery, LinkId};
use super::counters::Operations;
use super::description::{Rule, SubscriptionDescription};
use super::faults::DeliveryFaults;
use super::tokens::{Token, Tokens};

pub(crate) struct Subscription {
    pub(crate) description: SubscriptionDescription,
    /// By name, in lower case.
    pub(crate) rules: BTreeMap<String, Rule>,
    pub(crate) created_at: SystemTime,
    pub(crate) updated_at: SystemTime,
    /// When somebody last received, or stopped to.
    pub(crate) used_at: SystemTime,
    pub(crate) next_sequence: i64,
    ready: BTreeMap<i64, Queued>,
    locked: BTreeMap<Token, Locked>,
    /// When locks end.
    lock_ends: BTreeSet<(SystemTime, Token)>,
    /// When messages that wait expire.
    expiries: BTreeSet<(SystemTime, i64)>,
    /// In messages that wait or are locked.
    pub(crate) bytes: usize,
    dead: VecDeque<Queued>,
    pub(crate) dead_lettered: u64,
    /// How many of those are kept.
    dead_limit: usize,
    pub(crate) receivers: Vec<Receiver>,
    /// The next one to get a message.
    turn: usize,
    /// When it was last looked at.
    seen_at: SystemTime,
    /// The deadline that receivers know of.
    announced: Option<SystemTime>,
    pub(crate) operations: Operations,
}

/// A message in a subscription.
#[derive(Clone, Debug)]
struct Queued {
    message: Arc<Message>,
    sequence: i64,
    topic_sequence: i64,
    enqueued_at: SystemTime,
    /// It is delivered from then on: later than it came only if deliveries are delayed.
    ready_at: SystemTime,
    expires_at: Option<SystemTime>,
    delivery_count: u32,
}

struct Locked {
    queued: Queued,
    until: SystemTime,
}

/// A link, or a request, that receives.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) link: LinkId,
    pub(crate) connection: ConnectionId,
    /// Messages are gone once they are sent to it.
    pub(crate) deletes: bool,
    pub(crate) credit: u32,
    pub(crate) delivery_count: u32,
}

/// What becomes of a locked message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settlement {
    Complete,
    /// It is delivered again, at its old place.
    Abandon,
    DeadLetter,
}

/// What a message is enqueued with.
pub(crate) struct Arrival {
    pub(crate) message: Arc<Message>,
    pub(crate) topic_sequence: i64,
    pub(crate) now: SystemTime,
    pub(crate) ready_at: SystemTime,
    pub(crate) expires_at: Option<SystemTime>,
}

impl Subscription {
    pub(crate) fn new(
        description: SubscriptionDescription,
        rule: Rule,
        dead_limit: usize,
        now: SystemTime,
    ) -> Self {
        Self {
            description,
            rules: BTreeMap::from([(rule.name.to_lowercase(), rule)]),
            created_at: now,
            updated_at: now,
            used_at: now,
            next_sequence: 1,
            ready: BTreeMap::new(),
            locked: BTreeMap::new(),
            lock_ends: BTreeSet::new(),
            expiries: BTreeSet::new(),
            bytes: 0,
            dead: VecDeque::new(),
            dead_lettered: 0,
            dead_limit,
            receivers: Vec::new(),
            turn: 0,
            seen_at: now,
            announced: None,
            operations: Operations::default(),
        }
    }

    pub(crate) fn matches(&self, message: &Message) -> bool {
        self.rules.values().any(|rule| rule.filter.matches(message))
    }

    pub(crate) fn enqueue(&mut self, arrival: Arrival) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.bytes += arrival.message.size();
        self.put_back(Queued {
            message: arrival.message,
            sequence,
            topic_sequence: arrival.topic_sequence,
            enqueued_at: arrival.now,
            ready_at: arrival.ready_at,
            expires_at: arrival.expires_at,
            delivery_count: 0,
        });
    }

    /// A sequence number is used up, by nothing.
    pub(crate) fn skip(&mut self) {
        self.next_sequence += 1;
    }

    fn put_back(&mut self, queued: Queued) {
        if let Some(expiry) = queued.expires_at {
            self.expiries.insert((expiry, queued.sequence));
        }
        self.ready.insert(queued.sequence, queued);
    }

    fn take(&mut self, sequence: i64) -> Option<Queued> {
        let queued = self.ready.remove(&sequence)?;
        if let Some(expiry) = queued.expires_at {
            self.expiries.remove(&(expiry, sequence));
        }
        Some(queued)
    }

    /// Ends locks and lives that are over.
    pub(crate) fn expire(&mut self, now: SystemTime) {
        while let Some(&(until, token)) = self.lock_ends.first() {
            if until > now {
                break;
            }
            self.settle(token, Settlement::Abandon);
        }
        while let Some(&(until, sequence)) = self.expiries.first() {
            if until > now {
                break;
            }
            self.expiries.pop_first();
            if let Some(queued) = self.take(sequence) {
                self.bytes = self.bytes.saturating_sub(queued.message.size());
                if self.description.dead_lettering_on_message_expiration {
                    self.bury(queued);
                }
            }
        }
    }

    /// Whether nobody has received for as long as it may be without.
    pub(crate) fn is_abandoned(&self, now: SystemTime) -> bool {
        let Some(idle) = self.description.auto_delete_on_idle else {
            return false;
        };
        let ends = self.used_at.checked_add(idle);
        self.receivers.is_empty() && ends.is_some_and(|ends| ends <= now)
    }

    /// Hands out what is ready to those who have credit, in turn.
    pub(crate) fn dispatch(
        &mut self,
        now: SystemTime,
        faults: &mut DeliveryFaults,
        tokens: &mut Tokens,
    ) -> Vec<(ConnectionId, Delivery)> {
        let mut deliveries = Vec::new();
        if faults.stopped {
            return deliveries;
        }
        while let Some(next) = self.ready.first_key_value().map(|(_, queued)| queued) {
            let (sequence, ready_at) = (next.sequence, next.ready_at);
            if ready_at > now {
                break;
            }
            let Some(receiver) = self.next_receiver() else {
                break;
            };
            let Some(queued) = self.take(sequence) else {
                break;
            };
            let twice = (faults.duplicate > 0).then(|| queued.clone());
            let (connection, delivery) = self.hand_out(receiver, queued, now, tokens);
            deliveries.push((connection, delivery));
            if let Some(queued) = twice {
                faults.duplicate -= 1;
                self.bytes += queued.message.size();
                self.put_back(queued);
            }
        }
        if !deliveries.is_empty() {
            self.used_at = now;
        }
        deliveries
    }

    /// The place of the receiver whose turn it is.
    fn next_receiver(&mut self) -> Option<usize> {
        let count = self.receivers.len();
        let places = (0..count).map(|step| (self.turn + step) % count);
        let place = places.into_iter().find(|place| self.receivers[*place].credit > 0)?;
        self.turn = (place + 1) % count;
        Some(place)
    }

    fn hand_out(
        &mut self,
        receiver: usize,
        queued: Queued,
        now: SystemTime,
        tokens: &mut Tokens,
    ) -> (ConnectionId, Delivery) {
        let receiver = &mut self.receivers[receiver];
        receiver.credit -= 1;
        receiver.delivery_count = receiver.delivery_count.wrapping_add(1);
        self.operations.deliveries += 1;
        let token = tokens.next();
        let until = now + self.description.lock_duration;
        let stamp = Stamp {
            sequence: queued.sequence,
            topic_sequence: queued.topic_sequence,
            enqueued_at: queued.enqueued_at,
            delivery_count: queued.delivery_count,
            lock: (!receiver.deletes).then_some((token, until)),
        };
        let delivery = Delivery {
            link: receiver.link,
            message: Arc::clone(&queued.message),
            stamp,
            token,
            expires_at: queued.expires_at,
        };
        let connection = receiver.connection;
        if receiver.deletes {
            self.bytes = self.bytes.saturating_sub(queued.message.size());
        } else {
            self.lock_ends.insert((until, token));
            self.locked.insert(token, Locked { queued, until });
        }
        (connection, delivery)
    }

    /// Decides over a locked message; false if there is no such lock (any more).
    pub(crate) fn settle(&mut self, token: Token, settlement: Settlement) -> bool {
        let Some(Locked { mut queued, until }) = self.locked.remove(&token) else {
            return false;
        };
        self.lock_ends.remove(&(until, token));
        queued.delivery_count += 1;
        match settlement {
            Settlement::Abandon if queued.delivery_count < self.description.max_delivery_count => {
                self.put_back(queued);
                return true;
            }
            Settlement::Complete => {}
            Settlement::Abandon | Settlement::DeadLetter => self.bury(queued.clone()),
        }
        self.bytes = self.bytes.saturating_sub(queued.message.size());
        true
    }

    /// Makes a lock last a lock's duration from now; its new end, or `None` if there is no such lock.
    pub(crate) fn renew(&mut self, token: Token, now: SystemTime) -> Option<SystemTime> {
        let locked = self.locked.get_mut(&token)?;
        let until = now + self.description.lock_duration;
        self.lock_ends.remove(&(locked.until, token));
        self.lock_ends.insert((until, token));
        locked.until = until;
        Some(until)
    }

    fn bury(&mut self, queued: Queued) {
        self.dead_lettered += 1;
        self.dead.push_back(queued);
        while self.dead.len() > self.dead_limit {
            self.dead.pop_front();
        }
    }

    /// When something may change without anybody's doing.
    pub(crate) fn deadline(&self) -> Option<SystemTime> {
        let lock = self.lock_ends.first().map(|(until, _)| *until);
        let front = self.ready.first_key_value().map(|(_, queued)| queued.ready_at);
        // What was ready at the last look waits for somebody's doing.
        let front = front.filter(|ready| *ready > self.seen_at);
        [lock, front].into_iter().flatten().min()
    }

    /// Everything has been looked at; who must hear that the deadline is another one now.
    pub(crate) fn announce_deadline(&mut self, now: SystemTime) -> Vec<ConnectionId> {
        self.seen_at = now;
        let deadline = self.deadline();
        if deadline == self.announced {
            return Vec::new();
        }
        self.announced = deadline;
        self.receivers.iter().map(|receiver| receiver.connection).collect()
    }

    /// Messages that wait, not counting locked ones.
    pub(crate) fn waiting(&self) -> usize {
        self.ready.len()
    }

    pub(crate) fn locked(&self) -> usize {
        self.locked.len()
    }

    /// The dead letters that are kept, oldest first.
    pub(crate) fn dead_letters(&self) -> impl ExactSizeIterator<Item = &Arc<Message>> {
        self.dead.iter().map(|queued| &queued.message)
    }
}
