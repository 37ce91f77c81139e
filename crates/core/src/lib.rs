//! Coherent in-memory caches for many server instances.

mod cache;
#[cfg(feature = "conformance")]
pub mod conformance;
mod receipt;
pub mod runtime;
mod shim;
mod target;
mod time;
pub mod transport;

pub use receipt::{NotPublished, Receipt};
pub use runtime::{Runtime, TokioRuntime};
pub use time::Timestamp;
pub use transport::Transport;
