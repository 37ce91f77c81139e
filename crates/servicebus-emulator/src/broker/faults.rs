//! What goes wrong on order.

use std::collections::BTreeMap;

use std::time::Duration;

use crate::address::{SubscriptionKey, TopicKey};

use super::refusal::Refusal;

/// Orders that are in force. They survive a restart.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) refuses_connections: bool,
    pub(crate) throttles: bool,
    /// No message from any subscription.
    pub(crate) stopped: bool,
    /// Of every subscription.
    pub(crate) delay: Duration,
    pub(crate) subscriptions: BTreeMap<SubscriptionKey, DeliveryFaults>,
    pub(crate) topics: BTreeMap<TopicKey, SendFaults>,
}

/// Those of one subscription.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeliveryFaults {
    pub(crate) stopped: bool,
    pub(crate) delay: Duration,
    /// Copies that are not made.
    pub(crate) swallow: u32,
    /// Copies that are numbered and then lost.
    pub(crate) lose: u32,
    /// Deliveries that are made twice.
    pub(crate) duplicate: u32,
}

/// Those of one topic.
#[derive(Clone, Debug, Default)]
pub(crate) struct SendFaults {
    pub(crate) refuse: Option<(Refusal, u32)>,
    /// Transfers that are accepted without a word, and the connection cut.
    pub(crate) cut_after_accept: u32,
}

impl Faults {
    pub(crate) fn subscription(&mut self, key: &SubscriptionKey) -> &mut DeliveryFaults {
        self.subscriptions.entry(key.clone()).or_default()
    }

    pub(crate) fn topic(&mut self, topic: &str) -> &mut SendFaults {
        self.topics.entry(topic.to_owned()).or_default()
    }

    /// How much later a message is delivered that comes now.
    pub(crate) fn delay_of(&self, key: &SubscriptionKey) -> Duration {
        let own = self.subscriptions.get(key).map_or(Duration::ZERO, |faults| faults.delay);
        own.max(self.delay)
    }
}

/// Takes one of those that are left.
pub(crate) fn use_up(left: &mut u32) -> bool {
    let any = *left > 0;
    *left = left.saturating_sub(1);
    any
}

impl SendFaults {
    /// The refusal that is due, if any.
    pub(crate) fn refusal(&mut self) -> Option<Refusal> {
        let (refusal, left) = self.refuse.as_mut()?;
        use_up(left).then(|| refusal.clone())
    }
}
