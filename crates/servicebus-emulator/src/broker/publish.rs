//! Sending.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::Message;
use crate::address::SubscriptionKey;
use crate::intercept::{CopyFate, Fate, Interceptor};
use crate::time::later;

use super::connections::ConnectionId;
use super::faults::use_up;
use super::refusal::Refusal;
use super::subscription::Arrival;
use super::{Broker, Topic};

/// What a sender hears.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SendOutcome {
    Accepted,
    /// Nothing, ever: the connection must be cut.
    Silence,
    Refused(Refusal),
}

impl Broker {
    /// Accepts the messages of one transfer, all or none.
    pub(crate) fn publish(
        &mut self,
        from: Option<ConnectionId>,
        topic: &str,
        messages: Vec<Message>,
    ) -> SendOutcome {
        if self.faults.throttles {
            return SendOutcome::Refused(Refusal::busy());
        }
        if !self.topics.contains_key(topic) {
            return SendOutcome::Refused(Refusal::not_found(topic));
        }
        if let Some(refusal) = self.faults.topic(topic).refusal() {
            return SendOutcome::Refused(refusal);
        }
        self.sweep(topic);
        if let Err(refusal) = self.check_room(topic, &messages) {
            return SendOutcome::Refused(refusal);
        }
        let fate = self.fate(from, topic, &messages);
        match fate {
            Fate::Refuse(refusal) => return SendOutcome::Refused(refusal),
            Fate::Cut => return SendOutcome::Silence,
            Fate::Accept | Fate::AcceptAndCut => {}
        }
        for message in messages {
            self.distribute(topic, message);
        }
        for key in self.keys_of(topic) {
            self.pump(&key);
        }
        if use_up(&mut self.faults.topic(topic).cut_after_accept) || fate == Fate::AcceptAndCut {
            SendOutcome::Silence
        } else {
            SendOutcome::Accepted
        }
    }

    /// What an interceptor says; of several messages, the first that is not simply accepted decides.
    fn fate(&self, from: Option<ConnectionId>, topic: &str, messages: &[Message]) -> Fate {
        let Some(interceptor) = &self.interceptor else {
            return Fate::Accept;
        };
        let connection = from.and_then(|id| self.connections.get(&id));
        let peer = connection.and_then(|connection| connection.peer.as_deref());
        let mut fates = messages.iter().map(|message| interceptor.sent(peer, topic, message));
        fates.find(|fate| *fate != Fate::Accept).unwrap_or(Fate::Accept)
    }

    fn keys_of(&self, topic: &str) -> Vec<SubscriptionKey> {
        let names = self.topics.get(topic).map(|topic| topic.subscriptions.keys());
        names.into_iter().flatten().map(|name| SubscriptionKey::new(topic, name)).collect()
    }

    /// Whether there is room for all the copies.
    fn check_room(&mut self, name: &str, messages: &[Message]) -> Result<(), Refusal> {
        let (now, quotas) = (self.now(), self.quotas.clone());
        let topic = self.topic_mut(name)?;
        let mut bytes = 0;
        for subscription in topic.subscriptions.values_mut() {
            subscription.expire(now);
            let copies = messages.iter().filter(|message| subscription.matches(message));
            let (count, size) =
                copies.fold((0, 0), |(count, size), message| (count + 1, size + message.size()));
            if subscription.waiting() + subscription.locked() + count > quotas.subscription_messages
            {
                return Err(Refusal::quota("A subscription of the topic is full."));
            }
            bytes += subscription.bytes + size;
        }
        let megabytes = usize::try_from(topic.description.max_size_in_megabytes).ok();
        let limit = megabytes.and_then(|megabytes| megabytes.checked_mul(1 << 20));
        if bytes > limit.unwrap_or(usize::MAX).min(quotas.topic_bytes) {
            return Err(Refusal::quota("The topic has reached its maximum size."));
        }
        Ok(())
    }

    /// One number in the topic, and a copy for everyone whom it is for.
    fn distribute(&mut self, name: &str, message: Message) {
        let now = self.now();
        let Some(topic) = self.topics.get_mut(name) else {
            return;
        };
        topic.sequence += 1;
        topic.sends += 1;
        let message = Arc::new(message);
        for (subscription_name, subscription) in &mut topic.subscriptions {
            if !subscription.matches(&message) {
                continue;
            }
            let key = SubscriptionKey::new(name, subscription_name);
            let delay = self.faults.delay_of(&key);
            let faults = self.faults.subscription(&key);
            if use_up(&mut faults.swallow) {
                continue;
            }
            if use_up(&mut faults.lose) {
                subscription.skip();
                continue;
            }
            let copied = |it: &Arc<dyn Interceptor>| it.copied(name, subscription_name, &message);
            match self.interceptor.as_ref().map(copied) {
                Some(CopyFate::Swallow) => continue,
                Some(CopyFate::Lose) => {
                    subscription.skip();
                    continue;
                }
                Some(CopyFate::Make) | None => {}
            }
            let lives = [
                message.time_to_live(),
                subscription.description.default_message_time_to_live,
                topic.description.default_message_time_to_live,
            ];
            subscription.enqueue(Arrival {
                message: Arc::clone(&message),
                topic_sequence: topic.sequence,
                now,
                ready_at: later(now, delay),
                expires_at: expiry(now, lives),
            });
        }
    }
}

/// The shortest of the lives counts.
fn expiry(now: SystemTime, lives: [Option<Duration>; 3]) -> Option<SystemTime> {
    now.checked_add(lives.into_iter().flatten().min()?)
}

impl Topic {
    /// In messages that wait or are locked, every copy counted.
    pub(crate) fn bytes(&self) -> usize {
        self.subscriptions.values().map(|subscription| subscription.bytes).sum()
    }
}
