//! A deterministic simulation of [`unstale`]. To put a transport of your own into it, see [`Scenario`].

mod app;
mod attempt;
pub mod cli;
mod clock;
mod frames;
mod history;
mod measure;
mod mutants;
mod oracle;
pub mod plan;
mod pool;
pub mod redis;
pub mod report;
mod rng;
mod run;
mod scenario;
mod shrink;
mod tier1;
mod tier2;
mod tiers;
mod value;

pub use oracle::Violation;
pub use plan::Profile;
pub use scenario::{BoxError, Failure, HostContext, Scenario, Workload};
/// The simulated network: transports and brokers for a [`Scenario`] use this one, so that versions match.
pub use turmoil;
