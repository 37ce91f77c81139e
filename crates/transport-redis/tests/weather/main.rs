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

// The same for every transport.
#[path = "../../../../tests/weather/oracle.rs"]
mod oracle;
#[path = "../../../../tests/weather/table.rs"]
mod table;
#[path = "../../../../tests/weather/workload.rs"]
mod workload;
#[path = "../../../../tests/weather/world.rs"]
mod world;

mod frames;
mod redis_nodes;

mod broker;
mod failover;
mod foreign;
mod garbage;
mod network;
mod process;
mod teeth;
mod unreachable;
