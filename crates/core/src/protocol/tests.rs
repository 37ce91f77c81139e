//! Properties of two to five replicas over one totally ordered broker, under arbitrary schedules.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::Reason;
use super::testing::{Op, Tuning, World};

const WITHIN: Duration = Duration::from_millis(500);

/// A local broker, or a far one.
fn latency_us() -> impl Strategy<Value = u64> {
    prop_oneof![Just(3_000), Just(200_000)]
}

fn tuning() -> impl Strategy<Value = Tuning> {
    (2..=5_usize, any::<bool>(), any::<bool>(), latency_us(), any::<u64>()).prop_map(
        |(nodes, native_fences, tiny_tables, latency_us, seed)| Tuning {
            nodes,
            within: WITHIN,
            native_fences,
            tiny_tables,
            latency_us,
            seed,
        },
    )
}

/// What happens anyway: writes, reads, time.
fn ordinary() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0..5_usize, 0..4_u8, any::<bool>())
            .prop_map(|(node, key, by_tag)| Op::Write { node, key, by_tag }),
        6 => (0..5_usize, 0..4_u8).prop_map(|(node, key)| Op::Read { node, key }),
        3 => (0..40_u64).prop_map(|ms| Op::Advance { ms }),
        1 => (0..900_u64).prop_map(|ms| Op::Advance { ms }),
    ]
}

/// Faults that G3 covers without exception.
fn honest_fault() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..5_usize).prop_map(|node| Op::Break { node }),
        Just(Op::RestartBroker),
        (1..3_000_u64).prop_map(|ms| Op::Outage { ms }),
        (0..5_usize, proptest::option::of(0..2_000_u64))
            .prop_map(|(node, accepted_after_ms)| Op::Ambiguous { node, accepted_after_ms }),
        (0..30_usize).prop_map(|back| Op::LateDuplicate { back }),
        (0..5_usize).prop_map(|node| Op::RestartNode { node }),
        (0..5_usize, 1..2_500_u64).prop_map(|(node, ms)| Op::Suspend { node, ms }),
        (0..4_u8).prop_map(|key| Op::Anonymous { key }),
        (0..4_u8).prop_map(|key| Op::Unreadable { key }),
    ]
}

fn honest_schedule() -> impl Strategy<Value = Vec<Op>> {
    vec(prop_oneof![4 => ordinary(), 1 => honest_fault()], 1..120)
}

fn losing_schedule() -> impl Strategy<Value = Vec<Op>> {
    let lose = (0..5_usize, 1..3_u32).prop_map(|(node, frames)| Op::Lose { node, frames });
    // Silent loss of a frame that has no number cannot be noticed, so foreign publishers are left out.
    let fault = honest_fault()
        .prop_filter("anonymous", |op| !matches!(op, Op::Anonymous { .. } | Op::Unreadable { .. }));
    vec(prop_oneof![8 => ordinary(), 1 => fault, 1 => lose], 1..120)
}

/// Long enough for every backoff, deadline and beacon.
const HEAL: Duration = Duration::from_secs(30);

/// `PROPTEST_CASES` runs more of them.
fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config(150))]

    /// G2, G3, G6 and G8 under everything but silent loss.
    #[test]
    fn no_hit_is_staler_than_the_bound(tuning in tuning(), schedule in honest_schedule()) {
        let mut world = World::new(tuning);
        world.run(&schedule);
        world.run_for(HEAL);
        world.judge_convergence();
        world.judge_service();
        prop_assert!(world.violations.is_empty(), "{:#?}", world.violations);
    }

    /// G2, G3 and G6 when the broker loses frames on living subscriptions.
    #[test]
    fn silent_loss_is_repaired(tuning in tuning(), schedule in losing_schedule()) {
        let mut world = World::new(tuning);
        world.run(&schedule);
        // A loss that is still to come would not be repaired by what comes before it.
        world.run_for(HEAL);
        world.judge_convergence();
        world.judge_service();
        prop_assert!(world.violations.is_empty(), "{:#?}", world.violations);
    }

    /// G9: accepting every frame a second time, much later, changes nothing.
    #[test]
    fn duplicates_are_harmless(tuning in tuning(), schedule in vec(ordinary(), 1..60), again in 1..5_usize) {
        let mut world = World::new(tuning);
        world.run(&schedule);
        world.run_for(Duration::from_secs(5));
        let before = world.contents();
        let drops: Vec<_> = (0..world.nodes.len()).map(|node| world.drops(node)).collect();
        let frames = world.frames_accepted();
        let duplicates: Vec<_> =
            (0..frames.min(30) * again).map(|back| Op::LateDuplicate { back: back % frames }).collect();
        world.run(&duplicates);
        world.run_for(Duration::from_secs(5));
        world.judge_convergence();
        prop_assert!(world.violations.is_empty(), "{:#?}", world.violations);
        if !world.tiny() {
            prop_assert_eq!(world.contents(), before);
            let after: Vec<_> = (0..world.nodes.len()).map(|node| world.drops(node)).collect();
            let counters: Vec<_> = world.nodes.iter().map(|node| node.replica.counters()).collect();
            prop_assert_eq!(after, drops, "{:#?}", counters);
        }
    }
}

