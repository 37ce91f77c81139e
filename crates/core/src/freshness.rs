//! How old an answer may be.

use std::time::Duration;

use crate::cache::ConfigError;
use crate::time::saturating_nanos;

/// How stale a read may be; set for a node, overridable for a cache.
///
/// ```
/// use std::time::Duration;
/// use unstale::{Cache, Freshness, Node};
/// use unstale_memory::Hub;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), unstale::ConfigError> {
/// let node = Node::builder("shop")
///     .transport(Hub::new().transport())
///     .freshness(Freshness::Within(Duration::from_secs(2)))
///     .build()?;
/// // Texts may be old while the broker is away, but not for ever.
/// let cap = Some(Duration::from_secs(3600));
/// let texts: Cache<u64, String> =
///     node.cache("texts").freshness(Freshness::Eventual { cap }).build()?;
/// # let _ = texts;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// No read returns a value that was superseded by an invalidation completed more than this long before
    /// the read began. Where the node cannot prove it, it reads through.
    Within(Duration),
    /// Serve what is cached, and converge as soon as the broker can be reached.
    Eventual {
        /// While disconnected, serve a value for at most this long after the node noticed that the
        /// connection is gone or after its load began, whichever is later. `None`: for ever.
        ///
        /// A connection that breaks is noticed at once; one that dies silently when a fence is late, up to
        /// 20 s later.
        cap: Option<Duration>,
    },
}

impl Freshness {
    /// `Within` five seconds: short enough that nobody notices in a shop or a content site, long enough
    /// that a slow fence, or a short cut that others witness, costs no reads of the source.
    pub const DEFAULT: Self = Self::Within(Duration::from_secs(5));

    /// Whether a node can work with this.
    pub(crate) fn validate(self) -> Result<(), ConfigError> {
        match self.duration() {
            Some(value) if value.is_zero() => Err(ConfigError::ZeroFreshness { value }),
            _ => Ok(()),
        }
    }

    /// Whatever duration it has; zero would serve nothing.
    pub(crate) fn duration(self) -> Option<Duration> {
        match self {
            Self::Within(within) => Some(within),
            Self::Eventual { cap } => cap,
        }
    }

    /// The duration of [`Within`](Self::Within).
    pub(crate) fn within(self) -> Option<Duration> {
        match self {
            Self::Within(within) => Some(within),
            Self::Eventual { .. } => None,
        }
    }
}

impl Default for Freshness {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a read demands of an entry: both durations in nanoseconds, `u64::MAX` for no demand.
///
/// The demands of nested reads combine to the strictest of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Since the later of horizon and as-of.
    pub(crate) within_ns: u64,
    /// Since the later of the last moment of connection and as-of.
    pub(crate) cap_ns: u64,
}

impl Demand {
    pub(crate) fn new(freshness: Freshness) -> Self {
        let none = u64::MAX;
        match freshness {
            Freshness::Within(within) => Self { within_ns: saturating_nanos(within), cap_ns: none },
            Freshness::Eventual { cap } => {
                Self { within_ns: none, cap_ns: cap.map_or(none, saturating_nanos) }
            }
        }
    }

    /// Whether a clock that is some milliseconds ahead would take too much of it.
    #[inline]
    pub(crate) fn is_short(self) -> bool {
        const SHORT_NS: u64 = 20_000_000;
        self.within_ns < SHORT_NS || self.cap_ns < SHORT_NS
    }

    /// The strictest of both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            within_ns: self.within_ns.min(other.within_ns),
            cap_ns: self.cap_ns.min(other.cap_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demands_combine_to_the_strictest() {
        let within = Demand::new(Freshness::Within(Duration::from_nanos(7)));
        let capped = Demand::new(Freshness::Eventual { cap: Some(Duration::from_nanos(3)) });
        let eventual = Demand::new(Freshness::Eventual { cap: None });
        assert_eq!(eventual.and(within), within);
        assert_eq!(capped.and(within), Demand { within_ns: 7, cap_ns: 3 });
    }
}
