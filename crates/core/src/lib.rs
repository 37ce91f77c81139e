//! Coherent in-memory caches for many server instances.

mod cache;
mod freshness;
mod node_id;
mod receipt;
pub mod runtime;
mod shim;
mod target;
mod time;
pub mod transport;

pub use freshness::Freshness;
pub use node_id::NodeId;
pub use receipt::{NotPublished, Receipt};
pub use runtime::{Runtime, TokioRuntime};
pub use time::Timestamp;
pub use transport::Transport;
