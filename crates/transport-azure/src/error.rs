//! From what the service says to what a node and an operator can act on.

use std::time::Duration;

use unstale::transport::{TransportError, TransportErrorKind as Kind};

use crate::http::Answer;

/// What the service's own clients wait at least ("Throttling operations on Azure Service Bus").
const BUSY_WAIT: Duration = Duration::from_secs(2);
/// Longer texts of the service are cut.
const MAX_TEXT_BYTES: usize = 300;

/// An error that the service gave a condition, over AMQP.
#[cfg(feature = "amqp")]
pub(crate) fn amqp_refused(
    doing: &str,
    condition: &str,
    description: Option<&str>,
) -> TransportError {
    let (kind, remedy) = classify(condition);
    let mut text = format!("{doing}: {condition}");
    if let Some(description) = description {
        text.push_str(": ");
        text.push_str(&presentable(description));
    }
    text.push_str(remedy);
    let error = kind.error(text);
    if condition == "com.microsoft:server-busy" { error.with_retry_after(BUSY_WAIT) } else { error }
}

/// What a condition means, and what helps.
#[cfg(feature = "amqp")]
fn classify(condition: &str) -> (Kind, &'static str) {
    match condition {
        "amqp:not-found" | "com.microsoft:entity-not-found" => {
            (Kind::NotFound, "; create it, or check its name and the namespace")
        }
        "com.microsoft:entity-disabled" => (Kind::NotFound, "; enable it in the portal"),
        "amqp:unauthorized-access" | "com.microsoft:auth-failed" => (
            Kind::Unauthorized,
            "; check the credential and its rights: Send and Listen, and Manage to create subscriptions",
        ),
        "amqp:resource-limit-exceeded" => (
            Kind::Throttled,
            "; a quota is exhausted: see the topic's size and the namespace's limits",
        ),
        "com.microsoft:server-busy" => (
            Kind::Throttled,
            "; the namespace is throttled: fewer nodes or a longer bound, or the premium tier",
        ),
        "amqp:link:message-size-exceeded" => {
            (Kind::Rejected, "; lower `max_frame_bytes` to what the tier takes")
        }
        "com.microsoft:message-size-exceeded" => {
            (Kind::Rejected, "; lower `max_frame_bytes` to what the tier takes")
        }
        "com.microsoft:argument-error"
        | "com.microsoft:argument-out-of-range"
        | "amqp:invalid-field" => (Kind::Configuration, "; the service refuses how it was asked"),
        "amqp:not-allowed" | "com.microsoft:operation-not-allowed" => (
            Kind::Configuration,
            "; is the topic one that takes this (no sessions, no partitions, standard tier or above)?",
        ),
        "amqp:internal-error"
        | "amqp:resource-locked"
        | "amqp:resource-deleted"
        | "amqp:illegal-state"
        | "amqp:connection:forced"
        | "amqp:connection:redirect"
        | "amqp:link:detach-forced"
        | "amqp:link:stolen"
        | "amqp:link:redirect"
        | "com.microsoft:timeout"
        | "com.microsoft:operation-cancelled"
        | "com.microsoft:container-close"
        | "com.microsoft:message-lock-lost"
        | "com.microsoft:session-lock-lost"
        | "com.microsoft:partition-not-owned" => (Kind::Unreachable, ""),
        _ => (Kind::Protocol, ""),
    }
}

