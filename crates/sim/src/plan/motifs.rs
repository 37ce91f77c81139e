//! Short sequences of faults that belong together: each leads to a corner that independent faults rarely find.

use super::Topology;
use super::draw::some_nodes;
use super::faults::{Fault, FaultKind};
use super::profile::Profile;
use crate::rng::stream;

/// A sequence of faults around `at_ms`, on nodes that it draws.
type Motif = fn(&mut fastrand::Rng, &Topology, u64) -> Vec<Fault>;

const MOTIFS: &[(&str, Motif)] = &[
    ("late publish, then a cut", late_then_cut),
    ("all are cut", all_cut),
    ("two are cut one after the other", two_cuts),
    ("a cut before the sync is over", cut_twice),
    ("a last frame is lost, and its origin dies", tail_of_the_dead),
    ("an outbox that overflows", overflow),
    ("anonymous while cut", anonymous_while_cut),
    ("lost and cut", lost_and_cut),
    ("demoted, and nobody tells", demoted),
];

/// Some of them, each at a time of its own.
pub(super) fn draw(profile: Profile, topology: &Topology, heal_ms: u64, seed: u64) -> Vec<Fault> {
    let chance = if profile == Profile::Storm { 0.25 } else { 0.1 };
    let mut faults = Vec::new();
    for (name, motif) in MOTIFS {
        let mut rng = stream(seed, &format!("motif {name}"));
        if rng.f64() < chance {
            for _ in 0..rng.u32(1..=2) {
                let at_ms = rng.u64(1_000..heal_ms - 2_500);
                faults.extend(motif(&mut rng, topology, at_ms));
            }
        }
    }
    faults
}

fn at(at_ms: u64, kind: FaultKind) -> Fault {
    Fault { at_ms, kind }
}

fn cut(at_ms: u64, nodes: Vec<usize>) -> Fault {
    at(at_ms, FaultKind::Cut { nodes })
}

/// The first try at publishing a frame is accepted late, after the second: the mark of somebody who is cut just
/// then must say which of the two is meant.
fn late_then_cut(rng: &mut fastrand::Rng, topology: &Topology, at_ms: u64) -> Vec<Fault> {
    let node = rng.usize(..topology.nodes);
    let after = rng.u64(100..900);
    let frames = rng.u32(1..=2);
    let other = some_nodes(topology.nodes, rng);
    vec![
        at(at_ms, FaultKind::Ambiguous { node, frames, accepted_after_ms: Some(after) }),
        at(at_ms, FaultKind::Burst { node, writes: 2 }),
        cut(at_ms + rng.u64(50..after), other),
        cut(at_ms + after + rng.u64(1..60), some_nodes(topology.nodes, rng)),
    ]
}

/// Nobody can witness.
fn all_cut(rng: &mut fastrand::Rng, topology: &Topology, at_ms: u64) -> Vec<Fault> {
    let all = (0..topology.nodes).collect();
    let node = rng.usize(..topology.nodes);
    vec![at(at_ms, FaultKind::Burst { node, writes: 3 }), cut(at_ms + rng.u64(0..3), all)]
}

/// Two askers with different marks wait for the same answer.
fn two_cuts(rng: &mut fastrand::Rng, topology: &Topology, at_ms: u64) -> Vec<Fault> {
    let first = rng.usize(..topology.nodes);
    let second = (first + 1) % topology.nodes;
    let writer = (first + 2) % topology.nodes;
    let for_ms = rng.u64(60..400);
    vec![
        at(at_ms, FaultKind::Partition { nodes: vec![first], for_ms }),
        at(at_ms + for_ms / 3, FaultKind::Burst { node: writer, writes: 4 }),
        at(at_ms + for_ms / 2, FaultKind::Partition { nodes: vec![second], for_ms: for_ms / 2 }),
        at(at_ms + for_ms * 3 / 4, FaultKind::Burst { node: writer, writes: 4 }),
        cut(at_ms + for_ms, vec![first, second]),
    ]
}

/// A subscription ends before its sync does.
fn cut_twice(rng: &mut fastrand::Rng, topology: &Topology, at_ms: u64) -> Vec<Fault> {
    let node = rng.usize(..topology.nodes);
    let writer = (node + 1) % topology.nodes;
    let mut faults = vec![at(at_ms, FaultKind::Burst { node: writer, writes: 2 })];
    for again in 0..rng.u64(2..5) {
        faults.push(cut(at_ms + again * rng.u64(20..130), vec![node]));
        faults.push(at(
            at_ms + again * 90 + rng.u64(1..60),
            FaultKind::Burst { node: writer, writes: 2 },
        ));
    }
    faults
}

/// Only the vectors of others show that the last frame of a dead node was lost.
fn tail_of_the_dead(rng: &mut fastrand::Rng, topology: &Topology, at_ms: u64) -> Vec<Fault> {
    let origin = rng.usize(..topology.nodes);
    let deaf = (origin + 1) % topology.nodes;
    vec![
        at(at_ms, FaultKind::LoseTo { node: deaf, frames: rng.u32(1..=2) }),
        at(at_ms + 1, FaultKind::Burst { node: origin, writes: 2 }),
        at(at_ms + rng.u64(60..240), FaultKind::Crash { node: origin, for_ms: 1_500 }),
    ]
}

/// More changes than an outbox holds, while the broker is away.
fn overflow(rng: &mut fastrand::Rng, topology: &Topology, at_ms: u64) -> Vec<Fault> {
    let node = rng.usize(..topology.nodes);
    vec![
        at(at_ms, FaultKind::Partition { nodes: vec![node], for_ms: rng.u64(200..900) }),
        at(at_ms + 20, FaultKind::Burst { node, writes: rng.u32(20..120) }),
    ]
}

/// A foreign publisher speaks while somebody is cut off.
fn anonymous_while_cut(rng: &mut fastrand::Rng, topology: &Topology, at_ms: u64) -> Vec<Fault> {
    let node = rng.usize(..topology.nodes);
    let mut faults = vec![cut(at_ms, vec![node])];
    for key in 0..topology.keys.min(4) {
        faults.push(at(at_ms + rng.u64(0..40), FaultKind::Anonymous { key }));
    }
    faults
}

/// A frame is lost silently, and the subscription ends before that has shown.
fn lost_and_cut(rng: &mut fastrand::Rng, topology: &Topology, at_ms: u64) -> Vec<Fault> {
    let node = rng.usize(..topology.nodes);
    let writer = (node + 1) % topology.nodes;
    vec![
        at(at_ms, FaultKind::LoseTo { node, frames: 1 }),
        at(at_ms + 1, FaultKind::Burst { node: writer, writes: 1 }),
        at(at_ms + 40, FaultKind::Burst { node: writer, writes: 1 }),
        cut(at_ms + rng.u64(41..300), vec![node]),
    ]
}

/// The old primary goes on answering while its successor orders the channel.
fn demoted(rng: &mut fastrand::Rng, topology: &Topology, at_ms: u64) -> Vec<Fault> {
    let mut faults = vec![at(at_ms, FaultKind::Demotion)];
    for node in 0..topology.nodes {
        faults.push(at(at_ms + rng.u64(0..300), FaultKind::Burst { node, writes: 1 }));
    }
    faults.push(cut(at_ms + rng.u64(1..400), some_nodes(topology.nodes, rng)));
    faults
}
