//! What the network costs: latency and throughput over Redis and in memory, each beside the raw client in the same
//! run, and what a node costs while nothing happens.
//!
//! Not with criterion: what is measured are single passages between parties, and floods. All subjects take turns, a few
//! hundred passages each, so that all of them meet the same weather.
//!
//! An entry is watched by the events of its cache: the reader's task sleeps until the node tells it, as the raw
//! subscriber's sleeps until its message is there. Nobody polls.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement, in real time")]

#[path = "transport/idle.rs"]
mod idle;
#[path = "transport/latency.rs"]
mod latency;
#[path = "transport/memory.rs"]
mod memory;
#[path = "transport/nodes.rs"]
mod nodes;
#[path = "transport/raw.rs"]
mod raw;
#[path = "transport/throughput.rs"]
mod throughput;

use unstale_benches::{RedisServer, Report, is_quick};

/// How much is measured: by default, and with `--quick`.
#[derive(Clone, Copy)]
struct Size {
    /// Turns of each subject.
    rounds: usize,
    /// Passages in a turn.
    passages: usize,
    /// Keys of a flood.
    keys: u64,
    idle_s: u64,
}

fn main() -> Result<(), String> {
    let size = if is_quick() {
        Size { rounds: 5, passages: 100, keys: 50_000, idle_s: 5 }
    } else {
        Size { rounds: 20, passages: 250, keys: 200_000, idle_s: 30 }
    };
    let server = RedisServer::start()?;
    let mut report = Report::new("transport");
    // First of all: nothing else is alive in this process.
    idle::run(&mut report, &server, size);
    for count in [1, 8] {
        latency::run(&mut report, &server, count, size);
        memory::run(&mut report, count, size);
    }
    throughput::run(&mut report, &server, size);
    report.write();
    Ok(())
}
