//! Coherent in-memory caches for many server instances.

mod cache;
#[cfg(feature = "conformance")]
pub mod conformance;
mod freshness;
mod node;
mod node_id;
mod protocol;
mod receipt;
pub mod runtime;
mod shim;
mod target;
mod time;
pub mod transport;

pub use cache::{
    Cache, CacheBuilder, CacheKey, CacheValue, Cause, ConfigError, Event, EventStream, Fill,
    InvalidateGuard, LoadContext, LoadError, LoadErrorKind, Loaded, Lookup, Stats,
    without_dependencies, without_dependencies_sync,
};
pub use freshness::Freshness;
pub use node::{Node, NodeBuilder, ShutdownError, StatusStream};
pub use node_id::NodeId;
pub use protocol::{Authentication, Counters, KeyId, Reason, State, Status, Warning};
pub use receipt::{NotPublished, Receipt};
pub use runtime::{Runtime, TokioRuntime};
pub use time::Timestamp;
pub use transport::Transport;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use protocol::decode_for_fuzzing;
