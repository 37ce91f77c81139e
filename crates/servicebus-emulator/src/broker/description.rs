//! How entities are configured.

use std::time::Duration;

use crate::filter::Filter;

/// How a topic is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name, as it was created. Names are compared without regard to case.
    pub name: String,
    /// The most that a message may wait; `None` is without a limit. Default: none.
    pub default_message_time_to_live: Option<Duration>,
    /// How much may wait in it, in mebibytes. Default: 1,024.
    pub max_size_in_megabytes: u64,
    /// Kept, and without an effect: there is one order. Default: false.
    pub enable_partitioning: bool,
    /// Kept, and without an effect: order is always kept. Default: true.
    pub support_ordering: bool,
    /// Kept and told, nothing else.
    pub user_metadata: Option<String>,
}

impl TopicDescription {
    /// A topic of this name, with the defaults.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            default_message_time_to_live: None,
            max_size_in_megabytes: 1024,
            enable_partitioning: false,
            support_ordering: true,
            user_metadata: None,
        }
    }
}

/// How a subscription is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionDescription {
    /// Its name, as it was created. Names are compared without regard to case.
    pub name: String,
    /// How long a message that was peeked is kept for its receiver. Default: 60 s; at most 5 minutes.
    pub lock_duration: Duration,
    /// The most that a message may wait; `None` is without a limit. Default: none.
    pub default_message_time_to_live: Option<Duration>,
    /// Whether messages that waited too long become dead letters. Default: false.
    pub dead_lettering_on_message_expiration: bool,
    /// After how many deliveries a message that nobody completed becomes a dead letter. Default: 10.
    pub max_delivery_count: u32,
    /// It is deleted after that time without a receiver; at least 5 minutes. Default: never.
    pub auto_delete_on_idle: Option<Duration>,
    /// Kept and told, nothing else.
    pub user_metadata: Option<String>,
}

impl SubscriptionDescription {
    /// A subscription of this name, with the defaults.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            lock_duration: Duration::from_secs(60),
            default_message_time_to_live: None,
            dead_lettering_on_message_expiration: false,
            max_delivery_count: 10,
            auto_delete_on_idle: None,
            user_metadata: None,
        }
    }

    /// What of it no broker would take.
    pub(crate) fn invalid(&self) -> Option<&'static str> {
        const FIVE_MINUTES: Duration = Duration::from_secs(300);
        if self.lock_duration.is_zero() || self.lock_duration > FIVE_MINUTES {
            return Some("LockDuration must be more than nothing and at most PT5M.");
        }
        if self.auto_delete_on_idle.is_some_and(|idle| idle < FIVE_MINUTES) {
            return Some("AutoDeleteOnIdle must be at least PT5M.");
        }
        if self.default_message_time_to_live.is_some_and(|ttl| ttl < Duration::from_secs(1)) {
            return Some("DefaultMessageTimeToLive must be at least PT1S.");
        }
        (self.max_delivery_count == 0).then_some("MaxDeliveryCount must be at least 1.")
    }
}

/// A rule: a message that its filter matches is for the subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name, as it was created.
    pub name: String,
    /// What it matches.
    pub filter: Filter,
}

impl Rule {
    /// The rule that a subscription has when none is given: it matches everything.
    pub fn default_rule() -> Self {
        Self { name: "$Default".to_owned(), filter: Filter::True }
    }
}
