//! Names of entities, in the forms in which clients write them.

use percent_encoding::percent_decode_str;

/// Where a link or a request goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Address {
    /// `$cbs`, which takes tokens.
    Tokens,
    Topic(TopicKey),
    Subscription(SubscriptionKey),
}

/// A topic's name, as it is compared: in lower case.
pub(crate) type TopicKey = String;

/// A topic and a subscription of it, as they are compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SubscriptionKey {
    pub(crate) topic: TopicKey,
    pub(crate) subscription: String,
}

impl SubscriptionKey {
    pub(crate) fn new(topic: &str, subscription: &str) -> Self {
        Self { topic: topic.to_lowercase(), subscription: subscription.to_lowercase() }
    }

    /// As in an address.
    pub(crate) fn path(&self) -> String {
        format!("{}/subscriptions/{}", self.topic, self.subscription)
    }
}

impl Address {
    /// Of a link. `None` if it can be the address of nothing here.
    pub(crate) fn parse(address: &str) -> Option<Self> {
        let path = path(address);
        let segments: Vec<&str> = path.split('/').collect();
        match segments.as_slice() {
            ["$cbs"] => Some(Self::Tokens),
            [topic, "subscriptions", subscription] if !subscription.is_empty() => {
                Some(Self::Subscription(SubscriptionKey::new(topic, subscription)))
            }
            // A topic's name may have slashes.
            [.., "subscriptions", _] | [.., "$management" | "$deadletterqueue"] => None,
            _ if path.is_empty() => None,
            _ => Some(Self::Topic(path)),
        }
    }

    /// What a token must cover.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Tokens => "$cbs".to_owned(),
            Self::Topic(topic) => topic.clone(),
            Self::Subscription(key) => key.path(),
        }
    }
}

/// The path of an address or of a URI, decoded, in lower case, without slashes around it.
pub(crate) fn path(address: &str) -> String {
    let rest = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => address,
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    percent_decode_str(rest).decode_utf8_lossy().trim_matches('/').to_lowercase()
}

/// Whether what is at `path` lies at or under `scope`; everything lies under the empty scope.
pub(crate) fn covers(scope: &str, path: &str) -> bool {
    match path.strip_prefix(scope) {
        Some(rest) => scope.is_empty() || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// Whether an entity may be called that.
pub(crate) fn is_valid_name(name: &str, longest: usize) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '~');
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty()
        && name.len() <= longest
        && name.chars().all(allowed)
        && name.starts_with(inner)
        && name.ends_with(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_in_which_clients_write_addresses() {
        let subscription = Some(Address::Subscription(SubscriptionKey::new("t", "s")));
        for address in [
            "T/Subscriptions/S",
            "t/subscriptions/s",
            "/t/subscriptions/s/",
            "amqps://localhost:5672/T/Subscriptions/S",
            "sb://localhost/t/subscriptions/s?x=1",
        ] {
            assert_eq!(Address::parse(address), subscription, "{address}");
        }
        assert_eq!(Address::parse("amqps://h:1/Topic"), Some(Address::Topic("topic".to_owned())));
        assert_eq!(Address::parse("$cbs"), Some(Address::Tokens));
        for nothing in ["", "/", "amqps://host", "t/$management", "a/b/subscriptions/s"] {
            assert_eq!(Address::parse(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_scope_covers_whole_segments() {
        assert!(covers("", "anything"));
        assert!(covers("topic", "topic"));
        assert!(covers("topic", "topic/subscriptions/s"));
        assert!(!covers("top", "topic"));
        assert!(!covers("topic/subscriptions/s", "topic"));
    }
}
