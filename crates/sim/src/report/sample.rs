//! Reports to look at and to test with: invented, but shaped as those of real runs are.

use super::{
    Comparison, Coverage, Guarantee, Mark, Measure, NodeRow, Outcome, PhaseCurve, Report, Shade,
    Span, Speed, StaleReads, Timeline, Verdict,
};

const DURATION_MS: f64 = 90_000.0;
const HEAL_MS: f64 = 60_000.0;

/// Twelve nodes, two partitions, a broker outage, a pause, a crash; everything held.
pub(crate) fn held() -> Report {
    Report {
        title: "12 nodes, Redis, all faults".into(),
        verdict: Verdict {
            outcome: Outcome::Held,
            headline:
                "All guarantees held in 200 runs; every node converged within 1.9 s of healing."
                    .into(),
            runs: 200,
        },
        reproduce: "cargo xtask sim --seeds 4711..4911 --nodes 12 --transport redis --faults all"
            .into(),
        configuration: configuration(),
        guarantees: guarantees(),
        timeline: timeline(12),
        measures: measures(),
        stale_reads: StaleReads {
            reads: 48_211_390,
            stale: 1_204,
            nines: 4.602,
            nines_at_least: 4.578,
            largest_ms: 441.2,
        },
        figures: pairs(&[
            ("Hit ratio after healing", "96.4 %"),
            ("Frames per invalidation", "1.31"),
            ("Largest reload storm", "412 loads/s"),
            ("Recovery after healing, p99", "1.87 s"),
            ("Clears per node and hour", "2.4"),
            ("Replayed frames", "18,442"),
        ]),
        coverage: coverage(),
        speed: Speed {
            simulated_s: 18_000.0,
            wall_s: 63.4,
            ratio: 283.9,
            node_seconds_per_s: 3_407.0,
        },
        comparison: comparison(),
    }
}

/// The same plan, but a read was staler than allowed.
pub(crate) fn broken() -> Report {
    let mut report = held();
    let sentence = "node-4 served product:117 as of 31.204 s at 32.011 s, 307 ms beyond the bound of \
                    500 ms: node-9 had completed its invalidation at 31.204 s, and the partition \
                    {4, 5, 6} | rest kept its frame away";
    report.verdict = Verdict {
        outcome: Outcome::Broken,
        headline: "G3 broken in 1 of 38 runs: node-4 served a value 807 ms after node-9 had \
                   invalidated it."
            .into(),
        runs: 38,
    };
    report.reproduce = "cargo xtask sim --seed 4748 --plan target/sim/4748/shrunk.json".into();
    report.guarantees[2].broken = 3;
    report.guarantees[2].first = Some(sentence.into());
    report.timeline.seed = 4_748;
    for (node, at_ms) in [(4, 32_011.0), (4, 32_420.0), (5, 32_206.0)] {
        report.timeline.nodes[node].marks.push(Mark {
            at_ms,
            kind: "violation".into(),
            detail: "G3: product:117, 807 ms after node-9 invalidated it".into(),
        });
    }
    report.comparison.clear();
    report
}

