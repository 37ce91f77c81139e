//! What happens around a load.

use super::{Focus, Kind, Scene};
use crate::plan::Topology;

pub(super) const ALL: &[Focus] = &[
    Focus { name: "overtaken", shape: slow_source, script: overtaken, kind: Kind::Rough },
    Focus { name: "joiners", shape: slow_source, script: joiners, kind: Kind::Rough },
    Focus { name: "schemas", shape: schemas, script: changes, kind: Kind::Rough },
];

fn slow_source(topology: &mut Topology) {
    topology.source_max_us = 60_000;
    topology.mode = crate::plan::Mode::Within { ms: 1_000 };
}

fn schemas(topology: &mut Topology) {
    topology.mixed_schemas = true;
}

/// A load begins before a change that nobody hears of, and ends after one that began later.
fn overtaken(scene: &mut Scene<'_>) {
    let (node, writer) = (scene.node(0), scene.node(1));
    scene.hold(0, node, 450);
    for (place, row) in (0..).zip(scene.rows(6)) {
        let after_ms = 20 + 30 * place;
        scene.write(after_ms, node, row);
        scene.write(after_ms + 30, writer, row);
        for read in 0..40 {
            scene.read(after_ms + 2 + 3 * read, node, row);
        }
    }
}

/// Many wait for a load, and the row is changed meanwhile.
fn joiners(scene: &mut Scene<'_>) {
    let node = scene.node(0);
    for (place, row) in (0..).zip(scene.rows(6)) {
        let after_ms = 20 + 60 * place;
        for change in 0..4 {
            scene.write(after_ms + 35 * change, node, row);
        }
        for read in 0..80 {
            scene.read(after_ms + 2 * read, node, row);
        }
    }
}

/// Everybody changes something.
fn changes(scene: &mut Scene<'_>) {
    for (place, key) in (0..).zip(0..12) {
        let node = scene.node(place as usize);
        scene.write(20 + 30 * place, node, key);
    }
}
