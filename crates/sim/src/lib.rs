//! A deterministic simulation of [`unstale`].

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
mod shrink;
mod tier1;
mod tier2;
mod tiers;
mod value;

pub use oracle::Violation;