/// As many nodes as wanted.
pub(crate) fn large(nodes: usize) -> Report {
    Report { timeline: timeline(nodes), title: format!("{nodes} nodes, scale"), ..held() }
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn configuration() -> Vec<(String, String)> {
    pairs(&[
        ("Nodes", "12"),
        ("Freshness", "Within(500 ms)"),
        ("Transport", "redis (real client over turmoil::net)"),
        ("Keys", "2,000, Zipf 0.9"),
        ("Reads per node and second", "400"),
        ("Writes per second", "25"),
        ("Fence interval", "166 ms"),
        ("Beacon budget", "20/s for the cluster"),
        ("Log", "4,096 frames"),
        ("Commit", "bca6d9b"),
    ])
}

fn guarantees() -> Vec<Guarantee> {
    [
        ("G1", "Read your writes", 1_912_004),
        ("G2", "Convergence", 4_800_000),
        ("G3", "Bounded staleness", 48_211_390),
        ("G4", "No stale fill", 2_310_554),
        ("G5", "Monotonic reads", 48_211_390),
        ("G6", "Nothing lost across an outage", 18_442),
        ("G7", "Dependency closure", 884_120),
        ("G8", "Bounded everything", 216_000),
        ("G9", "Duplicates are harmless", 9_317),
        ("NV", "Non-vacuity", 200),
    ]
    .into_iter()
    .map(|(id, name, checked)| Guarantee {
        id: id.into(),
        name: name.into(),
        checked,
        broken: 0,
        first: None,
    })
    .collect()
}

fn timeline(nodes: usize) -> Timeline {
    let mut random = fastrand::Rng::with_seed(4_711);
    let third: Vec<usize> = (nodes / 3..nodes / 2 + 1).collect();
    let one_way = vec![nodes / 12, nodes / 12 + 1];
    let crashed = nodes * 3 / 4;
    let paused = nodes * 5 / 6;
    let shade = |from_ms, to_ms, kind: &str, nodes: &[usize], label: &str| Shade {
        from_ms,
        to_ms,
        kind: kind.into(),
        nodes: nodes.into(),
        label: label.into(),
    };
    let shades = vec![
        shade(8_000.0, 15_500.0, "partition", &third, "partition {4, 5, 6} | rest"),
        shade(12_000.0, 19_000.0, "one_way", &one_way, "one-way loss to {1, 2}"),
        shade(23_000.0, 27_000.0, "broker_crash", &[], "broker crash, state lost"),
        shade(29_500.0, 41_000.0, "partition", &third, "partition {4, 5, 6} | rest"),
        shade(33_000.0, 38_000.0, "node_crash", &[crashed], "crash of node-9"),
        shade(36_000.0, 46_000.0, "pause", &[paused], "pause of node-10"),
        shade(48_000.0, 57_000.0, "jitter", &[], "delay 5 to 80 ms, jitter"),
    ];
    let rows = (0..nodes).map(|node| {
        let mut cuts: Vec<(f64, f64, &str)> = vec![(0.0, 300.0 + random.f64() * 900.0, "starting")];
        let mut cut = |at: f64, state, to: f64| cuts.push((at, to, state));
        if third.contains(&node) {
            cut(8_400.0, "suspect", 9_500.0);
            cut(9_500.0, "disconnected", 15_900.0);
        }
        if one_way.contains(&node) {
            cut(12_700.0, "suspect", 19_400.0);
        }
        let drop = 23_000.0 + random.f64() * 500.0;
        cut(drop, "disconnected", 27_200.0 + random.f64() * 900.0);
        if third.contains(&node) {
            cut(30_000.0, "suspect", 31_000.0);
            cut(31_000.0, "disconnected", 41_600.0);
        }
        if node == crashed {
            cut(33_000.0, "down", 38_000.0);
            cut(38_000.0, "starting", 39_100.0);
        }
        if node == paused {
            cut(36_000.0, "paused", 46_000.0);
            cut(46_000.0, "suspect", 46_500.0);
        }
        let mut spans = Vec::new();
        let mut at = 0.0;
        let mut push = |from_ms: f64, to_ms, state: &str| {
            if to_ms > from_ms {
                spans.push(Span { from_ms, to_ms, state: state.into() });
            }
        };
        for (from, to, state) in cuts {
            push(at, from, "live");
            push(from, to, state);
            at = to;
        }
        push(at, DURATION_MS, "live");
        let marks = marks(&spans, &mut random);
        NodeRow { name: format!("node-{node}"), spans, marks }
    });
    let nodes = rows.collect();
    let mut commits_ms: Vec<f64> = (0..1_800).map(|_| random.u32(..90_000).into()).collect();
    commits_ms.sort_by(f64::total_cmp);
    Timeline { seed: 4_711, duration_ms: DURATION_MS, heal_ms: HEAL_MS, nodes, shades, commits_ms }
}

fn marks(spans: &[Span], random: &mut fastrand::Rng) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut mark = |at_ms, kind: &str, detail: &str| {
        marks.push(Mark { at_ms, kind: kind.into(), detail: detail.into() });
    };
    for pair in spans.windows(2) {
        let at = pair[1].from_ms;
        match (pair[0].state.as_str(), pair[1].state.as_str()) {
            ("disconnected", "live") if random.bool() => {
                mark(at, "replay", "37 frames after the mark, from node-2");
            }
            ("disconnected", "live") => mark(at, "clear", "no witness before the deadline"),
            ("down", "starting") => mark(at, "restart", "new process"),
            ("suspect", "live") => mark(at, "gap", "2 numbers of node-7 missing"),
            ("live", "suspect") => {
                for _ in 0..3 {
                    let late = at - 400.0 + random.f64() * 350.0;
                    mark(late, "stale", "product:42, superseded 212 ms before the read");
                }
            }
            _ => {}
        }
    }
    marks
}

