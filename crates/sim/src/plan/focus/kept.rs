//! Subscriptions that a broker keeps: they vanish, and what was on its way from them is gone.

use super::{Focus, Kind, Scene};
use crate::plan::Topology;
use crate::plan::faults::FaultKind;

pub(super) const ALL: &[Focus] = &[
    Focus { name: "subscription-vanishes", shape: native, script: vanishes, kind: Kind::Rough },
    Focus { name: "cut-on-its-way", shape: native, script: on_its_way, kind: Kind::Rough },
];

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

/// What the broker has taken out of the subscription, and has not sent yet, ends with the connection. Nobody can ask
/// for it afterwards, since it has no numbers.
fn on_its_way(scene: &mut Scene<'_>) {
    let node = scene.node(0);
    scene.fault(0, FaultKind::BrokerStall { for_ms: 60 });
    for (place, row) in (0..).zip(scene.rows(3)) {
        scene.anonymous(10 + 5 * place, row);
    }
    scene.cut(40, &[node]);
}
