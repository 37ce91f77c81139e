//! Subscriptions that a broker keeps: they vanish.

use super::{Focus, Kind, Scene};
use crate::plan::Topology;
use crate::plan::faults::FaultKind;

pub(super) const ALL: &[Focus] =
    &[Focus { name: "subscription-vanishes", shape: native, script: vanishes, kind: Kind::Rough }];

fn native(topology: &mut Topology) {
    topology.native_fences = true;
}

/// While there is none, frames come that nobody can ask for afterwards, since they have no numbers.
fn vanishes(scene: &mut Scene<'_>) {
    let node = scene.node(0);
    scene.fault(0, FaultKind::SubscriptionExpiry { node });
    for (place, row) in (0..).zip(scene.rows(4)) {
        scene.anonymous(1 + 2 * place, row);
    }
}
