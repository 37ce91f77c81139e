//! Which thing an address names.

use percent_encoding::percent_decode_str;

use crate::address::SubscriptionKey;

/// What a request is about. Names are as the client wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Namespace,
    Topics,
    /// There are none.
    Queues,
    Topic(String),
    Subscriptions(String),
    Subscription {
        topic: String,
        name: String,
    },
    Rules(SubscriptionKey),
    Rule(SubscriptionKey, String),
    /// Where messages are sent to.
    Messages(String),
    /// The next message.
    Head(SubscriptionKey),
    /// A message that is locked, and the lock.
    Lock(SubscriptionKey, String),
}

impl Route {
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let path = percent_decode_str(path).decode_utf8().ok()?;
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let is = |segment: &str, name: &str| segment.eq_ignore_ascii_case(name);
        match segments.as_slice() {
            [name] if is(name, "$namespaceinfo") => return Some(Self::Namespace),
            [folder, name] if is(folder, "$resources") => {
                return match name.to_ascii_lowercase().as_str() {
                    "topics" => Some(Self::Topics),
                    "queues" => Some(Self::Queues),
                    _ => None,
                };
            }
            _ => {}
        }
        let place = segments.iter().position(|segment| is(segment, "subscriptions"));
        let Some(place) = place.filter(|place| *place > 0) else {
            let named = !segments.iter().any(|segment| segment.is_empty());
            return named.then(|| match segments.as_slice() {
                [topic @ .., last] if is(last, "messages") && !topic.is_empty() => {
                    Self::Messages(topic.join("/"))
                }
                _ => Self::Topic(segments.join("/")),
            });
        };
        let topic = segments[..place].join("/");
        match &segments[place + 1..] {
            [] => Some(Self::Subscriptions(topic)),
            [name] => Some(Self::Subscription { topic, name: (*name).to_owned() }),
            [name, rules] if is(rules, "rules") => {
                Some(Self::Rules(SubscriptionKey::new(&topic, name)))
            }
            [name, rules, rule] if is(rules, "rules") => {
                Some(Self::Rule(SubscriptionKey::new(&topic, name), (*rule).to_owned()))
            }
            [name, messages, head] if is(messages, "messages") && is(head, "head") => {
                Some(Self::Head(SubscriptionKey::new(&topic, name)))
            }
            [name, messages, _, lock] if is(messages, "messages") => {
                Some(Self::Lock(SubscriptionKey::new(&topic, name), (*lock).to_owned()))
            }
            _ => None,
        }
    }
}

/// What stands after the question mark.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (decode(name), decode(value))).collect())
    }

    /// A number, by its name without regard to case.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        let found = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| value.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_clients_write() {
        let subscription = Route::Subscription { topic: "T".to_owned(), name: "S".to_owned() };
        assert_eq!(Route::parse("/T/Subscriptions/S"), Some(subscription));
        assert_eq!(Route::parse("/a/b"), Some(Route::Topic("a/b".to_owned())));
        assert_eq!(Route::parse("/a%2Fb"), Some(Route::Topic("a/b".to_owned())));
        assert_eq!(Route::parse("/$Resources/topics"), Some(Route::Topics));
        let rule = Route::Rule(SubscriptionKey::new("t", "s"), "$Default".to_owned());
        assert_eq!(Route::parse("/t/subscriptions/s/rules/$Default"), Some(rule));
        for nothing in
            ["/", "", "/a//x", "/t/subscriptions/s/other", "/t/subscriptions/s/rules/r/x"]
        {
            assert_eq!(Route::parse(nothing), None, "{nothing}");
        }
    }
}
