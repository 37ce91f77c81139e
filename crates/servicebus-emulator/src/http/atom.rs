//! Entities as Atom entries, in the order of elements that Azure has.

use std::time::SystemTime;

use serde_amqp::Value;

use crate::broker::Topic;
use crate::broker::description::Rule;
use crate::broker::subscription::Subscription;
use crate::filter::{CorrelationFilter, Filter};

use super::duration::{atom_time, format, format_limit};
use super::xml::{escape, leaf};

const ATOM: &str = "http://www.w3.org/2005/Atom";
const SERVICE_BUS: &str = "http://schemas.microsoft.com/netservices/2010/10/servicebus/connect";
const COUNTS: &str = "http://schemas.microsoft.com/netservices/2011/06/servicebus";
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";

/// An entity, on its way to a client.
pub(crate) struct Entry {
    /// Its address, with the scheme and the host.
    pub(crate) url: String,
    pub(crate) title: String,
    pub(crate) created_at: SystemTime,
    pub(crate) updated_at: SystemTime,
    /// What describes it.
    pub(crate) content: String,
}

impl Entry {
    pub(crate) fn write(&self) -> String {
        let url = escape(&self.url);
        format!(
            "<entry xmlns=\"{ATOM}\"><id>{url}</id><title type=\"text\">{}</title><published>{}</published>\
             <updated>{}</updated><author><name>servicebus-emulator</name></author>\
             <link rel=\"self\" href=\"{url}\"/><content type=\"application/xml\">{}</content></entry>",
            escape(&self.title),
            atom_time(self.created_at),
            atom_time(self.updated_at),
            self.content,
        )
    }
}

/// Several entities; `next` is where there are more.
pub(crate) fn feed(
    url: &str,
    next: Option<&str>,
    title: &str,
    now: SystemTime,
    entries: &[Entry],
) -> String {
    let url = escape(url);
    let next = next.map(|next| format!("<link rel=\"next\" href=\"{}\"/>", escape(next)));
    let entries: String = entries.iter().map(Entry::write).collect();
    format!(
        "<feed xmlns=\"{ATOM}\"><title type=\"text\">{}</title><id>{url}</id><updated>{}</updated>\
         <link rel=\"self\" href=\"{url}\"/>{}{entries}</feed>",
        escape(title),
        atom_time(now),
        next.unwrap_or_default(),
    )
}

pub(crate) fn error(status: u16, detail: &str) -> String {
    format!("<Error><Code>{status}</Code><Detail>{}</Detail></Error>", escape(detail))
}

fn description(kind: &str, content: &str) -> String {
    format!("<{kind} xmlns=\"{SERVICE_BUS}\" xmlns:i=\"{INSTANCE}\">{content}</{kind}>")
}

/// Elements with plain text, in this order.
fn leaves(leaves: &[(&str, &str)]) -> String {
    leaves.iter().map(|(name, text)| leaf(name, text)).collect()
}

fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn counts(active: usize, dead: usize) -> String {
    let count = |name: &str, number: usize| format!("<d:{name}>{number}</d:{name}>");
    format!(
        "<CountDetails xmlns:d=\"{COUNTS}\">{}{}{}{}{}</CountDetails>",
        count("ActiveMessageCount", active),
        count("DeadLetterMessageCount", dead),
        count("ScheduledMessageCount", 0),
        count("TransferMessageCount", 0),
        count("TransferDeadLetterMessageCount", 0),
    )
}

fn metadata(text: Option<&str>) -> String {
    text.map(|text| leaf("UserMetadata", text)).unwrap_or_default()
}

pub(crate) fn topic(topic: &Topic) -> String {
    let its = &topic.description;
    let mut content = leaves(&[
        ("DefaultMessageTimeToLive", &format_limit(its.default_message_time_to_live)),
        ("MaxSizeInMegabytes", &its.max_size_in_megabytes.to_string()),
        ("RequiresDuplicateDetection", "false"),
        ("DuplicateDetectionHistoryTimeWindow", "PT10M"),
        ("EnableBatchedOperations", "true"),
        ("SizeInBytes", &topic.bytes().to_string()),
        ("FilteringMessagesBeforePublishing", "false"),
        ("IsAnonymousAccessible", "false"),
    ]);
    content += "<AuthorizationRules/>";
    content += &leaves(&[
        ("Status", "Active"),
        ("CreatedAt", &atom_time(topic.created_at)),
        ("UpdatedAt", &atom_time(topic.updated_at)),
        ("AccessedAt", &atom_time(topic.updated_at)),
        ("SupportOrdering", flag(its.support_ordering)),
    ]);
    content += &counts(0, 0);
    content += &leaves(&[
        ("SubscriptionCount", &topic.subscriptions.len().to_string()),
        ("AutoDeleteOnIdle", &format_limit(None)),
        ("EnablePartitioning", flag(its.enable_partitioning)),
        ("EntityAvailabilityStatus", "Available"),
        ("EnableSubscriptionPartitioning", "false"),
        ("EnableExpress", "false"),
    ]);
    content += &metadata(its.user_metadata.as_deref());
    description("TopicDescription", &content)
}

