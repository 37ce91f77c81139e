//! What goes wrong with a publish, and twins.

use super::{Focus, Kind, Scene};
use crate::plan::faults::FaultKind;
use crate::plan::{Means, Topology};

pub(super) const ALL: &[Focus] = &[
    Focus { name: "sealed-twice", shape: as_it_is, script: sealed_twice, kind: Kind::Rough },
    Focus { name: "rejected", shape: as_it_is, script: rejected, kind: Kind::Rough },
    Focus { name: "outbox-overflows", shape: tiny, script: outbox_overflows, kind: Kind::Rough },
    Focus { name: "tags-overflow", shape: tiny, script: tags_overflow, kind: Kind::Rough },
    Focus { name: "equal-twins", shape: as_it_is, script: equal_twins, kind: Kind::Rough },
    Focus { name: "twins", shape: as_it_is, script: twins, kind: Kind::Rough },
];

fn as_it_is(_: &mut Topology) {}

fn tiny(topology: &mut Topology) {
    topology.tiny_tables = true;
}

/// While a frame waits to be sent again, more is queued.
fn sealed_twice(scene: &mut Scene<'_>) {
    let origin = scene.node(0);
    let rows = scene.rows(2);
    scene.fault(0, FaultKind::Ambiguous { node: origin, frames: 1, accepted_after_ms: None });
    scene.write(1, origin, rows[0]);
    scene.write(8, origin, rows[1]);
}

/// The broker never takes this frame.
fn rejected(scene: &mut Scene<'_>) {
    let origin = scene.node(0);
    let row = scene.rows(1)[0];
    scene.fault(0, FaultKind::Reject { node: origin, frames: 1 });
    scene.write(1, origin, row);
}

/// More is queued than an outbox holds.
fn outbox_overflows(scene: &mut Scene<'_>) {
    queue(scene, Means::Key);
}

/// The same with tags, which caches that are named otherwise share.
fn tags_overflow(scene: &mut Scene<'_>) {
    queue(scene, Means::KeyAndTag);
}

fn queue(scene: &mut Scene<'_>, by: Means) {
    let origin = scene.node(0);
    scene.hold(0, origin, 300);
    for key in 0..11 {
        scene.write_by(10 + 4 * key, origin, key, by);
    }
}

/// Two processes of one identity say the same under the same number, the second before it hears the first.
fn equal_twins(scene: &mut Scene<'_>) {
    let second = scene.node(1);
    scene.fault(16, FaultKind::Delay { node: second, latency_ms: 60, for_ms: 700 });
    speak_as_twins(scene, 0);
}

/// Two processes of one identity say different things under the same number, and the second does not hear the first.
fn twins(scene: &mut Scene<'_>) {
    let second = scene.node(1);
    scene.lose_to(42, &[second], 1);
    speak_as_twins(scene, 6);
}

fn speak_as_twins(scene: &mut Scene<'_>, apart: u64) {
    let (first, second) = (scene.node(0), scene.node(1));
    let listeners = scene.others(&[first, second]);
    let key = scene.number;
    scene.crash(0, first, 1);
    scene.fault(4, FaultKind::Clone { node: second, of: first });
    scene.write(44, first, key);
    listeners.iter().for_each(|node| scene.read(51, *node, key));
    scene.write(57, second, key + apart);
}