fn measures() -> Vec<Measure> {
    vec![
        Measure {
            name: "Invalidation latency".into(),
            meaning: "From the commit to the moment a node that held a copy had dropped it.".into(),
            unit: "ms".into(),
            phases: vec![
                curve("healthy", 1_204_551, 0.9, 1.6, 48.0),
                curve("faulty", 388_204, 1.6, 0.8, 12_400.0),
                curve("healing", 91_330, 1.1, 1.1, 1_870.0),
            ],
            never: 12,
        },
        Measure {
            name: "Time to the last node".into(),
            meaning: "From the commit until no node held a copy any more.".into(),
            unit: "ms".into(),
            phases: vec![
                curve("healthy", 30_010, 3.1, 1.4, 61.0),
                curve("faulty", 9_120, 44.0, 0.7, 12_400.0),
                curve("healing", 2_204, 6.0, 1.0, 1_910.0),
            ],
            never: 0,
        },
        Measure {
            name: "Staleness of stale reads".into(),
            meaning: "How long before the read the value had been superseded.".into(),
            unit: "ms".into(),
            phases: vec![
                curve("healthy", 180, 1.4, 1.2, 31.0),
                curve("faulty", 1_024, 60.0, 0.9, 441.2),
            ],
            never: 0,
        },
        Measure {
            name: "Recovery".into(),
            meaning: "From the end of the faults until a node was live again.".into(),
            unit: "ms".into(),
            phases: vec![curve("healing", 2_400, 180.0, 1.1, 1_870.0)],
            never: 0,
        },
    ]
}

/// A curve from the median to the largest; the more `bend`, the later it rises.
fn curve(phase: &str, count: u64, median: f64, bend: f64, max: f64) -> PhaseCurve {
    let last = (count as f64).log10();
    let at = |nines: f64| {
        let share = (nines - 0.301) / (last - 0.301);
        median * (max / median).powf(if share > 0.0 { share.powf(bend) } else { share })
    };
    let mut points: Vec<(f64, f64)> = (0..=100)
        .map(|step| f64::from(step) * 0.06)
        .filter(|nines| *nines <= last)
        .map(|nines| (100.0 * (1.0 - 10f64.powf(-nines)), at(nines)))
        .collect();
    points.push((100.0, max));
    PhaseCurve {
        phase: phase.into(),
        count,
        p50: at(0.301),
        p99: at(2.0),
        p999: at(3.0),
        max,
        points,
    }
}

fn coverage() -> Coverage {
    let words = |of: &str| of.split(' ').map(String::from).collect::<Vec<_>>();
    let faults = words(
        "partition one_way hold delay jitter duplicate drop broker_crash failover slow_subscriber \
         node_crash cloned_id pause clock_drift demotion garbage",
    );
    let states =
        words("unconfirmed unsynced synced gap_open requested replayed cleared adopted fenced");
    let mut random = fastrand::Rng::with_seed(9);
    let mut counts: Vec<Vec<u64>> = faults
        .iter()
        .map(|_| states.iter().map(|_| 10f64.powf(random.f64() * 5.0) as u64 + 1).collect())
        .collect();
    counts[11][3] = 0;
    counts[13][7] = 0;
    Coverage { faults, states, counts }
}

fn comparison() -> Vec<Comparison> {
    let row = |mode: &str, hit_ratio, stale, largest, p999, never| Comparison {
        mode: mode.into(),
        reads: 48_211_390,
        hit_ratio,
        stale,
        largest_staleness_ms: largest,
        latency_p50_ms: 0.92,
        latency_p999_ms: p999,
        never,
    };
    vec![
        row("Within(500 ms)", 0.942, 1_204, 441.2, 9_800.0, 12),
        row("Eventual", 0.968, 88_310, 11_930.0, 9_800.0, 12),
        row("naive", 0.971, 2_914_077, 90_000.0, 22_400.0, 41_202),
    ]
}
