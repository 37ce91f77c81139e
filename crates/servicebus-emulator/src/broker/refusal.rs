//! Why something is not done.

use std::fmt;

/// Why the broker does not do something: an AMQP condition, and a sentence. In HTTP it becomes a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The condition, such as `amqp:not-found`.
    pub condition: String,
    /// What it is about, for people.
    pub description: String,
}

impl Refusal {
    /// A refusal with this condition.
    pub fn new(condition: impl Into<String>, description: impl Into<String>) -> Self {
        Self { condition: condition.into(), description: description.into() }
    }

    pub(crate) fn not_found(what: &str) -> Self {
        let text = format!("The messaging entity '{what}' could not be found.");
        Self::new("amqp:not-found", text)
    }

    pub(crate) fn exists(what: &str) -> Self {
        let text = format!("SubCode=40900. Conflict: the entity '{what}' already exists.");
        Self::new("com.microsoft:entity-already-exists", text)
    }

    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::new("com.microsoft:argument-error", text)
    }

    pub(crate) fn busy() -> Self {
        let text = "The request was terminated because the namespace is being throttled.";
        Self::new("com.microsoft:server-busy", text)
    }

    pub(crate) fn quota(text: impl Into<String>) -> Self {
        Self::new("amqp:resource-limit-exceeded", text)
    }

    pub(crate) fn lock_lost() -> Self {
        let text =
            "The lock supplied is invalid. Either the lock expired, or the message was removed.";
        Self::new("com.microsoft:message-lock-lost", text)
    }

    pub(crate) fn unauthorized(text: impl Into<String>) -> Self {
        Self::new("amqp:unauthorized-access", text)
    }

    pub(crate) fn too_large(size: usize, limit: usize) -> Self {
        let text =
            format!("The received message (size:{size} bytes) exceeds the limit ({limit} bytes).");
        Self::new("amqp:link:message-size-exceeded", text)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.condition, self.description)
    }
}

impl std::error::Error for Refusal {}
