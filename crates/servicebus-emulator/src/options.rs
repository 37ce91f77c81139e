//! How an emulator is made.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_rustls::rustls;

use crate::Clock;

/// How an emulator is made. [`Options::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Options {
    /// Shared access policies. Default: one named `RootManageSharedAccessKey` with all rights on the
    /// namespace and the key `SAS_KEY_VALUE`, as Microsoft's own emulator has it.
    pub policies: Vec<Policy>,
    /// Bearer tokens (of Entra ID, in reality) that are accepted. Default: none.
    pub bearer_tokens: Vec<BearerToken>,
    /// What time it is.
    pub clock: Clock,
    /// What identifiers and lock tokens are derived from. Default: 1.
    pub seed: u64,
    /// If given, connections may begin with a TLS handshake. Default: none.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Upper bounds.
    pub quotas: Quotas,
    /// A connection from which nothing came for this long is cut; clients are asked for a sign of life twice as
    /// often. Default: 4 minutes, as in Azure.
    pub idle_timeout: Duration,
}

impl Options {
    /// The defaults, on this clock.
    pub fn new(clock: Clock) -> Self {
        Self {
            policies: vec![Policy::root()],
            bearer_tokens: Vec::new(),
            clock,
            seed: 1,
            tls: None,
            quotas: Quotas::default(),
            idle_timeout: Duration::from_secs(240),
        }
    }
}

/// A shared access policy: a name and a key that tokens are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name (`skn` in a token).
    pub name: String,
    /// The key: its text, not what it may be the base64 of.
    pub key: String,
    /// What holders may do.
    pub rights: Rights,
    /// Where they may do it.
    pub scope: Scope,
}

impl Policy {
    /// The policy of the defaults: everything, everywhere.
    pub fn root() -> Self {
        Self {
            name: "RootManageSharedAccessKey".to_owned(),
            key: "SAS_KEY_VALUE".to_owned(),
            rights: Rights::MANAGE,
            scope: Scope::Namespace,
        }
    }
}

/// A bearer token that is accepted as it is; nothing in it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BearerToken {
    /// The token's text.
    pub token: String,
    /// What holders may do.
    pub rights: Rights,
    /// Where they may do it.
    pub scope: Scope,
    /// From when on it is refused.
    pub expires_at: SystemTime,
}

/// What one may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Send to topics.
    pub send: bool,
    /// Receive from subscriptions.
    pub listen: bool,
    /// Create, change and delete entities.
    pub manage: bool,
}

impl Rights {
    /// Only to send.
    pub const SEND: Self = Self { send: true, listen: false, manage: false };
    /// Only to receive.
    pub const LISTEN: Self = Self { send: false, listen: true, manage: false };
    /// All: in Azure too, the right to manage includes the others.
    pub const MANAGE: Self = Self { send: true, listen: true, manage: true };

    /// Whether everything in `other` is in here.
    pub(crate) fn include(self, other: Self) -> bool {
        (self.send || !other.send)
            && (self.listen || !other.listen)
            && (self.manage || !other.manage)
    }
}

/// Where a policy holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    Namespace,
    /// On one topic and its subscriptions.
    Topic(String),
}

/// Upper bounds, and what happens at them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Of one message, encoded. A larger one detaches the sender. Default: 256 KiB, as in Azure's standard tier.
    pub message_bytes: usize,
    /// Of one batch. Default: the same as for a message.
    pub batch_bytes: usize,
    /// Messages waiting in one subscription. A full one makes sends to the topic fail. Default: 1,000,000.
    pub subscription_messages: usize,
    /// Bytes waiting in one topic, over all its subscriptions, if the topic is not created with
    /// less (`MaxSizeInMegabytes`). Default: 1 GiB.
    pub topic_bytes: usize,
    /// Dead letters kept in one subscription; older ones are forgotten. Default: 1,000.
    pub dead_letters: usize,
    /// Topics in the namespace. Default: 10,000.
    pub topics: usize,
    /// Subscriptions of one topic. Default: 2,000, as in Azure.
    pub subscriptions: usize,
    /// Rules of one subscription. Default: 2,000, as in Azure.
    pub rules: usize,
    /// Connections at once; another one is closed at once. Default: 5,000, as in Azure.
    pub connections: usize,
    /// Links on one connection. Default: 1,000.
    pub links: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            message_bytes: 256 * 1024,
            batch_bytes: 256 * 1024,
            subscription_messages: 1_000_000,
            topic_bytes: 1 << 30,
            dead_letters: 1_000,
            topics: 10_000,
            subscriptions: 2_000,
            rules: 2_000,
            connections: 5_000,
            links: 1_000,
        }
    }
}
