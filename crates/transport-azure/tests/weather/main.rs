//! Bad weather over the emulator of Service Bus: what must hold while service and network fail, and afterwards.
//!
//! Every case: nodes with warm caches over one table with versions, a writer that changes rows through one
//! node, readers on all, and an oracle that knows every commit and every completed invalidation.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "these tests run on real sockets in real time, and may panic"
)]
#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
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

mod links;
mod process;
mod service;
mod subscriptions;
