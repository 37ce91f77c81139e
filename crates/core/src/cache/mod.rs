//! The local caches of a node.

mod builder;
mod cells;
mod context;
pub(crate) mod domain;
mod engine;
mod entry;
mod error;
mod events;
mod fill;
mod flights;
mod guard;
mod handle;
mod hit_rule;
pub(crate) mod key;
mod load;
mod loaded;
mod many;
mod permits;
mod read;
mod settings;
mod settle;
mod stats;
mod store;
pub(crate) mod uplink;
mod waits;

#[cfg(all(test, feature = "model"))]
mod model;
#[cfg(test)]
mod testing;
#[cfg(all(test, not(feature = "model")))]
mod tests;

pub use builder::CacheBuilder;
pub use context::{LoadContext, without_dependencies, without_dependencies_sync};
pub use error::{ConfigError, LoadError, LoadErrorKind};
pub use events::{Cause, Event, EventStream};
pub use fill::Fill;
pub use guard::InvalidateGuard;
pub use handle::{Cache, Lookup};
pub use loaded::Loaded;
pub use stats::Stats;
pub use store::{CacheKey, CacheValue};
