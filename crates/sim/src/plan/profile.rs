//! What kind of run is wanted.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How rough the weather is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// No faults: for figures of speed and latency.
    Calm,
    /// Each seed draws which kinds of fault exist, and how often they strike.
    #[default]
    Swarm,
    /// At most 15 s, many faults at a time, and known bad sequences of them.
    Storm,
    /// One group of nodes after the other is cut off, for a minute.
    Rolling,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Calm, Self::Swarm, Self::Storm, Self::Rolling];
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calm => "calm",
            Self::Swarm => "swarm",
            Self::Storm => "storm",
            Self::Rolling => "rolling",
        })
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.to_string() == text)
            .ok_or_else(|| format!("no such profile: {text}; calm, swarm, storm or rolling"))
    }
}

/// What reads demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// `Freshness::Within`.
    Within {
        /// The bound.
        ms: u64,
    },
    /// `Freshness::Eventual`, without a cap.
    Eventual,
    /// What usual libraries do: each change is broadcast, and deleted where it arrives. No numbers, fences or fill
    /// guard. Known to the discrete-event tier only.
    Naive,
}

impl Mode {
    /// The bound, if there is one.
    pub fn within(self) -> Option<Duration> {
        match self {
            Self::Within { ms } => Some(Duration::from_millis(ms)),
            Self::Eventual | Self::Naive => None,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within { ms } => write!(f, "Within({ms} ms)"),
            Self::Eventual => f.write_str("Eventual"),
            Self::Naive => f.write_str("naive"),
        }
    }
}

/// What plans are drawn for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// How rough the weather is.
    pub profile: Profile,
    /// How many nodes; a few by default.
    pub nodes: Option<usize>,
    /// The length of a run; the profile's own by default.
    pub duration: Option<Duration>,
    /// What reads demand; drawn by default.
    pub mode: Option<Mode>,
    /// Whether the transport has fences of its own; drawn by default.
    pub native_fences: Option<bool>,
    /// The name of a sequence of faults that everything else makes room for.
    pub focus: Option<&'static str>,
    /// Whether the broker keeps subscriptions, which can vanish and be shared.
    pub kept_subscriptions: bool,
}
