//! What can go wrong.

use serde::{Deserialize, Serialize};

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When it begins.
    pub at_ms: u64,
    /// What it is.
    #[serde(flatten)]
    pub kind: FaultKind,
}

impl Fault {
    /// When it is over.
    pub fn ends_ms(&self) -> u64 {
        self.at_ms + self.kind.lasts_ms()
    }
}

/// What goes wrong. Where it lasts, it ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum FaultKind {
    /// Nodes and broker hear nothing of each other, and nobody gets an error.
    Partition {
        /// Which nodes.
        nodes: Vec<usize>,
        /// For how long.
        for_ms: u64,
    },
    /// Only one direction is cut.
    PartitionOneway {
        /// Which node.
        node: usize,
        /// Whether what the node sends is lost; else what it should receive.
        to_broker: bool,
        /// For how long.
        for_ms: u64,
    },
    /// Messages wait and are all delivered afterwards.
    Hold {
        /// Which node.
        node: usize,
        /// For how long.
        for_ms: u64,
    },
    /// Messages take longer.
    Delay {
        /// Which node.
        node: usize,
        /// How long each takes.
        latency_ms: u64,
        /// For how long.
        for_ms: u64,
    },
    /// Every message takes a time of its own, to and from everybody.
    Jitter {
        /// The longest.
        most_ms: u64,
        /// For how long.
        for_ms: u64,
    },
    /// The broker closes a node's connections.
    Cut {
        /// Which nodes.
        nodes: Vec<usize>,
    },
    /// The broker's process ends, forgets who was subscribed, and comes back as somebody else.
    BrokerRestart {
        /// How long it is away.
        for_ms: u64,
    },
    /// The broker's process stands still, and goes on as it was.
    BrokerStall {
        /// For how long.
        for_ms: u64,
    },
    /// Another server takes over. What the first one accepted last reached nobody, and it is gone.
    Failover {
        /// How many accepted frames are lost.
        lost: u32,
    },
    /// The primary becomes a replica of another server, and connections to it live on.
    Demotion,
    /// Messages to one node are lost, and its subscription lives on.
    LoseTo {
        /// Which node.
        node: usize,
        /// How many.
        frames: u32,
    },
    /// The broker confirms publishes and delivers them to nobody.
    LoseAccepted {
        /// How many.
        frames: u32,
    },
    /// The next publishes of a node are answered by a closed connection.
    Ambiguous {
        /// Which node.
        node: usize,
        /// How many.
        frames: u32,
        /// When they are accepted after all: at once, later, or never.
        accepted_after_ms: Option<u64>,
    },
    /// The broker closes a node's publishing connection, and the subscription lives on.
    CutPublishing {
        /// Which node.
        node: usize,
    },
    /// The next publishes of a node are refused for good.
    Reject {
        /// Which node.
        node: usize,
        /// How many.
        frames: u32,
    },
    /// What others answer to a node's question after what it missed is lost on its way.
    LoseAnswers {
        /// Which node.
        node: usize,
        /// For how long.
        for_ms: u64,
    },
    /// A publish that was accepted is accepted again.
    Duplicate {
        /// The how-manieth last.
        back: usize,
    },
    /// A node's subscription is not read, so that the broker's buffer for it fills up.
    SlowSubscriber {
        /// Which node.
        node: usize,
        /// For how long.
        for_ms: u64,
    },
    /// A node's process is killed, and started again.
    Crash {
        /// Which node.
        node: usize,
        /// How long it is away.
        for_ms: u64,
    },
    /// A node is started again as the twin of another: it draws the same identity.
    Clone {
        /// Which node.
        node: usize,
        /// Whose twin it becomes.
        of: usize,
    },
    /// A node's process stands still.
    Pause {
        /// Which node.
        node: usize,
        /// For how long.
        for_ms: u64,
    },
    /// A node's machine is suspended: its process stands still, and so does one of its clocks.
    Suspend {
        /// Which node.
        node: usize,
        /// For how long.
        for_ms: u64,
    },
    /// Bytes that are no frame of ours are published.
    Garbage {
        /// How many bytes.
        bytes: usize,
    },
    /// A foreign publisher changes a row and says so in a version of the protocol that nobody here can read.
    NewerVersion {
        /// Which row.
        key: u64,
    },
    /// A foreign publisher changes a row and says so without a name of its own.
    Anonymous {
        /// Which row.
        key: u64,
    },
    /// A node with another number of lanes says so.
    OtherLanes,
    /// The broker refuses everybody's credentials, and closes all connections once.
    WrongCredentials {
        /// For how long.
        for_ms: u64,
    },
    /// A node's subscription, which the broker keeps, is deleted under it.
    SubscriptionExpiry {
        /// Which node.
        node: usize,
    },
    /// Somebody else reads a node's subscription, too, and takes a part of its messages.
    SharedSubscription {
        /// Which node.
        node: usize,
        /// For how long.
        for_ms: u64,
    },
    /// The data source is slow.
    SlowSource {
        /// What a load takes.
        latency_ms: u64,
        /// For how long.
        for_ms: u64,
    },
    /// Every load fails.
    FailingSource {
        /// For how long.
        for_ms: u64,
    },
    /// A node changes many rows at once.
    Burst {
        /// Which node.
        node: usize,
        /// How many.
        writes: u32,
    },
}

