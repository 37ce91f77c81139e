use super::*;
use crate::attempt::attempt;
use crate::plan::{Mode, Profile, Request};
use crate::run::Options;
use crate::tiers::{Tier, TransportKind};

fn run(plan: &Plan) -> Attempt {
    attempt(Tier::Two, TransportKind::Redis, plan, Options::default()).unwrap()
}

fn storm(seed: u64) -> Plan {
    let request = Request {
        profile: Profile::Storm,
        mode: Some(Mode::Within { ms: 500 }),
        ..Request::default()
    };
    Plan::draw(&request, seed)
}

fn violated(guarantee: &str, mut attempt: Attempt) -> Attempt {
    attempt.violation = Some(Violation {
        guarantee: guarantee.to_owned(),
        at_ns: 1_500_000_000,
        nodes: vec![0, 2],
        what: "a test says so".to_owned(),
    });
    attempt
}

#[test]
fn runs_add_up() {
    let plans = [storm(1), storm(2)];
    let mut assembly = Assembly::default();
    let (mut checked, mut reads, mut commits) = (0, 0, 0);
    for plan in &plans {
        let attempt = run(plan);
        let outcome = attempt.outcome.as_ref().unwrap();
        checked += outcome.guarantees.iter().map(|row| row.checked).sum::<u64>();
        reads += outcome.measures.staleness.reads;
        commits += outcome.measures.counts.commits;
        assembly.absorb(0, plan.clone(), attempt);
    }
    let report = assembly.report(2.0);
    assert_eq!(report.guarantees.iter().map(|row| row.checked).sum::<u64>(), checked);
    assert_eq!(report.guarantees.len(), crate::oracle::all().len());
    assert_eq!(report.stale_reads.reads, reads);
    assert!(report.stale_reads.nines >= report.stale_reads.nines_at_least);
    let figure = |name: &str| report.figures.iter().find(|(it, _)| it == name).unwrap().1.clone();
    assert_eq!(figure("invalidations"), commits.to_string());
    assert_eq!(report.verdict.headline, "all guarantees held in 2 runs");
    assert_eq!(report.timeline.seed, 1);
    assert_eq!(report.timeline.shades.len(), plans[0].faults.len());
    let simulated_s = plans.iter().map(|plan| plan.duration_ms as f64 / 1e3).sum::<f64>();
    assert_eq!(report.speed.simulated_s, simulated_s);
    assert_eq!(report.speed.ratio, simulated_s / 2.0);
    let latency = &report.measures[0].phases[0];
    assert!(latency.count > 0 && latency.points.is_sorted_by(|a, b| a.1 <= b.1));
}

#[test]
fn the_first_of_the_worst_is_shown() {
    let mut assembly = Assembly::default();
    for (seed, guarantee) in [(1, None), (2, Some("G2")), (3, Some("G3")), (4, Some("G4"))] {
        let plan = storm(seed);
        let attempt = run(&plan);
        let attempt = match guarantee {
            Some(guarantee) => violated(guarantee, attempt),
            None => attempt,
        };
        assembly.absorb(0, plan, attempt);
        let expected =
            [Outcome::Held, Outcome::Liveness, Outcome::Broken, Outcome::Broken][seed as usize - 1];
        assert_eq!(assembly.outcome(), expected);
    }
    let report = assembly.report(1.0);
    assert_eq!(report.timeline.seed, 3);
    assert_eq!(
        report.verdict.headline,
        "3 of 4 runs failed; the first: G3 was broken at 1.500000 s of seed 3, by node 0 and node 2"
    );
    let marked = |node: usize| {
        let marks = &report.timeline.nodes[node].marks;
        marks.iter().any(|mark| mark.kind == "violation" && mark.detail == "G3: a test says so")
    };
    assert!(marked(0) && !marked(1) && marked(2));
}

#[test]
fn a_report_survives_being_written() {
    let mut assembly = Assembly::default();
    assembly.absorb(0, storm(5), run(&storm(5)));
    let report = assembly.report(1.0);
    let text = serde_json::to_string(&report).unwrap();
    let read: Report = serde_json::from_str(&text).unwrap();
    // Not all of it: the last digit of a fraction may be another one.
    assert_eq!(read.timeline, report.timeline);
    assert_eq!((read.guarantees, read.coverage), (report.guarantees, report.coverage));
}

#[test]
fn a_panic_is_counted_and_shown() {
    let mut assembly = Assembly::default();
    let attempt = Attempt { outcome: None, violation: None };
    assembly.absorb(0, storm(9), violated(crate::attempt::PANIC, attempt));
    let report = assembly.report(0.0);
    assert_eq!(report.verdict.outcome, Outcome::Broken);
    assert_eq!(report.verdict.headline, "1 of 1 run failed; the first: the run of seed 9 panicked");
}

/// What the coverage table would be if every state had been reached under every kind of fault, but for one cell.
fn covered_but_for(fault: &str, state: &str) -> Coverage {
    let mut coverage = Coverage::default();
    for name in crate::plan::FaultKind::NAMES {
        let row = coverage.counts.entry(name).or_default();
        row.extend(crate::run::STATES.map(|it| (it, u64::from((*name, it) != (fault, state)))));
    }
    coverage
}

#[test]
fn an_empty_cell_is_a_failure_where_coverage_is_demanded() {
    let mut assembly = Assembly::covering(covered_but_for("demotion", "syncs_alone"));
    assert_eq!(assembly.report(1.0).verdict.outcome, Outcome::Held);
    assembly.demand_coverage();
    let report = assembly.report(1.0);
    assert_eq!(report.verdict.outcome, Outcome::Liveness);
    assert_eq!(
        report.verdict.headline,
        format!(
            "all guarantees held in 1 run, but of the {} cells of the coverage table 1 stayed empty",
            report.coverage.cells()
        )
    );
    assert_eq!(report.coverage.empty().collect::<Vec<_>>(), [("demotion", "syncs_alone")]);
    assembly.coverage = covered_but_for("", "");
    let report = assembly.report(1.0);
    assert_eq!(report.verdict.outcome, Outcome::Held);
    assert_eq!(report.coverage.empty().count(), 0);
}

#[test]
fn a_broken_guarantee_outweighs_an_empty_cell() {
    let mut assembly = Assembly::default();
    assembly.demand_coverage();
    let plan = storm(1);
    let attempt = violated("G4", run(&plan));
    assembly.absorb(0, plan, attempt);
    assert_eq!(assembly.report(1.0).verdict.outcome, Outcome::Broken);
}
