//! What the suite needs to know about a transport, and what it wants to do to the broker.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::runtime::Runtime;
use crate::transport::Transport;

/// Makes transports for the suite, and hurts their broker.
///
/// The two required methods are enough to run; every hook that a harness adds runs more cases. A hook that
/// cannot do its work panics.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Where time-outs and background tasks of the suite run.
    fn runtime(&self) -> Arc<dyn Runtime>;

    /// A new transport, with its own connections, on the channel of this number. Equal numbers are one
    /// channel, different ones different channels, and nobody else uses any of them.
    async fn transport(&self, channel: u32) -> Arc<dyn Transport>;

    /// How long one wait may take before it counts as "never". A case may take 30 times that.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// Texts that no error may show: the passwords, keys and tokens of the transports handed out.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    /// Cuts the connections of all open subscriptions; the broker stays up.
    async fn break_subscriptions(&self) -> Hook {
        Hook::NotSupported
    }

    /// Restarts the broker, which forgets who was subscribed. Returns when it can be reached again, or soon
    /// will be.
    async fn restart_broker(&self) -> Hook {
        Hook::NotSupported
    }

    /// Takes the broker away so that everyone notices: connections end, new ones are refused.
    async fn begin_outage(&self) -> Hook {
        Hook::NotSupported
    }

    /// Ends what [`begin_outage`](Self::begin_outage) began; called only if that was done.
    async fn end_outage(&self) {}

    /// Publishes bytes on a channel by the broker's own means, like a program that knows nothing of
    /// `unstale`.
    async fn publish_foreign(&self, channel: u32, frame: Bytes) -> Hook {
        let _ = (channel, frame);
        Hook::NotSupported
    }

    /// How many subscriptions the broker holds open on a channel, where it tells.
    async fn subscriptions(&self, channel: u32) -> Option<usize> {
        let _ = channel;
        None
    }

    /// A transport that cannot work, with its secrets in [`secrets`](Self::secrets): a wrong password, a
    /// host that nobody listens on. Called with 0, 1, … until it returns `None`.
    async fn misconfigured(&self, variant: usize) -> Option<Arc<dyn Transport>> {
        let _ = variant;
        None
    }
}

/// Whether a harness could do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// It did.
    Done,
    /// This transport or broker has no such thing; the case is skipped.
    NotSupported,
}
