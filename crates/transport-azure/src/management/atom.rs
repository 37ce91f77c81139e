//! The entries that the management interface takes and gives.
//!
//! The order of the elements matters to the service.

use std::time::Duration;

use super::SubscriptionSettings;

const NAMESPACE: &str = "http://schemas.microsoft.com/netservices/2010/10/servicebus/connect";
const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// Longer texts of the service are cut.
const MAX_DETAIL_BYTES: usize = 300;

pub(super) fn topic() -> String {
    entry(&format!(
        "<TopicDescription xmlns=\"{NAMESPACE}\"><EnablePartitioning>false</EnablePartitioning>\
         </TopicDescription>"
    ))
}

pub(super) fn subscription(name: &str, settings: &SubscriptionSettings) -> String {
    let time_to_live = duration(settings.message_time_to_live);
    let auto_delete = duration(settings.auto_delete_on_idle);
    let filter = escaped(&filter(name));
    entry(&format!(
        "<SubscriptionDescription xmlns=\"{NAMESPACE}\" xmlns:i=\"{SCHEMA_INSTANCE}\">\
         <LockDuration>PT30S</LockDuration>\
         <DefaultMessageTimeToLive>{time_to_live}</DefaultMessageTimeToLive>\
         <DeadLetteringOnMessageExpiration>false</DeadLetteringOnMessageExpiration>\
         <DeadLetteringOnFilterEvaluationExceptions>false</DeadLetteringOnFilterEvaluationExceptions>\
         <DefaultRuleDescription><Filter i:type=\"SqlFilter\">\
         <SqlExpression>{filter}</SqlExpression><CompatibilityLevel>20</CompatibilityLevel></Filter>\
         <Action i:type=\"EmptyRuleAction\"/><Name>unstale</Name></DefaultRuleDescription>\
         <MaxDeliveryCount>10</MaxDeliveryCount>\
         <AutoDeleteOnIdle>{auto_delete}</AutoDeleteOnIdle>\
         </SubscriptionDescription>"
    ))
}

/// What a node's subscription lets through: what is for everybody, and its own fences.
pub(crate) fn filter(subscription: &str) -> String {
    format!("sys.To IS NULL OR sys.To = '{}'", subscription.replace('\'', "''"))
}

pub(super) fn is_topic(answer: &str) -> bool {
    answer.contains("<TopicDescription")
}

pub(super) fn is_partitioned(answer: &str) -> bool {
    answer.contains("<EnablePartitioning>true</EnablePartitioning>")
}

/// What the service says went wrong, on one line.
pub(crate) fn error_detail(answer: &str) -> String {
    let detail = answer
        .split_once("<Detail>")
        .and_then(|(_, rest)| rest.split_once("</Detail>"))
        .map_or("", |(detail, _)| detail);
    detail.chars().filter(|c| !c.is_control()).take(MAX_DETAIL_BYTES).collect()
}

fn entry(description: &str) -> String {
    format!(
        "<entry xmlns=\"http://www.w3.org/2005/Atom\"><content type=\"application/xml\">{description}\
         </content></entry>"
    )
}

/// ISO 8601, in seconds.
fn duration(duration: Duration) -> String {
    format!("PT{}S", duration.as_secs())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
