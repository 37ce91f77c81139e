//! Coherent in-memory caches for many server instances.
//!
//! Every instance keeps hot data in its own memory. When one of them changes a row, it says so over a
//! publish/subscribe broker, and every other one drops its copy. A [`Node`] takes part in that, its [`Cache`]s
//! hold the data, and a [`Transport`] carries the frames: `unstale-redis` over Redis, `unstale-memory` inside
//! one process.
//!
//! ```
//! use std::io;
//! use std::sync::Arc;
//!
//! use unstale::{Cache, Node, State};
//! use unstale_memory::Hub;
//!
//! # async fn query(_id: u64) -> Result<Arc<str>, io::Error> { Ok("mug".into()) }
//! # async fn update(_id: u64, _name: &str) -> Result<(), io::Error> { Ok(()) }
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::new();
//! let node = Node::builder("shop").transport(hub.transport()).build()?;
//! let products: Cache<u64, Arc<str>> = node.cache("products").build()?;
//! // Nobody has to wait for this: but what was loaded before the node is live may be loaded once more.
//! node.status_stream().reaches(State::Live).await;
//!
//! // Loaded once, however many ask at the same time; then from memory.
//! let product = products.get_or_load(&7, |_| query(7)).await?;
//! assert_eq!(products.get(&7), Some(product));
//!
//! // First commit, then invalidate.
//! update(7, "cup").await?;
//! let receipt = products.invalidate(&7);
//! assert_eq!(products.get(&7), None); // here at once
//! receipt.published().await?; // the broker has it: the other nodes hear of it
//! # Ok(())
//! # }
//! ```
//!
//! # How stale a read can be
//! With [`Freshness::Within`]`(d)`, the default with five seconds, no read returns a value that was superseded
//! by an invalidation completed more than `d` before it began; also while the broker is away, the network
//! partitioned, or the process suspended. A node proves to itself, some times within `d`, that it has heard
//! everything; where it cannot, it reads through to the source. So the broker may be away when a node starts,
//! and may go away later: the node then works as a cache with a time to live of `d`, and recovers by itself.
//! [`Node::status`] says how it is.
//!
//! # What keeps old values out
//! There is no way to insert a value just so: between reading it from the source and storing it, it may have
//! been invalidated. [`Cache::get_or_load`] and [`Cache::begin_fill`] note the moment *before* the source is
//! read, and store nothing that was invalidated since. What a loader reads from other caches of the node
//! becomes a dependency of what it loads; further ones are [tags](LoadContext::tag).
//!
//! What is promised exactly, and what is not, stands in `docs/guarantees.md` of the repository; the bytes on
//! the wire in `docs/wire-format.md`.
//!
//! # Features
//! - `metrics`: counters and gauges through the `metrics` facade.
//! - `conformance`: the suite that every transport must pass, for the tests of transports.

mod cache;
#[cfg(feature = "conformance")]
pub mod conformance;
mod freshness;
#[cfg(not(unstale_mutants))]
mod mutation;
#[cfg(unstale_mutants)]
#[doc(hidden)]
pub mod mutation;
mod node;
mod node_id;
mod protocol;
mod receipt;
pub mod runtime;
mod shim;
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub mod simulation;
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
