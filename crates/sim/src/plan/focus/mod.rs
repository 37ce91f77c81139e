//! Plans around one sequence of faults, with everything else out of its way.
//!
//! Some mistakes show only if several things happen within a few milliseconds of each other, in one order. A focused
//! plan has nothing but such a sequence, on nodes that the seed draws, and a few times: what every node needs for it,
//! copies of all rows and something that it published, is there each time before it begins.

mod caches;
mod economy;
mod kept;
mod marks;
mod numbers;
mod publishing;
mod scene;
mod sequencers;
mod times;

use self::scene::Scene;
use super::draw::WARM_UP_MS;
use super::faults::Fault;
use super::{Action, LAST_MS, Means, Mode, Op, Plan, Profile, Request, Topology};
use crate::rng::stream;

/// A sequence of faults and what it is for.
pub(crate) struct Focus {
    pub(crate) name: &'static str,
    /// Makes room for it.
    shape: fn(&mut Topology),
    script: fn(&mut Scene<'_>),
    kind: Kind,
}

/// What surrounds the sequence.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Anything may be dropped.
    Rough,
    /// Nobody has to drop anything: [`Plan::orderly`].
    Orderly,
    /// Anything may be dropped, and nobody has published anything before but that it is there.
    RoughSilent,
    /// Nobody has to drop anything, and nobody has published anything.
    OrderlySilent,
}

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Focus> {
    [
        caches::ALL,
        economy::ALL,
        kept::ALL,
        marks::ALL,
        numbers::ALL,
        publishing::ALL,
        sequencers::ALL,
        times::ALL,
    ]
    .into_iter()
    .flatten()
}

/// The one of this name.
pub(crate) fn named(name: &str) -> Option<&'static Focus> {
    all().find(|focus| focus.name == name)
}

/// When the sequence begins.
const SCENES_MS: [u64; 3] = [2_200, 4_000, 5_800];
const HEAL_MS: u64 = 7_000;
const DURATION_MS: u64 = 15_000;

pub(super) fn plan(focus: &Focus, request: &Request, seed: u64) -> Plan {
    let topology = topology(focus, request, seed);
    let mut rng = stream(seed, &format!("focus {}", focus.name));
    let (mut workload, mut faults) = (Vec::new(), Vec::new());
    for (number, begin_ms) in (0..).zip(SCENES_MS) {
        let begin_ms = begin_ms + rng.u64(..120);
        let publishes = matches!(focus.kind, Kind::Rough | Kind::Orderly);
        prepare(&mut workload, &topology, begin_ms, publishes);
        let mut scene = Scene::new(&mut rng, &topology, number, begin_ms);
        (focus.script)(&mut scene);
        let (scene_faults, scene_ops) = scene.end();
        faults.extend(scene_faults);
        workload.extend(scene_ops);
    }
    reads(&mut workload, &topology, &mut rng);
    workload.sort_by_key(|op| op.at_ms);
    faults.sort_by_key(|fault: &Fault| fault.at_ms);
    faults.iter_mut().for_each(|fault| super::draw::clip(fault, HEAL_MS));
    Plan {
        seed,
        profile: Profile::Storm,
        topology,
        heal_ms: HEAL_MS,
        duration_ms: DURATION_MS,
        workload,
        rates: None,
        faults,
        orderly: matches!(focus.kind, Kind::Orderly | Kind::OrderlySilent),
    }
}

fn topology(focus: &Focus, request: &Request, seed: u64) -> Topology {
    let mut rng = stream(seed, "focus topology");
    let ms = [500, 500, 1_000][rng.usize(..3)];
    let mut topology = Topology {
        nodes: 4,
        mode: Mode::Within { ms },
        native_fences: rng.bool(),
        authenticated: false,
        latency_min_us: 100,
        latency_max_us: 2_000,
        drift_ppm: Vec::new(),
        keys: 12,
        nested: false,
        tiny_tables: false,
        source_max_us: 2_000,
        broker_buffer_bytes: 1 << 20,
        start_within_ms: 50,
        mixed_schemas: false,
        short_memory: false,
        lanes: 1,
        lasting_cap_ms: None,
    };
    (focus.shape)(&mut topology);
    topology.nodes = request.nodes.unwrap_or(topology.nodes).max(topology.nodes.min(4));
    topology.mode = request.mode.unwrap_or(topology.mode);
    topology.native_fences = request.native_fences.unwrap_or(topology.native_fences);
    let drift = |_| rng.i64(-1_000..=1_000);
    topology.drift_ppm = (0..topology.nodes).map(drift).collect();
    topology
}

/// Every node publishes something, so that it is known and the others have a mark of it, and then it holds a copy of
/// every row. When the sequence begins no beacon is due for a while.
fn prepare(ops: &mut Vec<Op>, topology: &Topology, begin_ms: u64, publishes: bool) {
    for node in 0..topology.nodes {
        if publishes {
            let key = node as u64 % topology.keys;
            let what = Action::Write { key, by: Means::Key };
            ops.push(Op { at_ms: begin_ms - 900 + 3 * node as u64, node, what });
        }
        for key in 0..topology.keys {
            let at_ms = begin_ms - 300 + 5 * key;
            ops.push(Op { at_ms, node, what: Action::Read { key } });
            ops.push(Op { at_ms: at_ms + 2, node, what: Action::ReadLasting { key } });
            if topology.nested {
                ops.push(Op { at_ms: at_ms + 3, node, what: Action::ReadPage { key } });
            }
        }
    }
}

/// A few reads all the time.
fn reads(ops: &mut Vec<Op>, topology: &Topology, rng: &mut fastrand::Rng) {
    for node in 0..topology.nodes {
        for at_ms in WARM_UP_MS..DURATION_MS - LAST_MS {
            if rng.u32(..1_000) < 15 {
                let key = rng.u64(..topology.keys);
                let what =
                    if rng.bool() { Action::Read { key } } else { Action::ReadLasting { key } };
                ops.push(Op { at_ms, node, what });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn plans(focus: &'static Focus) -> impl Iterator<Item = Plan> {
        let request = Request { profile: Profile::Storm, ..Request::default() };
        (0..20).map(move |seed| plan(focus, &request, seed))
    }

    #[test]
    fn names_differ() {
        let names: BTreeSet<_> = all().map(|focus| focus.name).collect();
        assert_eq!(names.len(), all().count());
    }

    #[test]
    fn each_fits_into_a_storm() {
        for focus in all() {
            for plan in plans(focus) {
                let name = focus.name;
                assert!(plan.duration_ms <= 15_000);
                assert!(plan.faults.iter().all(|it| it.ends_ms() <= plan.heal_ms), "{name}");
                assert!(plan.faults.is_sorted_by_key(|it| it.at_ms), "{name}");
                let nodes = plan.topology.nodes;
                let named = plan.faults.iter().flat_map(|it| it.kind.nodes());
                assert!(named.into_iter().all(|node| node < nodes), "{name}");
                assert!(plan.workload.iter().all(|op| op.node < nodes), "{name}");
            }
        }
    }
}
