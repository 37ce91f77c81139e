//! What must cost little.

use super::{Focus, Kind, Scene};
use crate::plan::Topology;
use crate::plan::faults::FaultKind;

pub(super) const ALL: &[Focus] = &[
    Focus { name: "short-cuts", shape: as_it_is, script: short_cuts, kind: Kind::Orderly },
    Focus { name: "one-witness", shape: two, script: one_witness, kind: Kind::Orderly },
    Focus {
        name: "cut-in-silence",
        shape: as_it_is,
        script: in_silence,
        kind: Kind::OrderlySilent,
    },
    Focus { name: "own-frame-lost", shape: bounded, script: own_frame_lost, kind: Kind::Orderly },
];

fn as_it_is(_: &mut Topology) {}

fn two(topology: &mut Topology) {
    topology.nodes = 2;
}

fn bounded(topology: &mut Topology) {
    topology.mode = crate::plan::Mode::Within { ms: 500 };
}

/// A node is cut and misses something; another loses a frame; and a third changes a lot. Then all of it is accepted
/// again, also what the first had said on its last subscription.
fn short_cuts(scene: &mut Scene<'_>) {
    let (cut, deaf, writer) = (scene.node(0), scene.node(1), scene.node(2));
    let rows = scene.rows(3);
    scene.write(0, cut, 11);
    scene.cut(12, &[cut]);
    scene.write(17, writer, rows[0]);
    scene.lose_to(300, &[deaf], 1);
    scene.write(301, writer, rows[1]);
    scene.write(320, writer, rows[2]);
    for key in 0..10 {
        scene.write(500 + 9 * key, writer, key);
    }
    // As many back each time: one after the other, since each is a last frame itself then.
    for place in 0..45 {
        scene.fault(620 + place, FaultKind::Duplicate { back: 44 });
    }
}

/// There is one witness, and the mark is a frame of its own.
fn one_witness(scene: &mut Scene<'_>) {
    let (cut, witness) = (scene.node(0), scene.node(1));
    let rows = scene.rows(2);
    scene.write(0, witness, rows[0]);
    scene.cut(20, &[cut]);
    scene.write(24, witness, rows[1]);
}

/// Nobody has said anything but that it is there.
fn in_silence(scene: &mut Scene<'_>) {
    let cut = scene.node(0);
    scene.cut(0, &[cut]);
}

/// The broker confirms a frame, and delivers it to nobody.
fn own_frame_lost(scene: &mut Scene<'_>) {
    let origin = scene.node(0);
    let row = scene.rows(1)[0];
    scene.fault(0, FaultKind::LoseAccepted { frames: 1 });
    scene.write(1, origin, row);
}
