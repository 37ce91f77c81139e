//! Clocks, fences, and what is believed for some time.

use super::{Focus, Kind, Scene};
use crate::plan::faults::FaultKind;
use crate::plan::{Mode, Topology};

pub(super) const ALL: &[Focus] = &[
    Focus { name: "fences-of-others", shape: frame_fences, script: fences, kind: Kind::Rough },
    Focus { name: "unreadable", shape: as_it_is, script: unreadable, kind: Kind::Rough },
    Focus { name: "other-lanes", shape: short, script: other_lanes, kind: Kind::Rough },
    Focus { name: "lanes-apart", shape: two_lanes, script: lanes_apart, kind: Kind::Rough },
    Focus { name: "the-dead", shape: short, script: the_dead, kind: Kind::Rough },
    Focus { name: "suspended-and-cut-off", shape: half, script: suspended, kind: Kind::Rough },
    Focus { name: "silent-network", shape: capped, script: silent_network, kind: Kind::Rough },
];

fn as_it_is(_: &mut Topology) {}

fn frame_fences(topology: &mut Topology) {
    topology.native_fences = false;
}

fn short(topology: &mut Topology) {
    topology.short_memory = true;
}

fn two_lanes(topology: &mut Topology) {
    topology.lanes = 2;
}

fn half(topology: &mut Topology) {
    topology.mode = Mode::Within { ms: 500 };
}

fn capped(topology: &mut Topology) {
    topology.mode = Mode::Within { ms: 500 };
    topology.lasting_cap_ms = Some(100);
}

/// Everybody's fences pass by a node whose own are slow.
fn fences(scene: &mut Scene<'_>) {
    let slow = scene.node(0);
    scene.fault(0, FaultKind::Delay { node: slow, latency_ms: 80, for_ms: 1_000 });
    for place in 0..60 {
        let writer = scene.node(1 + place as usize % 3);
        scene.write(20 + 16 * place, writer, place % 12);
        scene.read(26 + 16 * place, slow, (place + 6) % 12);
    }
}

/// Frames of a newer version follow each other.
fn unreadable(scene: &mut Scene<'_>) {
    for place in 0..8 {
        scene.fault(45 * place, FaultKind::NewerVersion { key: (scene.number + place) % 12 });
        for node in scene.others(&[]) {
            scene.read(45 * place + 20, node, (scene.number + place + 1) % 12);
        }
    }
}

/// Somebody has other lanes, and is gone.
fn other_lanes(scene: &mut Scene<'_>) {
    scene.fault(0, FaultKind::OtherLanes);
    for node in scene.others(&[]) {
        for place in 0..40 {
            scene.read(10 + 12 * place, node, place % 4);
        }
        for key in 4..12 {
            scene.read(1_700 + 5 * key, node, key);
        }
    }
}

/// A node's lanes are cut, and come back one after the other.
fn lanes_apart(scene: &mut Scene<'_>) {
    let (asker, writer) = (scene.node(0), scene.node(1));
    scene.cut(0, &[asker]);
    for key in 0..8 {
        scene.write(4 + 2 * key, writer, key);
    }
}

/// A node is gone for good, and the others have something to say.
fn the_dead(scene: &mut Scene<'_>) {
    let (dead, writer) = (scene.node(0), scene.node(1));
    scene.crash(0, dead, 1_700);
    for place in 0..6 {
        scene.write(200 + 250 * place, writer, 11);
    }
}

/// A machine is suspended while it hears nothing, and goes on for some time after that.
fn suspended(scene: &mut Scene<'_>) {
    let (node, writer) = (scene.node(0), scene.node(1));
    scene.fault(0, FaultKind::Partition { nodes: vec![node], for_ms: 1_500 });
    scene.fault(60, FaultKind::Suspend { node, for_ms: 740 });
    for key in 0..12 {
        scene.write(100 + 4 * key, writer, key);
        for round in 0..5 {
            scene.read(880 + 110 * round + 4 * key, node, key);
        }
    }
}

/// The broker stands still: nothing says that a connection is dead.
fn silent_network(scene: &mut Scene<'_>) {
    let (node, writer) = (scene.node(0), scene.node(1));
    scene.fault(0, FaultKind::Partition { nodes: vec![node], for_ms: 1_600 });
    for key in 0..12 {
        scene.write(60 + 4 * key, writer, key);
        for round in 0..8 {
            scene.read(500 + 130 * round + 4 * key, node, key);
        }
    }
}
