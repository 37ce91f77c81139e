//! What is to be reached.

use super::groups::RATIO;
use super::target::Limit::{AtLeast, AtMost};
use super::target::{Limit, Target};

/// The groups of the bench `ratios` that are about hits, and those in which two threads read.
const HITS: &[&str] = &["hit/arc/hot", "hit/arc/uniform", "hit/u64/hot", "hit/u64/uniform"];
const HITS_2: &[&str] =
    &["hit/arc/hot/2", "hit/arc/uniform/2", "hit/u64/hot/2", "hit/u64/uniform/2"];

/// All of them. One more is one more line.
pub(crate) const TARGETS: [Target; 22] = [
    hit("hit, plain entry, 1 thread, to `quick_cache`", AtMost(1.25), "plain", "quick_cache"),
    hit_2("hit, plain entry, 2 threads, to `quick_cache`", AtMost(1.25), "plain", "quick_cache"),
    hit(
        "hit with `strict_suspend`, 1 thread, to `quick_cache`",
        AtMost(2.0),
        "strict_suspend",
        "quick_cache",
    ),
    hit_2(
        "hit with `strict_suspend`, 2 threads, to `quick_cache`",
        AtMost(2.0),
        "strict_suspend",
        "quick_cache",
    ),
    hit("moka's hit, to ours, 1 thread", AtLeast(5.0), "moka", "plain"),
    hit_2("moka's hit, to ours, 2 threads", AtLeast(5.0), "moka", "plain"),
    hit(
        "hit with time to live and 2 tags, to `quick_cache`",
        AtMost(2.0),
        "time to live and 2 tags",
        "quick_cache",
    ),
    hit("`get_or_load` that hits, to `get`", AtMost(1.5), "get_or_load", "plain"),
    Target {
        measure: "hits a second while 100,000 other keys a second are invalidated, to quiet",
        limit: AtLeast(0.8),
        unit: RATIO,
        bench: "hit",
        groups: &["hit/arc/stream/1"],
        // Of times: the quiet one is the shorter.
        subject: "quiet",
        to: Some("invalidations_100k"),
    },
    Target {
        measure: "invalidating a tag of 1,000,000 entries, to one of 1",
        limit: AtMost(1.2),
        unit: RATIO,
        bench: "ratios",
        groups: &["tag"],
        subject: "tag of 1,000,000 entries",
        to: Some("tag of 1 entry"),
    },
    Target {
        measure: "decoding and applying a received key, batches of 100, to removing it from `quick_cache`",
        limit: AtMost(3.0),
        unit: RATIO,
        bench: "applying",
        groups: &[
            "applying/u64/present",
            "applying/u64/absent",
            "applying/arc/present",
            "applying/arc/absent",
        ],
        subject: "decode and apply",
        to: Some("quick_cache"),
    },
    memory(
        "memory of an entry without tags, beyond `quick_cache`",
        AtMost(40.0),
        &["footprint/entry"],
        "unstale - quick_cache",
    ),
    memory(
        "memory of a tag of an entry that has one",
        AtMost(24.0),
        &["footprint/tag of an entry"],
        "each of 1",
    ),
    memory(
        "memory of a tag of an entry that has two",
        AtMost(24.0),
        &["footprint/tag of an entry"],
        "each of 2",
    ),
    memory(
        "memory of a tag of an entry that has eight",
        AtMost(24.0),
        &["footprint/tag of an entry"],
        "each of 8",
    ),
    latency(
        "Redis invalidation latency, node to node, to raw, p50",
        AtMost(1.15),
        "node to node p50",
        "raw redis-rs p50",
    ),
    latency(
        "Redis invalidation latency, node to node, to raw, p99",
        AtMost(1.5),
        "node to node p99",
        "raw redis-rs p99",
    ),
    flood(
        "keys/s to 8 nodes over Redis, to one awaited `PUBLISH` per key",
        AtLeast(100.0),
        "ours / a PUBLISH each",
    ),
    flood(
        "keys/s to 8 nodes over Redis, to raw `PUBLISH`es of batches of that size",
        AtLeast(0.8),
        "ours / batches of that size",
    ),
    idle("idle node on Redis, `Within(500 ms)`: round trips", AtMost(10.0), "round trips", "1/s"),
    idle("idle node on Redis: processor", AtMost(0.2), "processor, node", "% of a core"),
    idle(
        "idle node on Redis: frames that are no beacons",
        AtMost(0.0),
        "broadcast frames but beacons",
        "frames",
    ),
];

const fn hit(
    measure: &'static str,
    limit: Limit,
    subject: &'static str,
    to: &'static str,
) -> Target {
    Target { measure, limit, unit: RATIO, bench: "ratios", groups: HITS, subject, to: Some(to) }
}

const fn hit_2(
    measure: &'static str,
    limit: Limit,
    subject: &'static str,
    to: &'static str,
) -> Target {
    Target { measure, limit, unit: RATIO, bench: "ratios", groups: HITS_2, subject, to: Some(to) }
}

const fn memory(
    measure: &'static str,
    limit: Limit,
    groups: &'static [&'static str],
    subject: &'static str,
) -> Target {
    Target { measure, limit, unit: "bytes", bench: "footprint", groups, subject, to: None }
}

const fn latency(
    measure: &'static str,
    limit: Limit,
    subject: &'static str,
    to: &'static str,
) -> Target {
    let groups = &["redis latency, 1", "redis latency, 8"];
    Target { measure, limit, unit: RATIO, bench: "transport", groups, subject, to: Some(to) }
}

const fn flood(measure: &'static str, limit: Limit, subject: &'static str) -> Target {
    let groups = &["redis throughput, 8 nodes"];
    Target { measure, limit, unit: RATIO, bench: "transport", groups, subject, to: None }
}

const fn idle(
    measure: &'static str,
    limit: Limit,
    subject: &'static str,
    unit: &'static str,
) -> Target {
    let groups = &["idle node, Within(500 ms)"];
    Target { measure, limit, unit, bench: "transport", groups, subject, to: None }
}

/// A target that a test holds: what is counted, in every run of the tests.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) measure: &'static str,
    pub(crate) limit: &'static str,
    /// The command that runs the test.
    pub(crate) by: &'static str,
    pub(crate) file: &'static str,
}

pub(crate) const HELD: [Held; 2] = [
    Held {
        measure: "1,000 simulated nodes, one reconnecting: `Sync` and `Synced` frames",
        limit: "≤ 5",
        by: "cargo test --release -p unstale-sim --test crowd",
        file: "crates/sim/tests/crowd/main.rs",
    },
    Held {
        measure: "1,000 simulated nodes reconnecting at once: `Sync` and `Synced` frames",
        limit: "≤ 1,100",
        by: "cargo test --release -p unstale-sim --test crowd",
        file: "crates/sim/tests/crowd/main.rs",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::benches::BENCHES;
    use crate::shell::workspace;

    #[test]
    fn targets_are_about_benchmarks_that_there_are() {
        for target in &TARGETS {
            let is_there = BENCHES.iter().any(|bench| bench.name == target.bench);
            assert!(is_there && !target.groups.is_empty(), "{}", target.measure);
        }
    }

    #[test]
    fn targets_are_held_by_tests_that_there_are() {
        for held in &HELD {
            assert!(workspace().join(held.file).exists(), "{}", held.file);
        }
    }
}
