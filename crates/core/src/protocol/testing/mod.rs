//! Several replicas over one totally ordered broker, in simulated time, for the property tests.
//!
//! Everything that happens is an event at a point in time; nothing is random but the delays, which come from
//! one seed. [`oracle`] knows every commit and every completed invalidation.

mod broker;
mod model_cache;
mod oracle;
mod world;

pub(super) use world::{Op, Tuning, World};
