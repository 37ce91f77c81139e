//! What a node tells of its own condition.

use std::fmt;

use crate::time::Timestamp;
use crate::transport::{TransportError, TransportErrorKind};

/// The condition of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Subscribed and synced, and proofs come in time: hits are served without limit.
    Live,
    /// Never been live yet. Values are served for the freshness bound from the start of their load.
    Starting,
    /// Subscribed, but something is not proven: see [`Status::reason`]. Hits are served until the bound.
    Suspect,
    /// No subscription. Hits are served until the bound, then everything is read through.
    Disconnected,
}

/// The condition of a node, since when, and why.
///
/// As text it is one line for an operator.
///
/// ```
/// use unstale::{Node, State};
/// use unstale_memory::Hub;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), unstale::ConfigError> {
/// let hub = Hub::new();
/// hub.set_down(true);
/// let node = Node::builder("shop").transport(hub.transport()).build()?;
/// let mut changes = node.status_stream();
/// assert_eq!(node.status().state, State::Starting);
///
/// hub.set_down(false);
/// while let Some(status) = changes.next().await {
///     println!("{status}"); // "Starting: connecting for the first time", …
///     if status.state == State::Live {
///         break;
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The condition.
    pub state: State,
    /// When the condition became this, in the node's own time.
    pub since: Timestamp,
    /// Why it is not live, or no longer quite.
    pub reason: Option<Reason>,
    /// What an operator should know beside that, also while live.
    pub warnings: Vec<Warning>,
}

/// Why a node is not live.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The first subscription is being opened.
    Connecting,
    /// Asking the other nodes for what was missed.
    Synchronizing,
    /// A frame is known to exist and was not met.
    Gap,
    /// A frame that cannot be read may have named anything.
    Unreadable,
    /// The last fence has not returned for long.
    FenceLate,
    /// The subscription failed or ended with this error.
    Transport {
        /// What went wrong.
        kind: TransportErrorKind,
        /// In words; never contains a secret.
        message: String,
    },
    /// What we publish does not come back on our subscription: the two reach different servers.
    SplitPath,
    /// A fence did not return in time.
    FenceTimeout,
    /// Another node has another number of lanes: nothing is served from the cache.
    LaneMismatch {
        /// Lanes of this node.
        ours: u16,
        /// Lanes of the other.
        theirs: u16,
    },
    /// The node was shut down.
    ShutDown,
}

/// What an operator should know.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Warning {
    /// Publishing fails: invalidations wait in the outbox.
    Publishing(String),
    /// Frames are signed with a key that this node does not have; each costs a clear.
    UnknownKey(u16),
    /// Frames arrive whose code is wrong under a key that this node has. They are ignored.
    BadSignature,
    /// Unsigned frames arrive. They are ignored.
    UnsignedFrames,
    /// Frames of this newer protocol version arrive; each costs a clear.
    NewerVersion(u8),
    /// Another node names keys of this cache in another shape; each costs a clear of it.
    SchemaMismatch(String),
    /// Another process used this node's identity; a new one was taken.
    ClonedIdentity,
    /// The broker refused a frame for good; everything was cleared in its place.
    FrameRejected(String),
}

