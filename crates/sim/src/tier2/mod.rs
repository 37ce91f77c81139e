//! Scale: the same state machine and the same caches as in a real node, over a discrete-event network.

mod broker;
mod brokering;
mod clockwork;
mod deliveries;
mod looking;
mod naive;
mod network;
mod node;
mod queue;
mod requests;
mod stream;
mod strike;
mod travel;
mod work;
mod world;

pub(crate) use node::{SECRET, SHORT_WINDOW, limits, state_name};
pub(crate) use world::run;
