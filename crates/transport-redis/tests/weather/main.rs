//! Bad weather on the real Redis: what must hold while the broker and the network fail, and afterwards.
//!
//! Every case: nodes with warm caches over one table with versions, a writer that changes rows through one
//! node, readers on all, and an oracle that knows every commit and every completed invalidation.
#![expect(clippy::disallowed_methods, reason = "these tests run on real servers in real time")]
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "a test program: its modules share what they need"
)]

#[path = "../support/mod.rs"]
mod support;

mod frames;
mod oracle;
mod table;
mod workload;
mod world;

mod broker;
mod failover;
mod foreign;
mod garbage;
mod network;
mod process;
mod teeth;
mod unreachable;