fn three(native_fences: bool) -> World {
    seeded(native_fences, 7)
}

fn seeded(native_fences: bool, seed: u64) -> World {
    let mut world = World::new(Tuning {
        nodes: 3,
        within: WITHIN,
        native_fences,
        tiny_tables: false,
        latency_us: 3_000,
        seed,
    });
    world.run_for(Duration::from_secs(3));
    world
}

/// Warms every key on every node; the caches then serve hits.
fn warm(world: &mut World) {
    for _ in 0..2 {
        for node in 0..3 {
            for key in 0..4 {
                world.run(&[Op::Read { node, key }]);
            }
        }
        world.run_for(Duration::from_millis(50));
    }
}

#[test]
fn warm_caches_serve_hits_for_as_long_as_fences_return() {
    for native_fences in [true, false] {
        let mut world = three(native_fences);
        warm(&mut world);
        let before = world.hits();
        world.run_for(Duration::from_secs(30));
        for node in 0..3 {
            for key in 0..4 {
                world.run(&[Op::Read { node, key }]);
            }
        }
        assert_eq!(world.hits() - before, 12);
    }
}

#[test]
fn a_cut_that_somebody_witnessed_costs_nothing() {
    for native_fences in [true, false] {
        let mut world = three(native_fences);
        warm(&mut world);
        world.run(&[Op::Write { node: 0, key: 1, by_tag: false }, Op::Advance { ms: 100 }]);
        let (drops, contents) = (world.drops(1), world.contents()[1].clone());
        world.run(&[
            Op::Break { node: 1 },
            Op::Write { node: 0, key: 2, by_tag: false },
            Op::Anonymous { key: 3 },
            Op::Advance { ms: 1_000 },
        ]);
        assert_eq!(world.drops(1), drops);
        let mut expected = contents;
        expected.retain(|key, _| *key < 2);
        assert_eq!(world.contents()[1], expected);
        assert_eq!(world.nodes[1].replica.counters().syncs_witnessed, 1);
    }
}

#[test]
fn a_restart_of_the_broker_costs_each_node_one_drop() {
    let mut world = three(true);
    warm(&mut world);
    let drops: Vec<_> = (0..3).map(|node| world.drops(node)).collect();
    world.run(&[Op::Write { node: 0, key: 1, by_tag: false }, Op::RestartBroker]);
    world.run_for(Duration::from_secs(20));
    for (node, before) in drops.into_iter().enumerate() {
        assert_eq!(world.drops(node), before + 1, "node {node}");
    }
    world.judge_convergence();
    assert_eq!(world.violations, Vec::<String>::new());
}

#[test]
fn the_loss_of_a_last_message_is_found_by_a_beacon() {
    let mut world = three(true);
    warm(&mut world);
    let (drops, lost) = (world.drops(2), Op::Lose { node: 2, frames: 1 });
    world.run(&[lost, Op::Write { node: 0, key: 1, by_tag: false }, Op::Advance { ms: 450 }]);
    assert_eq!(world.nodes[2].replica.counters().gaps, 1);
    assert!(!world.contents()[2].contains_key(&1), "replayed");
    assert_eq!(world.drops(2), drops, "nothing else was dropped");
}

