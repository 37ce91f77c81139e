//! Creating, looking at, changing and deleting entities.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::address::{SubscriptionKey, is_valid_name};

use super::description::{Rule, SubscriptionDescription, TopicDescription};
use super::refusal::Refusal;
use super::subscription::Subscription;
use super::{Broker, Topic};

/// Longest names, as in Azure.
const TOPIC_NAME: usize = 260;
const SUBSCRIPTION_NAME: usize = 50;

impl Broker {
    pub(crate) fn create_topic(&mut self, description: TopicDescription) -> Result<(), Refusal> {
        let key = description.name.to_lowercase();
        let reserved = key.contains("/subscriptions/") || key.ends_with("/subscriptions");
        if !is_valid_name(&key, TOPIC_NAME) || reserved {
            return Err(Refusal::invalid("The entity name is not valid."));
        }
        if self.topics.contains_key(&key) {
            return Err(Refusal::exists(&description.name));
        }
        if self.topics.len() >= self.quotas.topics {
            return Err(Refusal::quota("The namespace has as many topics as it may have."));
        }
        let now = self.now();
        let topic = Topic {
            description,
            created_at: now,
            updated_at: now,
            sequence: 0,
            subscriptions: BTreeMap::new(),
            sends: 0,
        };
        self.topics.insert(key, topic);
        Ok(())
    }

    pub(crate) fn topic(&self, name: &str) -> Result<&Topic, Refusal> {
        self.topics.get(&name.to_lowercase()).ok_or_else(|| Refusal::not_found(name))
    }

    pub(crate) fn topic_mut(&mut self, name: &str) -> Result<&mut Topic, Refusal> {
        self.topics.get_mut(&name.to_lowercase()).ok_or_else(|| Refusal::not_found(name))
    }

    pub(crate) fn update_topic(&mut self, description: TopicDescription) -> Result<(), Refusal> {
        let now = self.now();
        let topic = self.topic_mut(&description.name)?;
        // The name stays as it was written first.
        let name = std::mem::take(&mut topic.description.name);
        topic.description = TopicDescription { name, ..description };
        topic.updated_at = now;
        Ok(())
    }

    pub(crate) fn delete_topic(&mut self, name: &str) -> Result<(), Refusal> {
        let key = name.to_lowercase();
        let topic = self.topics.get(&key).ok_or_else(|| Refusal::not_found(name))?;
        let subscriptions: Vec<String> = topic.subscriptions.keys().cloned().collect();
        for subscription in subscriptions {
            self.delete_subscription(&SubscriptionKey::new(&key, &subscription))?;
        }
        let reason = Refusal::not_found(name);
        for link in self.links_where(|link| link.sends_to(&key)) {
            self.expel(link, &reason);
        }
        if let Some(topic) = self.topics.remove(&key) {
            self.past_operations.sends += topic.sends;
        }
        Ok(())
    }

    pub(crate) fn create_subscription(
        &mut self,
        topic: &str,
        description: SubscriptionDescription,
        rule: Rule,
    ) -> Result<(), Refusal> {
        let key = SubscriptionKey::new(topic, &description.name);
        if !is_valid_name(&key.subscription, SUBSCRIPTION_NAME) || key.subscription.contains('/') {
            return Err(Refusal::invalid("The subscription's name is not valid."));
        }
        if let Some(what) = description.invalid() {
            return Err(Refusal::invalid(what));
        }
        self.sweep(&key.topic);
        let (now, quotas) = (self.now(), self.quotas.clone());
        let topic = self.topic_mut(topic)?;
        let count = topic.subscriptions.len();
        let Entry::Vacant(place) = topic.subscriptions.entry(key.subscription) else {
            return Err(Refusal::exists(&description.name));
        };
        if count >= quotas.subscriptions {
            return Err(Refusal::quota("The topic has as many subscriptions as it may have."));
        }
        place.insert(Subscription::new(description, rule, quotas.dead_letters, now));
        Ok(())
    }

    pub(crate) fn subscription(&mut self, key: &SubscriptionKey) -> Result<&Subscription, Refusal> {
        self.sweep(&key.topic);
        self.find(key).ok_or_else(|| Refusal::not_found(&key.path()))
    }

    pub(crate) fn subscription_mut(
        &mut self,
        key: &SubscriptionKey,
    ) -> Result<&mut Subscription, Refusal> {
        self.sweep(&key.topic);
        self.find_mut(key).ok_or_else(|| Refusal::not_found(&key.path()))
    }

    pub(crate) fn update_subscription(
        &mut self,
        key: &SubscriptionKey,
        description: SubscriptionDescription,
    ) -> Result<(), Refusal> {
        if let Some(what) = description.invalid() {
            return Err(Refusal::invalid(what));
        }
        let now = self.now();
        let subscription = self.subscription_mut(key)?;
        let name = std::mem::take(&mut subscription.description.name);
        subscription.description = SubscriptionDescription { name, ..description };
        subscription.updated_at = now;
        Ok(())
    }

    /// Those who receive from it are told that it is not there.
    pub(crate) fn delete_subscription(&mut self, key: &SubscriptionKey) -> Result<(), Refusal> {
        let reason = Refusal::not_found(&key.path());
        let topic = self.topics.get_mut(&key.topic).ok_or_else(|| reason.clone())?;
        let subscription = topic.subscriptions.remove(&key.subscription);
        self.past_operations += subscription.ok_or_else(|| reason.clone())?.operations;
        for link in self.links_where(|link| link.receives_from(key)) {
            self.expel(link, &reason);
        }
        Ok(())
    }

    pub(crate) fn create_rule(&mut self, key: &SubscriptionKey, rule: Rule) -> Result<(), Refusal> {
        let (now, limit) = (self.now(), self.quotas.rules);
        let valid = !rule.name.is_empty() && rule.name.chars().count() <= SUBSCRIPTION_NAME;
        if !valid {
            return Err(Refusal::invalid("The rule's name is not valid."));
        }
        let subscription = self.subscription_mut(key)?;
        let count = subscription.rules.len();
        let Entry::Vacant(place) = subscription.rules.entry(rule.name.to_lowercase()) else {
            return Err(Refusal::exists(&rule.name));
        };
        if count >= limit {
            return Err(Refusal::quota("The subscription has as many rules as it may have."));
        }
        place.insert(rule);
        subscription.updated_at = now;
        Ok(())
    }

    pub(crate) fn update_rule(&mut self, key: &SubscriptionKey, rule: Rule) -> Result<(), Refusal> {
        let subscription = self.subscription_mut(key)?;
        let known = subscription.rules.get_mut(&rule.name.to_lowercase());
        let known = known.ok_or_else(|| Refusal::not_found(&rule.name))?;
        known.filter = rule.filter;
        Ok(())
    }

    pub(crate) fn delete_rule(&mut self, key: &SubscriptionKey, name: &str) -> Result<(), Refusal> {
        let subscription = self.subscription_mut(key)?;
        let removed = subscription.rules.remove(&name.to_lowercase());
        removed.map(drop).ok_or_else(|| Refusal::not_found(name))
    }

    /// Deletes those subscriptions of a topic that were idle for too long.
    pub(crate) fn sweep(&mut self, topic: &str) {
        let now = self.now();
        let Some(topic) = self.topics.get_mut(topic) else {
            return;
        };
        let past = &mut self.past_operations;
        topic.subscriptions.retain(|_, subscription| {
            let abandoned = subscription.is_abandoned(now);
            if abandoned {
                *past += subscription.operations;
            }
            !abandoned
        });
    }
}
