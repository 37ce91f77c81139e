//! Properties of two to five replicas over one totally ordered broker, under arbitrary schedules.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::testing::{Op, Tuning, World};
use super::wire::{Body, Codec};
use super::{Config, Output, PublishId, Replica};
use crate::node_id::NodeId;
use crate::target::Target;
use crate::time::Timestamp;
use crate::transport::{SequencerId, TransportErrorKind as Kind};

const WITHIN: Duration = Duration::from_millis(500);

fn tuning() -> impl Strategy<Value = Tuning> {
    (2..=5_usize, any::<bool>(), any::<bool>(), any::<u64>()).prop_map(
        |(nodes, native_fences, tiny_tables, seed)| Tuning {
            nodes,
            within: WITHIN,
            native_fences,
            judge_hits: true,
            tiny_tables,
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
    ]
}

fn honest_schedule() -> impl Strategy<Value = Vec<Op>> {
    vec(prop_oneof![4 => ordinary(), 1 => honest_fault()], 1..120)
}

fn losing_schedule() -> impl Strategy<Value = Vec<Op>> {
    let lose = (0..5_usize, 1..3_u32).prop_map(|(node, frames)| Op::Lose { node, frames });
    // Silent loss of a frame that has no number cannot be noticed, so foreign publishers are left out.
    let fault = honest_fault().prop_filter("anonymous", |op| !matches!(op, Op::Anonymous { .. }));
    vec(prop_oneof![8 => ordinary(), 1 => fault, 1 => lose], 1..120)
}

/// Long enough for every backoff, deadline and beacon.
const HEAL: Duration = Duration::from_secs(60);

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(400))]

    /// G2, G3, G6 and G8 under everything but silent loss.
    #[test]
    fn no_hit_is_staler_than_the_bound(tuning in tuning(), schedule in honest_schedule()) {
        let mut world = World::new(tuning);
        world.run(&schedule);
        world.run_for(HEAL);
        world.judge_convergence();
        prop_assert!(world.violations.is_empty(), "{:#?}", world.violations);
    }

    /// G2 and G6 when the broker loses frames on living subscriptions.
    #[test]
    fn silent_loss_is_repaired(tuning in tuning(), schedule in losing_schedule()) {
        let mut world = World::new(Tuning { judge_hits: false, ..tuning });
        world.run(&schedule);
        // A loss that is still to come would not be repaired by what comes before it.
        world.run_for(HEAL);
        world.judge_convergence();
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
            prop_assert_eq!(after, drops);
        }
    }
}

fn three(native_fences: bool) -> World {
    let mut world = World::new(Tuning {
        nodes: 3,
        within: WITHIN,
        native_fences,
        judge_hits: true,
        tiny_tables: false,
        seed: 7,
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

/// Collects what a replica asks for: fences return at once; its last publish is handed back.
fn settle(replica: &mut Replica, now: Timestamp) -> Option<(PublishId, Bytes)> {
    let mut published = None;
    while let Some(output) = replica.poll_output() {
        match output {
            Output::Fence(token) => replica.fenced(token, now),
            Output::Publish { id, frame } => published = Some((id, frame)),
            _ => {}
        }
    }
    published
}

/// Lets time pass until `until`.
fn pass(replica: &mut Replica, until: Timestamp) {
    while let Some(due) = replica.next_deadline().filter(|due| *due <= until) {
        replica.handle_timeout(due);
        settle(replica, due);
    }
}

/// A mark belongs to the order that it was met in. A demoted primary hands on what its successor accepts, but
/// not all of it: a witness at the successor could not vouch for what came before.
#[test]
fn a_mark_counts_only_where_it_was_met() {
    let config = Config::new("test".into(), WITHIN);
    let codec = Codec::new("test".into(), None);
    let first = || Some(SequencerId::new("first"));
    for (second, marked) in [(SequencerId::new("first"), true), (SequencerId::new("second"), false)]
    {
        let mut now = Timestamp::from_nanos(1);
        let mut replica = Replica::new(config.clone(), Arc::new(config.outbox()), 1, now);
        let sync = |replica: &mut Replica, sequencer, now| {
            replica.handle_timeout(now);
            settle(replica, now);
            replica.subscribed(sequencer, now);
            let (id, frame) = settle(replica, now).expect("a sync");
            let Ok(Body::Sync(sync)) = codec.open(&frame).expect("ours").body else {
                panic!("no sync");
            };
            (id, frame, sync)
        };
        let (id, frame, begun) = sync(&mut replica, first(), now);
        assert_eq!(begun.mark, None);
        replica.frame(&frame, now);
        replica.published(id, Ok(()), now);
        now = now.after(2 * config.sync_deadline);
        pass(&mut replica, now);
        assert_eq!(replica.counters().syncs_alone, 1, "alone, and synced");

        let origin = NodeId::from_bytes([7; 16]);
        let body = Body::Targets(vec![Target::Everything]);
        replica.frame(&codec.frame(&codec.compared(Some((origin, 1)), &body), 0), now);
        replica.subscription_ended(&Kind::Unreachable.error("cut"), now);
        settle(&mut replica, now);
        now = replica.next_deadline().expect("the next attempt");
        let (_, _, resumed) = sync(&mut replica, Some(second), now);
        assert_eq!(resumed.mark.map(|mark| mark.origin), marked.then_some(origin));
    }
}
