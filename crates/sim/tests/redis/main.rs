//! The simulated Redis server, asked by raw bytes, by the `redis` crate, and by the real transport.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a server's tasks and the time-outs of tests are tokio's own, with paused time; a failed unwrap is a \
              failed test"
)]

mod conformance;
mod faults;
mod protocol;
mod redis_crate;
mod replication;
mod support;
mod transport;
mod turmoil_net;
