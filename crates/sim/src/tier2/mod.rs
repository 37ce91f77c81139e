//! Scale: the same state machine and the same caches as in a real node, over a discrete-event network.

mod broker;
mod naive;
mod network;
mod node;
mod queue;
mod strike;
mod work;
mod world;

pub(crate) use node::{SECRET, limits, state_name};
pub(crate) use world::{LAST_MS, run};
