//! Another server orders the channel, and not everybody knows.

use super::{Focus, Kind, Scene};
use crate::plan::faults::FaultKind;
use crate::plan::{Mode, Topology};

pub(super) const ALL: &[Focus] = &[
    Focus { name: "mark-of-a-replica", shape: patient, script: mark, kind: Kind::Rough },
    Focus {
        name: "witness-on-a-replica",
        shape: patient,
        script: witness,
        kind: Kind::RoughSilent,
    },
    Focus { name: "on-a-replica", shape: native, script: on_a_replica, kind: Kind::Rough },
    Focus { name: "demoted-and-back", shape: native, script: and_back, kind: Kind::Rough },
];

fn native(topology: &mut Topology) {
    topology.native_fences = true;
}

/// Fences come so seldom that nobody learns from them.
fn patient(topology: &mut Topology) {
    topology.native_fences = true;
    topology.mode = Mode::Eventual;
}

/// Who stays where the replica is missed the first that its successor said, and heard the rest.
fn mark(scene: &mut Scene<'_>) {
    let (asker, writer) = (scene.node(0), scene.node(1));
    let others = scene.others(&[asker]);
    scene.fault(0, FaultKind::Demotion);
    scene.cut(1, &others);
    for row in scene.rows(2) {
        scene.anonymous(130, row);
    }
    scene.write(300, writer, 11);
    scene.cut(330, &[asker]);
}

/// Who stays where the replica is heard the mark of somebody, not what came after it, and then the question.
fn witness(scene: &mut Scene<'_>) {
    let (asker, witness, writer) = (scene.node(0), scene.node(1), scene.node(2));
    let others = scene.others(&[witness]);
    scene.fault(0, FaultKind::Demotion);
    scene.cut(1, &others);
    scene.fault(10, FaultKind::CutPublishing { node: witness });
    scene.write(1_150, writer, 11);
    scene.cut(1_160, &[asker]);
    scene.hold(1_163, asker, 170);
    for row in scene.rows(2) {
        scene.anonymous(1_205, row);
    }
    let at_the_primary = scene.others(&[asker, witness]);
    scene.pause(1_210, &at_the_primary, 400);
}

/// Who stays where the replica is asks it for fences.
fn on_a_replica(scene: &mut Scene<'_>) {
    let writer = scene.node(0);
    scene.fault(0, FaultKind::Demotion);
    scene.cut(1, &[writer]);
    for (place, row) in (0..).zip(scene.rows(3)) {
        scene.write(90 + 20 * place, writer, row);
    }
}

/// The old primary is the primary again before anybody has looked.
fn and_back(scene: &mut Scene<'_>) {
    on_a_replica(scene);
    let after_ms = scene.rng.u64(160..200);
    scene.fault(after_ms, FaultKind::Demotion);
}