#[test]
fn what_was_published_last_before_a_cut_of_the_publisher_is_shown_again() {
    // The frame is lost to node 2, and the beacons that would show it are cut off with node 0.
    let mut world = three(true);
    warm(&mut world);
    world.run(&[
        Op::Lose { node: 2, frames: 1 },
        Op::Write { node: 0, key: 1, by_tag: false },
        Op::Advance { ms: 20 },
        Op::Break { node: 0 },
        Op::Advance { ms: 700 },
    ]);
    assert_eq!(world.nodes[2].replica.counters().gaps, 1);
    assert!(!world.contents()[2].contains_key(&1), "replayed");
}

#[test]
fn a_frame_that_nobody_can_read_costs_one_clear_in_a_third_of_the_bound() {
    let mut world = three(true);
    warm(&mut world);
    let unreadable = vec![Op::Unreadable { key: 1 }; 20];
    world.run(&unreadable);
    world.run(&[Op::Advance { ms: 20 }]);
    assert_eq!(world.nodes[1].replica.counters().unreadable_clears, 1);
    assert_eq!(world.nodes[1].replica.status().reason, Some(Reason::Unreadable));
    world.run(&[Op::Advance { ms: 200 }]);
    assert_eq!(world.nodes[1].replica.counters().unreadable_clears, 2);
    world.run_for(Duration::from_secs(1));
    world.judge_convergence();
    assert_eq!(world.violations, Vec::<String>::new());
}

#[test]
fn one_answer_for_several_begins_at_the_earliest_of_their_marks() {
    let mut together = 0;
    for seed in 0..60 {
        let mut world = seeded(true, seed);
        warm(&mut world);
        world.run(&[
            Op::Break { node: 1 },
            Op::Write { node: 0, key: 1, by_tag: false },
            Op::Advance { ms: 8 },
            Op::Break { node: 2 },
            Op::Advance { ms: 1_000 },
        ]);
        together += u64::from(world.nodes[0].replica.counters().answers == 1);
        assert!(!world.contents()[1].contains_key(&1), "seed {seed}");
        // A replay from the later mark on would have left a gap, found only by the next frame.
        assert_eq!(world.nodes[1].replica.counters().gaps, 0, "seed {seed}");
        world.judge_convergence();
        assert_eq!(world.violations, Vec::<String>::new(), "seed {seed}");
    }
    assert!(together > 0, "no seed answered both at once");
}

#[test]
fn the_horizon_stands_still_while_a_gap_is_open() {
    let mut unrepaired = 0;
    for seed in 0..10 {
        let mut world = seeded(true, seed);
        warm(&mut world);
        // The second write shows that the first was lost; then, if not too late, every reply is lost too, but
        // no fence.
        world.run(&[
            Op::Lose { node: 2, frames: 1 },
            Op::Write { node: 0, key: 1, by_tag: false },
            Op::Advance { ms: 10 },
            Op::Write { node: 0, key: 2, by_tag: false },
            Op::Advance { ms: 7 },
            Op::Lose { node: 2, frames: 1_000 },
            Op::Advance { ms: 3_000 },
        ]);
        assert_eq!(world.violations, Vec::<String>::new(), "seed {seed}");
        unrepaired += world.nodes[2].replica.counters().gaps_dropped;
    }
    assert!(unrepaired > 0, "no seed left the gap open");
}

#[test]
fn a_frame_met_while_unsynced_is_no_mark() {
    for ms in (20..80).step_by(2) {
        let mut world = seeded(true, ms);
        warm(&mut world);
        // Node 1 misses a write, meets the next one perhaps before it has caught up, and is cut again.
        world.run(&[
            Op::Break { node: 1 },
            Op::Write { node: 0, key: 1, by_tag: false },
            Op::Advance { ms },
            Op::Write { node: 0, key: 2, by_tag: false },
            Op::Advance { ms: 6 },
            Op::Break { node: 1 },
            Op::Advance { ms: 200 },
        ]);
        assert!(!world.contents()[1].contains_key(&1), "after {ms} ms");
        assert_eq!(world.nodes[1].replica.counters().gaps, 0, "after {ms} ms");
    }
}
