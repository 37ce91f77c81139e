//! The handle on an emulator, and what may be asked of it directly.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio_rustls::rustls;

use crate::address::SubscriptionKey;
use crate::auth::Authority;
use crate::broker::subscription::Subscription;
use crate::broker::{Broker, SendOutcome};
use crate::options::{BearerToken, Options, Policy};
use crate::time::Clock;
use crate::{Message, Operations, Refusal, Rule, SubscriptionDescription, TopicDescription};

/// A handle on one emulated namespace. Clones are the same one.
#[derive(Clone)]
pub struct Emulator(Arc<Inner>);

struct Inner {
    broker: Mutex<Broker>,
    clock: Clock,
    tls: Option<Arc<rustls::ServerConfig>>,
    idle_timeout: Duration,
}

/// What there is to know about a subscription at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionInfo {
    /// Messages that wait, without those that are locked.
    pub waiting: usize,
    /// Messages that a receiver has and has not decided on.
    pub locked: usize,
    /// Dead letters so far; not all are kept.
    pub dead_lettered: u64,
    /// Bytes of all that waits or is locked.
    pub bytes: usize,
    /// Links attached to it, and requests that wait for a message.
    pub receivers: usize,
    /// The sequence number that the next message gets.
    pub next_sequence_number: i64,
    /// When it was created.
    pub created_at: SystemTime,
    /// When it, or its rules, were changed last.
    pub updated_at: SystemTime,
    /// When somebody received last, or stopped to.
    pub accessed_at: SystemTime,
    /// What Azure would bill for it.
    pub operations: Operations,
}

impl Emulator {
    /// A namespace without topics, to which nobody is connected.
    pub fn new(options: Options) -> Self {
        let authority = Authority::new(options.policies, options.bearer_tokens);
        let broker = Broker::new(options.clock.clone(), options.quotas, authority, options.seed);
        Self(Arc::new(Inner {
            broker: Mutex::new(broker),
            clock: options.clock,
            tls: options.tls,
            idle_timeout: options.idle_timeout,
        }))
    }

    pub(crate) fn broker(&self) -> MutexGuard<'_, Broker> {
        // A panic under it is a bug of the emulator; the next one should not hide it.
        self.0.broker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn tls(&self) -> Option<&Arc<rustls::ServerConfig>> {
        self.0.tls.as_ref()
    }

    pub(crate) fn idle_timeout(&self) -> Duration {
        self.0.idle_timeout
    }
}

/// # Entities
impl Emulator {
    /// Creates a topic with the defaults.
    ///
    /// # Errors
    /// If it exists, or cannot be called that.
    pub fn create_topic(&self, name: &str) -> Result<(), Refusal> {
        self.create_topic_with(TopicDescription::new(name))
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// If it exists, or cannot be like that.
    pub fn create_topic_with(&self, description: TopicDescription) -> Result<(), Refusal> {
        self.broker().create_topic(description)
    }

    /// Creates a subscription with the defaults, for every message.
    ///
    /// # Errors
    /// If it exists, or its topic does not.
    pub fn create_subscription(&self, topic: &str, name: &str) -> Result<(), Refusal> {
        let description = SubscriptionDescription::new(name);
        self.create_subscription_with(topic, description, Rule::default_rule())
    }

    /// Creates a subscription.
    ///
    /// # Errors
    /// If it exists, its topic does not, or it cannot be like that.
    pub fn create_subscription_with(
        &self,
        topic: &str,
        description: SubscriptionDescription,
        rule: Rule,
    ) -> Result<(), Refusal> {
        self.broker().create_subscription(topic, description, rule)
    }

    /// The names of all topics, in order.
    pub fn topics(&self) -> Vec<String> {
        let broker = self.broker();
        broker.topics.values().map(|topic| topic.description.name.clone()).collect()
    }

    /// The names of a topic's subscriptions, in order; none if there is no such topic.
    pub fn subscriptions(&self, topic: &str) -> Vec<String> {
        let mut broker = self.broker();
        broker.sweep(&topic.to_lowercase());
        let subscriptions = broker.topic(topic).map(|topic| &topic.subscriptions);
        let names = subscriptions.into_iter().flat_map(|subscriptions| subscriptions.values());
        names.map(|subscription| subscription.description.name.clone()).collect()
    }

    /// What there is to know about a subscription; `None` if there is none.
    pub fn subscription_info(&self, topic: &str, name: &str) -> Option<SubscriptionInfo> {
        let mut broker = self.broker();
        let now = broker.now();
        let subscription = broker.subscription_mut(&SubscriptionKey::new(topic, name)).ok()?;
        subscription.expire(now);
        Some(SubscriptionInfo {
            waiting: subscription.waiting(),
            locked: subscription.locked(),
            dead_lettered: subscription.dead_lettered,
            bytes: subscription.bytes,
            receivers: subscription.receivers.len(),
            next_sequence_number: subscription.next_sequence,
            created_at: subscription.created_at,
            updated_at: subscription.updated_at,
            accessed_at: subscription.used_at,
            operations: subscription.operations,
        })
    }

    /// The dead letters of a subscription that are kept, oldest first.
    pub fn dead_letters(&self, topic: &str, name: &str) -> Vec<Message> {
        let broker = self.broker();
        let subscription = broker.find(&SubscriptionKey::new(topic, name));
        let letters = subscription.into_iter().flat_map(Subscription::dead_letters);
        letters.map(|message| Message::clone(message)).collect()
    }
}

/// # Messages, tokens and bills
impl Emulator {
    /// Sends a message, as a client would that may.
    ///
    /// # Errors
    /// What the client would hear.
    pub fn send_raw(&self, topic: &str, message: Message) -> Result<(), Refusal> {
        let mut broker = self.broker();
        let limit = broker.quotas.message_bytes;
        if message.size() > limit {
            return Err(Refusal::too_large(message.size(), limit));
        }
        match broker.publish(None, &topic.to_lowercase(), vec![message]) {
            SendOutcome::Accepted | SendOutcome::Silence => Ok(()),
            SendOutcome::Refused(refusal) => Err(refusal),
        }
    }

    /// What Azure would bill so far.
    pub fn operations(&self) -> Operations {
        self.broker().operations()
    }

    /// Knows these policies from now on, and no others. What was shown before stays good until it expires.
    pub fn set_policies(&self, policies: Vec<Policy>) {
        self.broker().authority.set_policies(policies);
    }

    /// Accepts this bearer token from now on, instead of one with the same text.
    pub fn accept_bearer(&self, token: BearerToken) {
        self.broker().authority.accept_bearer(token);
    }

    /// What a client needs to connect to `host_and_port` as the holder of a policy; `None` if there is none of this
    /// name.
    pub fn connection_string(&self, policy: &str, host_and_port: &str) -> Option<String> {
        let broker = self.broker();
        let Policy { name, key, .. } = broker.authority.policy(policy)?;
        Some(format!(
            "Endpoint=sb://{host_and_port};SharedAccessKeyName={name};SharedAccessKey={key};\
             UseDevelopmentEmulator=true;"
        ))
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Emulator")
    }
}
