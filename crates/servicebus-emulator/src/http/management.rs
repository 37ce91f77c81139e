//! Requests that look at entities or change them.

use std::time::SystemTime;

use hyper::header::IF_MATCH;
use hyper::{Method, StatusCode};

use crate::address::SubscriptionKey;
use crate::broker::{Broker, Topic};
use crate::{Emulator, Refusal, Rule};

use super::atom::{self, Entry};
use super::route::Route;
use super::xml::Element;
use super::{Answer, Asked, describe, refusal, refused, with_status, xml};

/// Entries of a list, unless the client asks for less.
const PAGE: usize = 100;

pub(super) fn answer(emulator: &Emulator, asked: &Asked) -> Answer {
    let mut broker = emulator.broker();
    broker.past_operations.management += 1;
    if let Err(busy) = broker.refuse_if_throttled() {
        return refusal(&busy);
    }
    let method = &asked.head.method;
    let result = if *method == Method::GET {
        look(&mut broker, asked)
    } else if *method == Method::PUT {
        put(&mut broker, asked)
    } else if *method == Method::DELETE {
        delete(&mut broker, asked).map(|()| with_status(StatusCode::OK, bytes::Bytes::new()))
    } else {
        return refused(StatusCode::METHOD_NOT_ALLOWED, "This cannot be done here.");
    };
    result.unwrap_or_else(|why| refusal(&why))
}

fn look(broker: &mut Broker, asked: &Asked) -> Result<Answer, Refusal> {
    let base = asked.base();
    let (title, entries) = match &asked.route {
        Route::Namespace => {
            let content = atom::namespace(broker.now());
            let entry = new_entry(asked.url(), "servicebus-emulator", broker.now(), content);
            return Ok(xml(StatusCode::OK, entry.write()));
        }
        Route::Topics => {
            let topics = broker.topics.values();
            ("Topics", topics.map(|topic| topic_entry(&base, topic)).collect())
        }
        Route::Queues => ("Queues", Vec::new()),
        Route::Subscriptions(topic) => {
            broker.sweep(&topic.to_lowercase());
            let names: Vec<_> = broker.topic(topic)?.subscriptions.keys().cloned().collect();
            let keys = names.iter().map(|name| SubscriptionKey::new(topic, name));
            let entries: Result<_, _> =
                keys.map(|key| subscription_entry(broker, &base, &key)).collect();
            ("Subscriptions", entries?)
        }
        Route::Rules(key) => {
            let subscription = broker.subscription(key)?;
            let created_at = subscription.created_at;
            let rules = subscription.rules.values();
            ("Rules", rules.map(|rule| rule_entry(&base, key, rule, created_at)).collect())
        }
        _ => return Ok(xml(StatusCode::OK, entry(broker, asked)?.write())),
    };
    Ok(page(asked, title, broker.now(), entries))
}

/// The part of a list that the client asks for.
fn page(asked: &Asked, title: &str, now: SystemTime, entries: Vec<Entry>) -> Answer {
    let skip = asked.query.number("$skip").unwrap_or(0);
    let top = asked.query.number("$top").unwrap_or(PAGE).min(PAGE);
    let end = skip.saturating_add(top);
    let (url, more) = (asked.url(), entries.len() > end);
    let next = more.then(|| format!("{url}?$skip={end}&$top={top}"));
    let entries: Vec<Entry> = entries.into_iter().skip(skip).take(top).collect();
    xml(StatusCode::OK, atom::feed(&url, next.as_deref(), title, now, &entries))
}

/// The entity that a request is about.
fn entry(broker: &mut Broker, asked: &Asked) -> Result<Entry, Refusal> {
    let base = asked.base();
    match &asked.route {
        Route::Topic(name) => Ok(topic_entry(&base, broker.topic(name)?)),
        Route::Subscription { topic, name } => {
            subscription_entry(broker, &base, &SubscriptionKey::new(topic, name))
        }
        Route::Rule(key, name) => {
            let subscription = broker.subscription(key)?;
            let rule = subscription.rules.get(&name.to_lowercase());
            let rule = rule.ok_or_else(|| Refusal::not_found(name))?;
            Ok(rule_entry(&base, key, rule, subscription.created_at))
        }
        _ => Err(Refusal::invalid("This is no single entity.")),
    }
}

fn new_entry(url: String, title: &str, time: SystemTime, content: String) -> Entry {
    Entry { url, title: title.to_owned(), created_at: time, updated_at: time, content }
}

fn topic_entry(base: &str, topic: &Topic) -> Entry {
    let name = &topic.description.name;
    let url = format!("{base}/{name}");
    let entry = new_entry(url, name, topic.created_at, atom::topic(topic));
    Entry { updated_at: topic.updated_at, ..entry }
}

fn subscription_entry(
    broker: &mut Broker,
    base: &str,
    key: &SubscriptionKey,
) -> Result<Entry, Refusal> {
    let now = broker.now();
    let topic = broker.topic(&key.topic)?.description.name.clone();
    let subscription = broker.subscription_mut(key)?;
    subscription.expire(now);
    let name = &subscription.description.name;
    let url = format!("{base}/{topic}/Subscriptions/{name}");
    let content = atom::subscription(subscription);
    let entry = new_entry(url, name, subscription.created_at, content);
    Ok(Entry { updated_at: subscription.updated_at, ..entry })
}

fn rule_entry(base: &str, key: &SubscriptionKey, rule: &Rule, created_at: SystemTime) -> Entry {
    // Clients find names by these words, written like this.
    let (topic, subscription) = (&key.topic, &key.subscription);
    let url = format!("{base}/{topic}/Subscriptions/{subscription}/Rules/{}", rule.name);
    new_entry(url, &rule.name, created_at, atom::rule(rule, created_at))
}

/// Creates; with `If-Match`, changes.
fn put(broker: &mut Broker, asked: &Asked) -> Result<Answer, Refusal> {
    let text = std::str::from_utf8(&asked.body).map_err(|_| Refusal::invalid("Not UTF-8."))?;
    let malformed = |why| Refusal::invalid(format!("The body is not an Atom entry: {why}."));
    let body = Element::parse(text).map_err(malformed)?;
    let updates = asked.head.headers.contains_key(IF_MATCH);
    match &asked.route {
        Route::Topic(name) => {
            let description = describe::topic(name, &body)?;
            if updates {
                broker.update_topic(description)?;
            } else {
                broker.create_topic(description)?;
            }
        }
        Route::Subscription { topic, name } => {
            let (description, rule) = describe::subscription(name, &body)?;
            if updates {
                broker.update_subscription(&SubscriptionKey::new(topic, name), description)?;
            } else {
                broker.create_subscription(topic, description, rule)?;
            }
        }
        Route::Rule(key, name) => {
            let rule = describe::rule(name, &body)?;
            if updates {
                broker.update_rule(key, rule)?;
            } else {
                broker.create_rule(key, rule)?;
            }
        }
        _ => return Err(Refusal::invalid("This cannot be created.")),
    }
    let status = if updates { StatusCode::OK } else { StatusCode::CREATED };
    Ok(xml(status, entry(broker, asked)?.write()))
}

fn delete(broker: &mut Broker, asked: &Asked) -> Result<(), Refusal> {
    match &asked.route {
        Route::Topic(name) => broker.delete_topic(name),
        Route::Subscription { topic, name } => {
            broker.delete_subscription(&SubscriptionKey::new(topic, name))
        }
        Route::Rule(key, name) => broker.delete_rule(key, name),
        _ => Err(Refusal::invalid("This cannot be deleted.")),
    }
}
