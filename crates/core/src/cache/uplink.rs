//! What a cache needs from the node that owns it.

use crate::receipt::Receipt;
use crate::runtime::BoxFuture;
use crate::target::Target;
use crate::time::Timestamp;

/// The way from the caches to the other nodes.
pub(crate) trait Uplink: Send + Sync + 'static {
    /// Queues targets for the other nodes. Never blocks; the caller has already applied them locally.
    fn publish(&self, targets: Vec<Target>) -> Receipt;

    /// Asks for a proof: resolves to `true` once the horizon is at `not_before` or later, and to `false` as
    /// soon as that is not to be expected within the time of a fence (disconnected, unsynced, a gap).
    fn prove(&self, not_before: Timestamp) -> BoxFuture<bool>;
}
