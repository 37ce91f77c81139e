//! The protocol, without any I/O.
//!
//! A [`Replica`] is a deterministic state machine: it takes what happened and the current time, and gives back
//! what to do. It has no clock, no randomness but a seeded generator, no tasks and no network, so that
//! the same code runs under a driver, in the property tests, and in a simulation of thousands of nodes.
//!
//! | file | what |
//! | --- | --- |
//! | `wire/` | frames to bytes and back, authentication |
//! | `replica.rs` | the state machine: inputs, outputs, deadlines, status |
//! | `receiving.rs` | what each frame does |
//! | `publishing.rs`, `publisher.rs`, `outbox.rs` | sealing, resending, echoes, beacons |
//! | `repair.rs`, `syncing.rs`, `answering.rs` | the mark rule, gaps, requests and replays |
//! | `turns.rs` | who speaks for all |
//! | `log.rs`, `vector.rs`, `ranges.rs` | what was met, and what is known to exist |
//! | `fences.rs` | proofs |
//! | `config.rs` | times and limits |
//! | `status.rs`, `condition.rs` | what a node tells of itself: state, reason, warnings, counters |

mod answering;
mod condition;
mod config;
mod fences;
mod log;
mod outbox;
mod publisher;
mod publishing;
mod ranges;
mod receiving;
mod repair;
mod replica;
mod status;
mod syncing;
mod turns;
mod vector;
mod wire;

#[cfg(test)]
mod replica_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub(crate) use config::{Config, fence_interval, fence_timeout};
pub(crate) use outbox::{Limits, Outbox};
pub(crate) use publisher::PublishId;
pub(crate) use replica::{Output, Replica};
pub use status::{Counters, Reason, State, Status, Warning};
#[cfg(feature = "simulation")]
pub(crate) use wire::Ignored;
#[cfg(any(test, feature = "simulation"))]
pub(crate) use wire::Received;
#[cfg(fuzzing)]
pub use wire::decode_for_fuzzing;
pub use wire::{Authentication, KeyId};
#[cfg(test)]
pub(crate) use wire::{Body, Codec};

/// The largest body of a frame of targets: one that still fits into a replay of one frame.
fn max_targets_bytes(codec: &wire::Codec, max_frame_bytes: usize) -> usize {
    max_frame_bytes.saturating_sub(2 * codec.overhead() + 64)
}

impl Config {
    /// An outbox whose targets fit into frames.
    pub(crate) fn outbox(&self) -> Outbox {
        let codec = wire::Codec::new(self.namespace.clone(), self.authentication.clone());
        Outbox::new(Limits {
            targets: self.max_outbox_targets,
            bytes: self.max_outbox_bytes,
            target_bytes: max_targets_bytes(&codec, self.max_frame_bytes),
        })
    }
}
