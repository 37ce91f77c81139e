//! Who reconnects asks with a mark, and is told what came after it. What is missed here has no number: nothing but the
//! answer tells of it.

use super::{Focus, Kind, Scene};
use crate::plan::faults::FaultKind;
use crate::plan::{Mode, Topology};

pub(super) const ALL: &[Focus] = &[
    Focus { name: "nobody-knows", shape: as_it_is, script: nobody_knows, kind: Kind::Rough },
    Focus { name: "pages-meanwhile", shape: nested, script: pages_meanwhile, kind: Kind::Rough },
    Focus { name: "lost-while-adopting", shape: as_it_is, script: adopting, kind: Kind::Rough },
    Focus { name: "nobody-listened", shape: as_it_is, script: nobody_listened, kind: Kind::Rough },
    Focus { name: "answer-to-another", shape: as_it_is, script: another, kind: Kind::Rough },
    Focus { name: "cut-before-synced", shape: as_it_is, script: before_synced, kind: Kind::Rough },
    Focus { name: "late-attempt", shape: as_it_is, script: late_attempt, kind: Kind::Rough },
    Focus { name: "two-marks", shape: as_it_is, script: two_marks, kind: Kind::Rough },
    Focus { name: "part-lost", shape: as_it_is, script: part_lost, kind: Kind::Rough },
    Focus { name: "log-overflows", shape: tiny, script: log_overflows, kind: Kind::Rough },
    Focus { name: "log-out-of-order", shape: as_it_is, script: out_of_order, kind: Kind::Rough },
    Focus { name: "equal-anonymous", shape: as_it_is, script: equal_anonymous, kind: Kind::Rough },
];

fn as_it_is(_: &mut Topology) {}

fn tiny(topology: &mut Topology) {
    topology.tiny_tables = true;
}

fn nested(topology: &mut Topology) {
    topology.nested = true;
    topology.mode = Mode::Eventual;
}

/// Only one hears what is said, and it dies.
fn nobody_knows(scene: &mut Scene<'_>) {
    let origin = scene.node(0);
    let others = scene.others(&[origin]);
    scene.cut(0, &others);
    scene.cut(0, &[origin]);
    others.iter().for_each(|node| scene.hold(4, *node, 260));
    for row in scene.rows(3) {
        scene.write(110, origin, row);
    }
    scene.crash(220, origin, 1_300);
}

/// The same, and before it shows that nobody knows, pages are made of what may be stale.
fn pages_meanwhile(scene: &mut Scene<'_>) {
    nobody_knows(scene);
    let origin = scene.node(0);
    for node in scene.others(&[origin]) {
        for key in 0..12 {
            scene.read_page(420 + 40 * key, node, key);
        }
    }
}

/// Nobody knows the mark of somebody who comes late. Between the echo of its `Sync` and the answer something is loaded,
/// changed, and the news of it lost.
fn adopting(scene: &mut Scene<'_>) {
    let (origin, late) = (scene.node(0), scene.node(1));
    let all = scene.others(&[]);
    scene.cut(0, &all);
    scene.hold(4, late, 1_240);
    scene.lose_to(1_288, &[late], 3);
    for (place, row) in (0..).zip(scene.rows(3)) {
        scene.read(1_270 + 2 * place, late, row);
        scene.write(1_292 + 8 * place, origin, row);
    }
}

/// Something is said while nobody listens. All but one reconnect at once, and are asked by that one.
fn nobody_listened(scene: &mut Scene<'_>) {
    let asker = scene.node(0);
    let all = scene.others(&[]);
    scene.cut(0, &all);
    scene.hold(4, asker, 300);
    for row in scene.rows(2) {
        scene.anonymous(10, row);
    }
}

/// A node that is confirmed and has not asked yet hears the answer to somebody else, who missed less.
fn another(scene: &mut Scene<'_>) {
    let (slow, quick) = (scene.node(0), scene.node(1));
    scene.fault(0, FaultKind::Delay { node: slow, latency_ms: 150, for_ms: 900 });
    scene.cut(4, &[slow]);
    for row in scene.rows(3) {
        scene.anonymous(40, row);
    }
    let after_ms = scene.rng.u64(360..460);
    scene.cut(after_ms, &[quick]);
}

/// A subscription ends before it was synced, and frames were met on it.
fn before_synced(scene: &mut Scene<'_>) {
    let (asker, writer) = (scene.node(0), scene.node(1));
    scene.cut(0, &[asker]);
    scene.fault(0, FaultKind::LoseAnswers { node: asker, for_ms: 245 });
    scene.anonymous(8, scene.rows(1)[0]);
    scene.write(150, writer, 11);
    scene.cut(240, &[asker]);
}

/// A frame was accepted twice, and the mark of somebody is the first of the two, where all others know the second.
fn late_attempt(scene: &mut Scene<'_>) {
    let (origin, asker) = (scene.node(0), scene.node(1));
    let accepted_after_ms = Some(500);
    scene.fault(0, FaultKind::Ambiguous { node: origin, frames: 1, accepted_after_ms });
    scene.write(1, origin, 11);
    scene.cut(72, &[asker]);
    scene.hold(76, asker, 480);
    for row in scene.rows(2) {
        scene.anonymous(110, row);
    }
    let others = scene.others(&[asker]);
    scene.cut(150, &others);
}

/// Two ask at a time, and missed differently much. Who could answer stands still until both have asked.
fn two_marks(scene: &mut Scene<'_>) {
    let (less, more) = (scene.node(0), scene.node(1));
    let witnesses = scene.others(&[less, more]);
    scene.cut(0, &[more]);
    scene.anonymous(8, scene.rows(1)[0]);
    scene.write(14, witnesses[0], 11);
    scene.cut(26, &[less]);
    scene.pause(30, &witnesses, 220);
}

/// An answer comes without what it consists of.
fn part_lost(scene: &mut Scene<'_>) {
    let asker = scene.node(0);
    scene.cut(0, &[asker]);
    scene.fault(0, FaultKind::LoseAnswers { node: asker, for_ms: 400 });
    scene.anonymous(8, scene.rows(1)[0]);
}

/// Between the question and the answer the log loses what was asked for.
fn log_overflows(scene: &mut Scene<'_>) {
    let asker = scene.node(0);
    let witnesses = scene.others(&[asker]);
    scene.cut(0, &[asker]);
    scene.anonymous(8, 0);
    scene.pause(20, &witnesses, 300);
    for place in 0..26 {
        // Not the tag of the other row.
        scene.anonymous(200 + place, 10 + place % 2);
    }
}

/// A witness has, behind what was accepted later, what it was itself told of.
fn out_of_order(scene: &mut Scene<'_>) {
    let (told, asker, slow, writer) = (scene.node(0), scene.node(1), scene.node(2), scene.node(3));
    scene.cut(0, &[told]);
    scene.write(3, writer, 11);
    scene.cut(10, &[asker]);
    scene.hold(13, asker, 720);
    scene.pause(14, &[writer], 560);
    scene.fault(14, FaultKind::Delay { node: slow, latency_ms: 80, for_ms: 500 });
    for row in scene.rows(2) {
        scene.anonymous(125, row);
    }
    scene.cut(640, &[slow, writer]);
}

/// Somebody who has no name says the same twice.
fn equal_anonymous(scene: &mut Scene<'_>) {
    let asker = scene.node(0);
    let row = scene.rows(1)[0];
    scene.anonymous(0, row);
    scene.cut(6, &[asker]);
    scene.hold(9, asker, 120);
    scene.anonymous(20, row + 1);
    scene.anonymous(40, row);
}