/// An answer over HTTP that is no success.
pub(crate) fn http_refused(doing: &str, answer: &Answer, detail: &str) -> TransportError {
    let (kind, remedy) = match answer.status.as_u16() {
        400 => (Kind::Configuration, "; the service refuses how it was asked"),
        401 => (
            Kind::Unauthorized,
            "; check the credential and its rights: Send and Listen, and Manage to create subscriptions",
        ),
        403 if names_a_denial(detail) => (
            Kind::Unauthorized,
            "; check the credential's rights, and whether the namespace's network rules let this machine in",
        ),
        403 => (
            Kind::Throttled,
            "; a quota is exhausted: see the topic's size and the namespace's limits",
        ),
        404 | 410 => (Kind::NotFound, "; create it, or check its name and the namespace"),
        413 => (Kind::Rejected, "; lower `max_frame_bytes` to what the tier takes"),
        429 | 503 => (Kind::Throttled, "; the namespace is throttled or busy"),
        408 | 409 | 500.. => (Kind::Unreachable, ""),
        _ => (Kind::Protocol, ""),
    };
    let separator = if detail.is_empty() { "" } else { ": " };
    let detail = presentable(detail);
    let error = kind.error(format!("{doing}: {}{separator}{detail}{remedy}", answer.status));
    match (kind, answer.retry_after()) {
        (_, Some(wait)) => error.with_retry_after(wait),
        (Kind::Throttled, None) if answer.status.as_u16() != 403 => {
            error.with_retry_after(BUSY_WAIT)
        }
        _ => error,
    }
}

/// Whether a forbidden request lacks a right. The status is the same for an exhausted quota, and what is taken for one
/// is at least tried again.
fn names_a_denial(detail: &str) -> bool {
    let detail = detail.to_ascii_lowercase();
    ["prevented", "denied", "authoriz", "claim"].iter().any(|word| detail.contains(word))
}

/// One short line of the service's text, without any signature that it may quote.
pub(crate) fn presentable(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let quoted = ["sharedaccess", "sig=", "bearer", "eyj"];
    let end = quoted.iter().filter_map(|mark| lower.find(mark)).min().unwrap_or(text.len());
    let mut end = end.min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "amqp")]
    #[test]
    fn kinds_and_remedies_follow_from_conditions() {
        for (condition, kind, remedy) in [
            ("amqp:not-found", Kind::NotFound, "create it"),
            ("com.microsoft:entity-disabled", Kind::NotFound, "enable it"),
            ("amqp:unauthorized-access", Kind::Unauthorized, "Send and Listen"),
            ("amqp:resource-limit-exceeded", Kind::Throttled, "quota"),
            ("com.microsoft:server-busy", Kind::Throttled, "premium tier"),
            ("amqp:link:message-size-exceeded", Kind::Rejected, "max_frame_bytes"),
            ("com.microsoft:argument-error", Kind::Configuration, "refuses"),
            ("amqp:not-allowed", Kind::Configuration, "no sessions"),
            ("amqp:link:detach-forced", Kind::Unreachable, ""),
            ("com.microsoft:message-lock-lost", Kind::Unreachable, ""),
            ("com.microsoft:something-new", Kind::Protocol, ""),
        ] {
            let error = amqp_refused("sending", condition, Some("what the service says"));
            assert_eq!(error.kind(), kind, "{condition}");
            assert!(error.to_string().contains(remedy), "{error}");
            assert!(error.to_string().contains("what the service says"), "{error}");
        }
        let busy = amqp_refused("sending", "com.microsoft:server-busy", None);
        assert_eq!(busy.retry_after(), Some(BUSY_WAIT));
        assert!(amqp_refused("sending", "amqp:not-found", None).retry_after().is_none());
    }

    #[test]
    fn a_forbidden_request_is_for_a_quota_or_for_a_missing_right() {
        for (detail, kind) in [
            ("SubCode=40300. The maximum number of subscriptions was reached", Kind::Throttled),
            ("MessagingEntity exceeds its size quota", Kind::Throttled),
            ("", Kind::Throttled),
            ("Ip has been prevented to connect to the endpoint", Kind::Unauthorized),
            ("Unauthorized access. 'Manage' claim(s) are required", Kind::Unauthorized),
        ] {
            let status = hyper::StatusCode::FORBIDDEN;
            let answer = Answer { status, headers: Default::default(), body: Default::default() };
            assert_eq!(http_refused("asking", &answer, detail).kind(), kind, "{detail}");
        }
    }

    #[test]
    fn texts_are_cut_before_a_signature_and_at_a_length() {
        for text in
            ["no: SharedAccessSignature sr=x&sig=hunter2", "no sig=hunter2", "no Bearer hunter2"]
        {
            assert!(!presentable(text).contains("hunter2"), "{text}");
        }
        assert!(presentable(&"é".repeat(5_000)).len() <= MAX_TEXT_BYTES);
    }
}
