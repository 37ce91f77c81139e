//! The emulator, as its clients see it.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic, and run on tokio's clock"
)]

mod amqp;
mod client;
mod faults;
mod hostile;
mod lifetimes;
mod management;
mod raw;
mod runtime;
mod settlement;
mod simulation;
mod web;
