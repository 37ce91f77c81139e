//! The protocol, without any I/O.

mod wire;

pub use wire::{Authentication, KeyId, decode_for_fuzzing};
mod config;
mod log;
mod outbox;
mod ranges;
mod vector;
