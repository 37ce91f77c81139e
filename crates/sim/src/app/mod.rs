//! The simulated application, as far as it is the same in all tiers.

mod caches;
mod source;
mod watcher;

pub(crate) use caches::Caches;
pub(crate) use source::Source;
pub(crate) use watcher::{SharedHistory, Watcher, lock};
