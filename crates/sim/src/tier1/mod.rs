//! Fidelity: real nodes with their drivers, watchdogs and transports, over a simulated network (turmoil).
//!
//! With several nodes on each host it is the third tier, the cross-check between this one and the discrete-event
//! tier.

mod app;
mod brokers;
mod hub;
mod links;
mod machine;
mod own;
mod process;
mod servicebus;
mod strike;
mod transport;
mod universe;
mod world;

pub(crate) use own::{Own, STRUCK};
pub(crate) use world::{Carrier, run};
