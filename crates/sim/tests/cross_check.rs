//! Tiers 2 and 3 run the same plans, and must say the same of them. The second tier moves the state machines by hand
//! through a network of its own; the third runs real drivers and real transports over turmoil. What is wrong with the
//! clockwork of one of them shows in the other.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::ops::RangeInclusive;
use std::process::Command;

use unstale_sim::plan::{Action, Fault, FaultKind, Means, Mode, Op, Plan, Profile, Request};
use unstale_sim::report::Report;

/// Two on each of six hosts.
const NODES: usize = 12;
const SEEDS: u64 = 3;
const KEYS: u64 = 20;
const HEAL_MS: u64 = 17_000;
const DURATION_MS: u64 = 18_000;

/// Median and 99th percentile of the latency in tier 3, by those in tier 2. A hop of at most 20 ms takes 5 ms in the
/// mean in tier 2, and 3.5 ms in tier 3: turmoil draws from another distribution and rounds down to milliseconds. That
/// makes about 0.75, and half or twice as much is outside.
const LATENCY_RATIO: RangeInclusive<f64> = 0.55..=1.1;
/// Syncs that a witness answered, for each node that was cut off. A cut is one reconnection in both. After a partition a
/// coin decides in tier 2 whether the connection is dead, and in tier 3 whether anything was on the way; but no more
/// than two of the eight are partitioned.
const WITNESSED_DIFFERENCE: f64 = 0.3;
/// Frames that were replayed, for each node that was cut off: as many as were missed until it had subscribed again,
/// which takes a few hops more over Redis.
const REPLAYED_FACTOR: f64 = 1.6;
/// Drops for each node. It drops twice when it starts, and never again where there is a witness.
const DROPS_DIFFERENCE: f64 = 0.1;

/// Whole hosts are cut off and partitioned, and most of the nodes stay connected; those are the witnesses.
fn plan(seed: u64) -> Plan {
    let request = Request {
        profile: Profile::Swarm,
        nodes: Some(NODES),
        mode: Some(Mode::Within { ms: 500 }),
        native_fences: Some(true),
        ..Request::default()
    };
    let mut plan = Plan::draw(&request, seed);
    let topology = &mut plan.topology;
    (topology.latency_min_us, topology.latency_max_us) = (0, 20_000);
    (topology.authenticated, topology.tiny_tables, topology.nested) = (false, false, false);
    (topology.keys, topology.source_max_us) = (KEYS, 2_000);
    topology.broker_buffer_bytes = 1 << 20;
    (plan.heal_ms, plan.duration_ms) = (HEAL_MS, DURATION_MS);
    plan.workload = workload();
    plan.faults = vec![
        Fault { at_ms: 3_000, kind: FaultKind::Cut { nodes: vec![0, 1] } },
        Fault { at_ms: 7_500, kind: FaultKind::Cut { nodes: vec![2, 3, 6, 7] } },
        Fault { at_ms: 12_000, kind: FaultKind::Partition { nodes: vec![4, 5], for_ms: 1_500 } },
    ];
    plan
}

/// Every node holds everything, mostly, and ten times in a second one changes a row.
fn workload() -> Vec<Op> {
    let mut ops = Vec::new();
    for at_ms in (500..DURATION_MS - 500).step_by(10) {
        let turn = (at_ms / 10) as usize;
        // A thousandth of a second apart, so that the order is the same in both.
        for (read, node) in (0..NODES).filter(|node| (node + turn).is_multiple_of(2)).enumerate() {
            let key = (turn as u64 / 2) % KEYS;
            ops.push(Op { at_ms: at_ms + read as u64, node, what: Action::Read { key } });
        }
        if at_ms.is_multiple_of(100) && at_ms < HEAL_MS {
            let what = Action::Write { key: (turn as u64 * 7 / 10) % KEYS, by: Means::Key };
            ops.push(Op { at_ms: at_ms + 9, node: turn / 10 % NODES, what });
        }
    }
    ops.sort_by_key(|op| op.at_ms);
    ops
}

/// What a tier says of all plans together.
#[derive(Debug)]
struct Said {
    p50_ms: f64,
    p99_ms: f64,
    witnessed: f64,
    replayed: f64,
    drops: f64,
}

