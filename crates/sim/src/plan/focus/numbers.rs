//! Losses that numbers show.

use super::{Focus, Kind, Scene};
use crate::plan::Topology;
use crate::plan::faults::FaultKind;

pub(super) const ALL: &[Focus] = &[
    Focus { name: "unrepaired", shape: as_it_is, script: unrepaired, kind: Kind::Rough },
    Focus { name: "unrepaired-and-cut", shape: as_it_is, script: and_cut, kind: Kind::Rough },
    Focus { name: "told-by-others", shape: as_it_is, script: told_by_others, kind: Kind::Rough },
    Focus { name: "new-origin", shape: as_it_is, script: new_origin, kind: Kind::Rough },
    Focus { name: "new-in-replay", shape: as_it_is, script: new_in_replay, kind: Kind::Rough },
    Focus { name: "many-holes", shape: few_ranges, script: many_holes, kind: Kind::Rough },
    Focus { name: "dies-after-sync", shape: as_it_is, script: dies_after_sync, kind: Kind::Rough },
    Focus { name: "silent-tail", shape: as_it_is, script: silent_tail, kind: Kind::Orderly },
];

fn as_it_is(_: &mut Topology) {}

fn few_ranges(topology: &mut Topology) {
    topology.tiny_tables = true;
    topology.latency_max_us = 600;
}

/// All but the origin lose frames, and the origin does not hear what they ask.
fn lose_for_good(scene: &mut Scene<'_>) -> (usize, Vec<usize>) {
    let origin = scene.node(0);
    let deaf = scene.others(&[origin]);
    let rows = scene.rows(3);
    for row in &rows {
        // What is loaded here is newer than the last proof.
        scene.write(0, origin, *row);
        deaf.iter().for_each(|node| scene.read(10, *node, *row));
        scene.write(20, origin, *row);
    }
    scene.lose_to(18, &deaf, 2);
    scene.write(38, origin, 11);
    scene.fault(44, FaultKind::PartitionOneway { node: origin, to_broker: false, for_ms: 1_250 });
    (origin, deaf)
}

/// What is missing stays missing until all that it may concern is dropped.
fn unrepaired(scene: &mut Scene<'_>) {
    lose_for_good(scene);
}

/// The subscription ends before that.
fn and_cut(scene: &mut Scene<'_>) {
    let (_, deaf) = lose_for_good(scene);
    let after_ms = scene.rng.u64(150..400);
    scene.cut(after_ms, &deaf[..1]);
}

/// The first word of a lost frame comes from the beacon of somebody else.
fn told_by_others(scene: &mut Scene<'_>) {
    let (origin, deaf, other) = (scene.node(0), scene.node(1), scene.node(2));
    scene.write(0, other, 11);
    let row = scene.rows(1)[0];
    scene.lose_to(231, &[deaf], 1);
    scene.write(232, origin, row);
}

/// A process begins, and somebody loses the first that it says.
fn new_origin(scene: &mut Scene<'_>) {
    let (origin, deaf) = (scene.node(0), scene.node(1));
    let rows = scene.rows(2);
    scene.crash(0, origin, 50);
    scene.lose_to(98, &[deaf], 2);
    scene.write(100, origin, rows[0]);
    scene.write(107, origin, rows[1]);
    scene.write(130, origin, 11);
}

/// The first that somebody loses is before its mark, and the second comes in a replay.
fn new_in_replay(scene: &mut Scene<'_>) {
    let (origin, deaf, other) = (scene.node(0), scene.node(1), scene.node(2));
    let rows = scene.rows(2);
    scene.crash(0, origin, 50);
    scene.lose_to(98, &[deaf], 1);
    scene.write(100, origin, rows[0]);
    scene.write(112, other, 11);
    scene.cut(122, &[deaf]);
    scene.write(126, origin, rows[1]);
}

/// More numbers are missing, with met ones between, than are kept apart.
fn many_holes(scene: &mut Scene<'_>) {
    let (origin, deaf) = (scene.node(0), scene.node(1));
    scene.fault(0, FaultKind::PartitionOneway { node: deaf, to_broker: true, for_ms: 300 });
    for (place, row) in (0..).zip(scene.rows(6)) {
        let after_ms = 10 + 12 * place;
        scene.lose_to(after_ms, &[deaf], 1);
        scene.write(after_ms + 1, origin, row);
        scene.write(after_ms + 6, origin, 11);
    }
}

/// The others learn of a lost frame from its origin's `Sync`, and from nobody else.
fn dies_after_sync(scene: &mut Scene<'_>) {
    let origin = scene.node(0);
    let others = scene.others(&[origin]);
    let row = scene.rows(1)[0];
    scene.lose_to(0, &others, 1);
    scene.write(1, origin, row);
    scene.cut(8, &[origin]);
    let after_ms = scene.rng.u64(110..220);
    scene.crash(after_ms, origin, 3_000);
}

/// The last frame of a node is lost, and it has nothing more to say.
fn silent_tail(scene: &mut Scene<'_>) {
    let (origin, deaf) = (scene.node(0), scene.node(1));
    let row = scene.rows(1)[0];
    scene.lose_to(0, &[deaf], 1);
    scene.write(1, origin, row);
}
