//! What grows with the number of nodes: real nodes on one Redis, many in this process; and channels spread over a
//! cluster of three primaries beside one server.
//!
//! Arguments that are numbers keep only the fleets of so many nodes.
//!
//! All nodes share this machine with the servers, so a rate says little here; what each side costs for a frame says
//! which rate it can bear on a machine of its own.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement, in real time")]

#[path = "scale/cluster.rs"]
mod cluster;
#[path = "scale/fleet.rs"]
mod fleet;

use unstale_benches::{Report, is_quick};

/// How much is measured: by default, and with `--quick`.
#[derive(Clone, Copy)]
struct Size {
    fleets: &'static [usize],
    idle_s: u64,
    /// Single invalidations, one after the other.
    singles: u64,
    /// Keys of a flood, heard by all nodes of a fleet together.
    heard: u64,
    /// Turns of each subject in the comparison of cluster and server.
    rounds: usize,
    /// Keys of a flood there.
    keys: u64,
}

fn main() -> Result<(), String> {
    let size = if is_quick() {
        let fleets = &[1, 10, 100];
        Size { fleets, idle_s: 5, singles: 100, heard: 500_000, rounds: 3, keys: 50_000 }
    } else {
        let fleets = &[1, 10, 100, 1_000];
        Size { fleets, idle_s: 30, singles: 500, heard: 5_000_000, rounds: 10, keys: 200_000 }
    };
    let mut report = Report::new("scale");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let wanted: Vec<usize> = std::env::args().filter_map(|it| it.parse().ok()).collect();
    for nodes in size.fleets.iter().filter(|nodes| wanted.is_empty() || wanted.contains(nodes)) {
        runtime.block_on(fleet::run(&mut report, *nodes, size))?;
    }
    if wanted.is_empty() {
        runtime.block_on(cluster::run(&mut report, size))?;
    }
    report.write();
    Ok(())
}