pub(crate) fn subscription(subscription: &Subscription) -> String {
    let its = &subscription.description;
    let active = subscription.waiting() + subscription.locked();
    let dead = subscription.dead_letters().len();
    let mut content = leaves(&[
        ("LockDuration", &format(its.lock_duration)),
        ("RequiresSession", "false"),
        ("DefaultMessageTimeToLive", &format_limit(its.default_message_time_to_live)),
        ("DeadLetteringOnMessageExpiration", flag(its.dead_lettering_on_message_expiration)),
        ("DeadLetteringOnFilterEvaluationExceptions", "true"),
        ("MessageCount", &(active + dead).to_string()),
        ("MaxDeliveryCount", &its.max_delivery_count.to_string()),
        ("EnableBatchedOperations", "true"),
        ("Status", "Active"),
        ("CreatedAt", &atom_time(subscription.created_at)),
        ("UpdatedAt", &atom_time(subscription.updated_at)),
        ("AccessedAt", &atom_time(subscription.used_at)),
    ]);
    content += &counts(active, dead);
    content += &leaves(&[
        ("AutoDeleteOnIdle", &format_limit(its.auto_delete_on_idle)),
        ("EntityAvailabilityStatus", "Available"),
    ]);
    content += &metadata(its.user_metadata.as_deref());
    description("SubscriptionDescription", &content)
}

pub(crate) fn rule(rule: &Rule, created_at: SystemTime) -> String {
    let content = format!(
        "{}<Action i:type=\"EmptyRuleAction\"/>{}{}",
        filter(&rule.filter),
        leaf("CreatedAt", &atom_time(created_at)),
        leaf("Name", &rule.name),
    );
    description("RuleDescription", &content)
}

fn filter(filter: &Filter) -> String {
    let sql = |kind: &str, text: &str| {
        let content = leaves(&[("SqlExpression", text), ("CompatibilityLevel", "20")]);
        format!("<Filter i:type=\"{kind}\">{content}</Filter>")
    };
    match filter {
        Filter::True => sql("TrueFilter", "1=1"),
        Filter::False => sql("FalseFilter", "1=0"),
        Filter::Sql(filter) => sql("SqlFilter", filter.text()),
        Filter::Correlation(filter) => correlation(filter),
    }
}

fn correlation(filter: &CorrelationFilter) -> String {
    let mut content = String::new();
    for (name, value) in filter.system() {
        content += &value.as_deref().map(|value| leaf(name, value)).unwrap_or_default();
    }
    if !filter.properties.is_empty() {
        content += "<Properties>";
        for (name, value) in &filter.properties {
            let (kind, text) = typed(value);
            // A client cuts off as many characters as Azure's prefix has.
            content += &format!(
                "<KeyValueOfstringanyType>{}<Value i:type=\"d6p1:{kind}\" xmlns:d6p1=\"{SCHEMA}\">{}</Value>\
                 </KeyValueOfstringanyType>",
                leaf("Key", name),
                escape(&text),
            );
        }
        content += "</Properties>";
    }
    format!("<Filter i:type=\"CorrelationFilter\">{content}</Filter>")
}

/// A value's type in XML Schema, and its text.
fn typed(value: &Value) -> (&'static str, String) {
    match value {
        Value::Bool(value) => ("boolean", flag(*value).to_owned()),
        Value::Int(value) => ("int", value.to_string()),
        Value::Long(value) => ("long", value.to_string()),
        Value::Double(value) => ("double", value.0.to_string()),
        Value::String(value) => ("string", value.clone()),
        // Nothing else is ever read from a description.
        _ => ("string", String::new()),
    }
}

/// What the namespace says about itself.
pub(crate) fn namespace(now: SystemTime) -> String {
    let time = atom_time(now);
    description(
        "NamespaceInfo",
        &leaves(&[
            ("CreatedTime", &time),
            ("MessagingSKU", "Standard"),
            ("ModifiedTime", &time),
            ("Name", "servicebus-emulator"),
            ("NamespaceType", "Messaging"),
        ]),
    )
}
