//! The in-process transport of [`unstale`]: a broker that lives in the memory of one process.
//!
//! It is the reference for what a transport does, small enough to be read in one sitting, and it carries
//! tests and programs that run several nodes in one process.
//!
//! - [`Hub`] is the broker, [`MemoryTransport`] the way to one of its channels. Neither spawns a task nor
//!   reads a clock, so both run on any executor.
//! - [`fault`] does to any transport what networks and brokers do, when a test says so.
//!
//! # Example
//! ```
//! use bytes::Bytes;
//! use unstale::Transport;
//! use unstale::transport::{Item, SubscriptionExt};
//! use unstale_memory::Hub;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), unstale::transport::TransportError> {
//! let hub = Hub::new();
//! let mut subscription = hub.transport().subscribe().await?;
//! hub.transport().publish(Bytes::from_static(b"a frame")).await?;
//! assert_eq!(subscription.next().await?, Item::Frame(Bytes::from_static(b"a frame")));
//! # Ok(())
//! # }
//! ```

mod broker;
pub mod fault;
mod hub;
mod queue;
mod transport;

pub use hub::{Hub, HubBuilder};
pub use transport::MemoryTransport;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, also after a panic of another holder: every critical section of this crate leaves its
/// data valid at each step, so a poisoned lock says nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
