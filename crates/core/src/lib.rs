//! Coherent in-memory caches for many server instances.

mod cache;
mod node_id;
mod protocol;
mod receipt;
pub mod runtime;
mod shim;
mod target;
mod time;
pub mod transport;

pub use node_id::NodeId;
pub use protocol::{Authentication, KeyId};
pub use receipt::{NotPublished, Receipt};
pub use runtime::{Runtime, TokioRuntime};
pub use time::Timestamp;
pub use transport::Transport;