macro_rules! names {
    ($($variant:ident => $name:literal,)*) => {
        impl FaultKind {
            /// The names of all kinds.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// Its name, as plans write it.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)*
                }
            }
        }
    };
}

names! {
    Partition => "partition",
    PartitionOneway => "partition-oneway",
    Hold => "hold",
    Delay => "delay",
    Jitter => "jitter",
    Cut => "cut",
    BrokerRestart => "broker-restart",
    BrokerStall => "broker-stall",
    Failover => "failover",
    Demotion => "demotion",
    LoseTo => "lose-to",
    LoseAccepted => "lose-accepted",
    Ambiguous => "ambiguous",
    Duplicate => "duplicate",
    SlowSubscriber => "slow-subscriber",
    Crash => "crash",
    Clone => "clone",
    Pause => "pause",
    Suspend => "suspend",
    Garbage => "garbage",
    NewerVersion => "newer-version",
    Anonymous => "anonymous",
    WrongCredentials => "wrong-credentials",
    SlowSource => "slow-source",
    FailingSource => "failing-source",
    Burst => "burst",
    CutPublishing => "cut-publishing",
    Reject => "reject",
    LoseAnswers => "lose-answers",
    OtherLanes => "other-lanes",
    SubscriptionExpiry => "subscription-expiry",
    SharedSubscription => "shared-subscription",
}

/// The kinds that strike only a broker which keeps subscriptions.
pub(super) const OF_KEPT_SUBSCRIPTIONS: &[&str] = &["subscription-expiry", "shared-subscription"];

impl FaultKind {
    /// How long it lasts; zero for what happens at a moment.
    pub fn lasts_ms(&self) -> u64 {
        match self {
            Self::Partition { for_ms, .. }
            | Self::PartitionOneway { for_ms, .. }
            | Self::Hold { for_ms, .. }
            | Self::Delay { for_ms, .. }
            | Self::Jitter { for_ms, .. }
            | Self::BrokerRestart { for_ms }
            | Self::BrokerStall { for_ms }
            | Self::SlowSubscriber { for_ms, .. }
            | Self::LoseAnswers { for_ms, .. }
            | Self::SharedSubscription { for_ms, .. }
            | Self::Crash { for_ms, .. }
            | Self::Pause { for_ms, .. }
            | Self::Suspend { for_ms, .. }
            | Self::WrongCredentials { for_ms }
            | Self::SlowSource { for_ms, .. }
            | Self::FailingSource { for_ms } => *for_ms,
            Self::Ambiguous { accepted_after_ms, .. } => accepted_after_ms.unwrap_or(0),
            _ => 0,
        }
    }

    /// The nodes that it concerns; none if it concerns all.
    pub fn nodes(&self) -> Vec<usize> {
        match self {
            Self::Partition { nodes, .. } | Self::Cut { nodes } => nodes.clone(),
            Self::PartitionOneway { node, .. }
            | Self::Hold { node, .. }
            | Self::Delay { node, .. }
            | Self::LoseTo { node, .. }
            | Self::Ambiguous { node, .. }
            | Self::CutPublishing { node }
            | Self::Reject { node, .. }
            | Self::LoseAnswers { node, .. }
            | Self::SubscriptionExpiry { node }
            | Self::SharedSubscription { node, .. }
            | Self::SlowSubscriber { node, .. }
            | Self::Crash { node, .. }
            | Self::Clone { node, .. }
            | Self::Pause { node, .. }
            | Self::Suspend { node, .. }
            | Self::Burst { node, .. } => vec![*node],
            _ => Vec::new(),
        }
    }

    /// How many drops a node may take because of it, in a healthy implementation.
    pub fn clears_allowed(&self) -> u64 {
        match self {
            Self::Jitter { .. }
            | Self::Duplicate { .. }
            | Self::Garbage { .. }
            | Self::Anonymous { .. }
            | Self::SlowSource { .. }
            | Self::FailingSource { .. } => 0,
            _ => 2,
        }
    }
}