fn said(tier: &[&str], change: impl Fn(&mut Plan) + Sync) -> Said {
    let reports: Vec<Report> = std::thread::scope(|scope| {
        let change = &change;
        let runs: Vec<_> = (0..SEEDS)
            .map(|seed| {
                scope.spawn(move || {
                    let mut plan = plan(seed);
                    change(&mut plan);
                    report(tier, &plan)
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let mean = |of: &dyn Fn(&Report) -> f64| reports.iter().map(of).sum::<f64>() / SEEDS as f64;
    let healthy = |report: &Report, of: fn(&unstale_sim::report::PhaseCurve) -> f64| {
        let latency = report.measures.iter().find(|it| it.name == "invalidation latency").unwrap();
        of(latency.phases.iter().find(|it| it.phase == "healthy").unwrap())
    };
    let figure = |report: &Report, name: &str| -> f64 {
        report.figures.iter().find(|(it, _)| it == name).unwrap().1.parse().unwrap()
    };
    let plan = plan(0);
    let hit: usize = plan.faults.iter().map(|fault| fault.kind.nodes().len()).sum();
    Said {
        p50_ms: mean(&|report| healthy(report, |curve| curve.p50)),
        p99_ms: mean(&|report| healthy(report, |curve| curve.p99)),
        witnessed: mean(&|report| figure(report, "syncs_witnessed")) / hit as f64,
        replayed: mean(&|report| figure(report, "replayed")) / hit as f64,
        drops: mean(&|report| figure(report, "drops")) / NODES as f64,
    }
}

fn report(tier: &[&str], plan: &Plan) -> Report {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("the-plan.json");
    std::fs::write(&path, serde_json::to_vec(plan).unwrap()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_unstale-sim"))
        .args(tier)
        .args(["--json", "--plan", path.to_str().unwrap(), "--out"])
        .arg(directory.path().join("out"))
        .output()
        .unwrap();
    assert!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// In what the second and the third tier differ by more than they may.
fn differences(two: &Said, three: &Said) -> Vec<String> {
    let replayed = [three.replayed / two.replayed, two.replayed / three.replayed];
    let agree = [
        ("median", LATENCY_RATIO.contains(&(three.p50_ms / two.p50_ms))),
        ("99th percentile", LATENCY_RATIO.contains(&(three.p99_ms / two.p99_ms))),
        ("witnessed", (three.witnessed - two.witnessed).abs() <= WITNESSED_DIFFERENCE),
        ("replayed", replayed.iter().all(|ratio| *ratio <= REPLAYED_FACTOR)),
        ("drops", (three.drops - two.drops).abs() <= DROPS_DIFFERENCE),
    ];
    agree.into_iter().filter(|(_, agrees)| !agrees).map(|(what, _)| what.to_owned()).collect()
}

const TWO: &[&str] = &["--tier", "2"];
const THREE: [&[&str]; 2] =
    [&["--tier", "3", "--transport", "redis"], &["--tier", "3", "--transport", "memory"]];

#[test]
fn tiers_two_and_three_say_the_same() {
    let two = said(TWO, |_| {});
    println!("{TWO:?}: {two:?}");
    for tier in THREE {
        let three = said(tier, |_| {});
        println!("{tier:?}: {three:?}");
        let differences = differences(&two, &three);
        assert!(differences.is_empty(), "{differences:?}: {two:?} {three:?}");
    }
}

fn slower(plan: &mut Plan) {
    plan.topology.latency_max_us *= 2;
}

fn cut_nobody(plan: &mut Plan) {
    plan.faults.clear();
}

/// So nobody is a witness.
fn cut_all(plan: &mut Plan) {
    plan.faults[0].kind = FaultKind::Cut { nodes: (0..NODES).collect() };
}

/// The bounds are narrow enough: a tier that did one of these would be noticed.
#[test]
fn a_tier_that_is_wrong_is_noticed() {
    let (two, three) = (said(TWO, |_| {}), said(THREE[0], |_| {}));
    for (wrong, noticed) in [
        (slower as fn(&mut Plan), &["median", "99th percentile"][..]),
        (cut_nobody, &["witnessed", "replayed"]),
        (cut_all, &["drops"]),
    ] {
        for differences in
            [differences(&said(TWO, wrong), &three), differences(&two, &said(THREE[0], wrong))]
        {
            let all = noticed.iter().all(|what| differences.iter().any(|it| it == what));
            assert!(all, "not all of {noticed:?}: {differences:?}");
        }
    }
}