impl Reason {
    pub(crate) fn of(error: &TransportError) -> Self {
        Self::Transport { kind: error.kind(), message: error.to_string() }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.state)?;
        if let Some(reason) = &self.reason {
            write!(f, ": {reason}")?;
        }
        self.warnings.iter().try_for_each(|warning| write!(f, "; {warning}"))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting for the first time"),
            Self::Synchronizing => f.write_str("asking the other nodes for what was missed"),
            Self::Gap => f.write_str("a frame is missing and has been asked for"),
            Self::Unreadable => f.write_str("a frame could not be read; a clear is due"),
            Self::FenceLate => f.write_str("the last fence has not returned for long"),
            Self::Transport { kind, message } => {
                f.write_str(message)?;
                match kind {
                    TransportErrorKind::Unauthorized => {
                        f.write_str(" (wrong credentials: check user and password)")
                    }
                    TransportErrorKind::Demoted => {
                        f.write_str(" (demoted primary: another server orders the channel now)")
                    }
                    _ => Ok(()),
                }
            }
            Self::SplitPath => f.write_str(
                "publishing and subscribing reach different servers: \
                 what was published did not come back",
            ),
            Self::FenceTimeout => f.write_str("the broker did not answer a fence in time"),
            Self::LaneMismatch { ours, theirs } => write!(
                f,
                "lane mismatch: this node has {ours} lanes and another {theirs}; \
                 give all nodes of the namespace the same number"
            ),
            Self::ShutDown => f.write_str("shut down"),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publishing(message) => write!(f, "publishing fails: {message}"),
            Self::UnknownKey(id) => write!(
                f,
                "frames are signed with key id {id}, which this node does not know: \
                 add it with `also_verify`"
            ),
            Self::BadSignature => f.write_str("frames with a wrong signature are ignored"),
            Self::UnsignedFrames => f.write_str("unsigned frames are ignored"),
            Self::NewerVersion(version) => {
                write!(f, "frames of protocol version {version} arrive: update this node")
            }
            Self::SchemaMismatch(cache) => {
                write!(f, "schema mismatch: another node has another key type for cache `{cache}`")
            }
            Self::ClonedIdentity => {
                f.write_str("another process used this node's identity: was it forked or restored?")
            }
            Self::FrameRejected(message) => write!(f, "the broker refused a frame: {message}"),
        }
    }
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// What a node has counted since it started. All of them only grow.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: u64,)*
        }

        impl Counters {
            /// Every counter with its name.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }

            /// Every counter as a metric: name, description, value.
            #[cfg(feature = "metrics")]
            pub(crate) fn metrics(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((
                    concat!("unstale_", stringify!($name), "_total"),
                    concat!($($doc),+).trim_ascii(),
                    self.$name,
                ),)*]
            }

            /// The sums of two sets.
            pub fn plus(self, other: Self) -> Self {
                Self { $($name: self.$name.saturating_add(other.$name),)* }
            }
        }
    };
}

counters! {
    /// Frames met in the stream, own echoes included.
    frames_received,
    /// Targets applied for other nodes.
    targets_received,
    /// Frames skipped, since they had been met.
    duplicates,
    /// Numbered frames that the broker accepted from this node.
    frames_published,
    /// Targets in the numbered frames that the broker accepted from this node.
    targets_published,
    /// Beacons that the broker accepted from this node.
    beacons_published,
    /// Control frames published: syncs, answers, requests, replies, and fences where they are frames.
    control_published,
    /// Publishes that failed or timed out.
    publish_failures,
    /// Times that the outbox overflowed and its targets became coarser.
    outbox_collapses,
    /// Subscriptions that were confirmed.
    subscriptions,
    /// Attempts to subscribe that failed, and subscriptions that ended.
    subscription_failures,
    /// Fences that returned.
    fences,
    /// Syncs that ended with the answer of a witness: nothing was dropped.
    syncs_witnessed,
    /// Syncs that ended with another node's baseline: everything older was dropped.
    syncs_adopted,
    /// Syncs that nobody answered: everything older was dropped.
    syncs_alone,
    /// Answers given to the syncs of other nodes.
    answers,
    /// Frames taken from answers and replies that had not been met.
    replayed,
    /// Gaps noticed.
    gaps,
    /// Gaps that no replay closed in time: everything older was dropped.
    gaps_dropped,
    /// Requests sent for missing frames.
    requests,
    /// Frames that could not be read.
    unreadable,
    /// Drops because of frames that could not be read.
    unreadable_clears,
    /// Frames ignored because they are none of ours: garbage, another namespace.
    ignored,
    /// Frames ignored because their code was wrong or missing.
    unauthenticated,
    /// Times that the node took a new identity.
    new_identities,
    /// Times that everything was dropped after the start, for whatever reason.
    clears,
    /// Entries of other nodes' slices ignored because the vector was full.
    origins_ignored,
}
