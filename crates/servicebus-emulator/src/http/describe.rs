//! Descriptions of entities, as clients send them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_amqp::Value;

use crate::Refusal;
use crate::broker::description::{Rule, SubscriptionDescription, TopicDescription};
use crate::filter::{CorrelationFilter, Filter};

use super::duration;
use super::xml::Element;

/// What describes the entity in an entry.
fn content<'a>(entry: &'a Element, kind: &str) -> Result<&'a Element, Refusal> {
    let found = entry.child("content").and_then(|content| content.child(kind));
    found.ok_or_else(|| Refusal::invalid(format!("The entry has no {kind}.")))
}

fn unusable(name: &str) -> Refusal {
    Refusal::invalid(format!("The value of {name} is not valid."))
}

fn flag(element: &Element, name: &str) -> Result<Option<bool>, Refusal> {
    match element.value(name) {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| unusable(name)),
    }
}

fn number<T: std::str::FromStr>(element: &Element, name: &str) -> Result<Option<T>, Refusal> {
    match element.value(name) {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| unusable(name)),
    }
}

/// A duration that may be the longest, which is none.
fn limit(element: &Element, name: &str) -> Result<Option<Duration>, Refusal> {
    match element.value(name) {
        None | Some("") => Ok(None),
        Some(text) => duration::parse_limit(text).ok_or_else(|| unusable(name)),
    }
}

/// What the emulator does not do must not be asked for.
fn unsupported(element: &Element, names: &[&str]) -> Result<(), Refusal> {
    for name in names {
        if !matches!(element.value(name), None | Some("" | "false")) {
            return Err(Refusal::invalid(format!("{name} is not supported by this emulator.")));
        }
    }
    Ok(())
}

pub(crate) fn topic(name: &str, entry: &Element) -> Result<TopicDescription, Refusal> {
    let element = content(entry, "TopicDescription")?;
    unsupported(element, &["RequiresDuplicateDetection"])?;
    let default = TopicDescription::new(name);
    Ok(TopicDescription {
        default_message_time_to_live: limit(element, "DefaultMessageTimeToLive")?,
        max_size_in_megabytes: number(element, "MaxSizeInMegabytes")?
            .unwrap_or(default.max_size_in_megabytes),
        enable_partitioning: flag(element, "EnablePartitioning")?
            .unwrap_or(default.enable_partitioning),
        support_ordering: flag(element, "SupportOrdering")?.unwrap_or(default.support_ordering),
        user_metadata: element.value("UserMetadata").map(str::to_owned),
        ..default
    })
}

/// A subscription, and the rule that it is to have.
pub(crate) fn subscription(
    name: &str,
    entry: &Element,
) -> Result<(SubscriptionDescription, Rule), Refusal> {
    let element = content(entry, "SubscriptionDescription")?;
    unsupported(element, &["RequiresSession", "ForwardTo", "ForwardDeadLetteredMessagesTo"])?;
    let default = SubscriptionDescription::new(name);
    let description = SubscriptionDescription {
        lock_duration: limit(element, "LockDuration")?.unwrap_or(default.lock_duration),
        default_message_time_to_live: limit(element, "DefaultMessageTimeToLive")?,
        dead_lettering_on_message_expiration: flag(element, "DeadLetteringOnMessageExpiration")?
            .unwrap_or(default.dead_lettering_on_message_expiration),
        max_delivery_count: number(element, "MaxDeliveryCount")?
            .unwrap_or(default.max_delivery_count),
        auto_delete_on_idle: limit(element, "AutoDeleteOnIdle")?,
        user_metadata: element.value("UserMetadata").map(str::to_owned),
        ..default
    };
    let rule = match element.child("DefaultRuleDescription") {
        Some(rule) if !rule.children.is_empty() => rule_content(rule, "$Default")?,
        _ => Rule::default_rule(),
    };
    Ok((description, rule))
}

pub(crate) fn rule(name: &str, entry: &Element) -> Result<Rule, Refusal> {
    let rule = rule_content(content(entry, "RuleDescription")?, name)?;
    // The address decides.
    Ok(Rule { name: name.to_owned(), ..rule })
}

fn rule_content(element: &Element, name: &str) -> Result<Rule, Refusal> {
    let action = element.child("Action").and_then(|action| action.attribute("type"));
    if action.is_some_and(|kind| kind != "EmptyRuleAction") {
        return Err(Refusal::invalid("Rule actions are not supported by this emulator."));
    }
    let filter = element.child("Filter").map_or(Ok(Filter::True), filter)?;
    let name = element.value("Name").filter(|name| !name.is_empty()).unwrap_or(name);
    Ok(Rule { name: name.to_owned(), filter })
}

fn filter(element: &Element) -> Result<Filter, Refusal> {
    match element.attribute("type") {
        Some("TrueFilter") => Ok(Filter::True),
        Some("FalseFilter") => Ok(Filter::False),
        Some("SqlFilter") => {
            if element.child("Parameters").is_some_and(|given| !given.children.is_empty()) {
                return Err(Refusal::invalid("Parameters are not supported by this emulator."));
            }
            let text = element.value("SqlExpression").unwrap_or_default();
            let explain =
                |why| Refusal::invalid(format!("The SQL expression is not valid: {why}."));
            Filter::sql(text).map_err(explain)
        }
        Some("CorrelationFilter") => correlation(element).map(Filter::Correlation),
        other => {
            let kind = other.unwrap_or("without a type");
            Err(Refusal::invalid(format!("A filter {kind} is not supported by this emulator.")))
        }
    }
}

fn correlation(element: &Element) -> Result<CorrelationFilter, Refusal> {
    let text = |name: &str| element.value(name).map(str::to_owned);
    let mut properties = BTreeMap::new();
    let pairs = element.child("Properties").map(|properties| properties.children.as_slice());
    for pair in pairs.unwrap_or_default() {
        let key = pair.value("Key").ok_or_else(|| unusable("Properties"))?;
        let value = pair.child("Value").ok_or_else(|| unusable("Properties"))?;
        properties.insert(key.to_owned(), typed(value).ok_or_else(|| unusable(key))?);
    }
    Ok(CorrelationFilter {
        correlation_id: text("CorrelationId"),
        message_id: text("MessageId"),
        to: text("To"),
        reply_to: text("ReplyTo"),
        label: text("Label"),
        session_id: text("SessionId"),
        reply_to_session_id: text("ReplyToSessionId"),
        content_type: text("ContentType"),
        properties,
    })
}

/// A value of the type that its element names.
fn typed(element: &Element) -> Option<Value> {
    let kind = element.attribute("type").unwrap_or("string");
    let text = element.text.as_str();
    Some(match kind.rsplit(':').next().unwrap_or(kind) {
        "string" => Value::String(text.to_owned()),
        "int" => Value::Int(text.trim().parse().ok()?),
        "long" => Value::Long(text.trim().parse().ok()?),
        "double" => Value::from(text.trim().parse::<f64>().ok()?),
        "boolean" => Value::Bool(text.trim().parse().ok()?),
        _ => return None,
    })
}
