//! Filters that compare properties.

use std::collections::BTreeMap;

use serde_amqp::Value;

use crate::Message;

use super::properties::{self, same};

/// Matches messages that have all of these properties with these values. Text is compared with regard to case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CorrelationFilter {
    /// `CorrelationId`.
    pub correlation_id: Option<String>,
    /// `MessageId`.
    pub message_id: Option<String>,
    /// `To`.
    pub to: Option<String>,
    /// `ReplyTo`.
    pub reply_to: Option<String>,
    /// `Label`, in AMQP the subject.
    pub label: Option<String>,
    /// `SessionId`, in AMQP the group.
    pub session_id: Option<String>,
    /// `ReplyToSessionId`.
    pub reply_to_session_id: Option<String>,
    /// `ContentType`.
    pub content_type: Option<String>,
    /// Application properties.
    pub properties: BTreeMap<String, Value>,
}

impl CorrelationFilter {
    /// The properties of the system with their names and the values that they must have.
    pub(crate) fn system(&self) -> [(&'static str, &Option<String>); 8] {
        [
            ("CorrelationId", &self.correlation_id),
            ("MessageId", &self.message_id),
            ("To", &self.to),
            ("ReplyTo", &self.reply_to),
            ("Label", &self.label),
            ("SessionId", &self.session_id),
            ("ReplyToSessionId", &self.reply_to_session_id),
            ("ContentType", &self.content_type),
        ]
    }

    pub(crate) fn matches(&self, message: &Message) -> bool {
        let system = self.system().into_iter().all(|(name, wanted)| match wanted {
            Some(wanted) => {
                let value = properties::system(message, name);
                value.is_some_and(|value| same(&value, &Value::String(wanted.clone())))
            }
            None => true,
        });
        system
            && self.properties.iter().all(|(name, wanted)| {
                message.property(name).is_some_and(|value| same(value, wanted))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_given_must_be_there() {
        let message =
            Message::new("x").with_property("kind", "a".to_owned()).with_property("n", 3i64);
        let filter = |entries: &[(&str, Value)]| CorrelationFilter {
            properties: entries.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
            ..CorrelationFilter::default()
        };
        let text = |text: &str| Value::String(text.to_owned());
        assert!(filter(&[]).matches(&message));
        assert!(filter(&[("kind", text("a")), ("n", Value::Int(3))]).matches(&message));
        assert!(!filter(&[("kind", text("A"))]).matches(&message));
        assert!(!filter(&[("kind", text("a")), ("other", text("a"))]).matches(&message));
        let to = CorrelationFilter { to: Some("t".to_owned()), ..CorrelationFilter::default() };
        assert!(!to.matches(&message));
    }
}
