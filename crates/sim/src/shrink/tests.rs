use super::*;
use crate::plan::{Action, FaultKind, Mode, Profile, Request};
use crate::run::Options;
use crate::tier2;

/// Plans of nodes that promise nothing, judged as if they did.
fn naive(seed: u64) -> Plan {
    let request =
        Request { profile: Profile::Storm, mode: Some(Mode::Naive), ..Request::default() };
    Plan::draw(&request, seed)
}

fn breaks(plan: &Plan) -> Option<Violation> {
    tier2::run(plan, Options::default()).violation
}

fn quietly(
    plan: Plan,
    most_runs: usize,
    run: &mut dyn FnMut(&Plan) -> Option<Violation>,
) -> Shrunk {
    let violation = run(&plan).unwrap();
    shrink(plan, violation, most_runs, run, &mut |_, _| {})
}

#[test]
fn hundreds_of_entries_become_a_few_that_break_the_same() {
    let failing = (0..).map(naive).filter(|plan| plan.entries() >= 200 && breaks(plan).is_some());
    for plan in failing.take(2) {
        let seed = plan.seed;
        let guarantee = breaks(&plan).unwrap().guarantee;
        let shrunk = quietly(plan.clone(), 1_000, &mut breaks);
        assert!(shrunk.plan.entries() <= 15, "seed {seed}: {}", shrunk.plan.entries());
        assert!(shrunk.plan.duration_ms < plan.duration_ms);
        let again = breaks(&shrunk.plan).unwrap();
        assert_eq!(again, shrunk.violation);
        assert_eq!(again.guarantee, guarantee);
    }
}

#[test]
fn the_same_plan_shrinks_to_the_same_plan() {
    let failing = (0..).map(naive).find(|plan| breaks(plan).is_some()).unwrap();
    let once = quietly(failing.clone(), 150, &mut breaks);
    let twice = quietly(failing, 150, &mut breaks);
    assert_eq!(once.plan, twice.plan);
    assert!(once.runs <= 150);
}

fn says(guarantee: &str) -> Option<Violation> {
    let what = String::new();
    Some(Violation { guarantee: guarantee.to_owned(), at_ns: 6_000_000_000, nodes: vec![], what })
}

/// A demotion together with two writes, found among everything else; a cut alone breaks something else.
#[test]
fn what_breaks_something_else_is_not_taken() {
    let mut plan = naive(1);
    plan.faults.push(Fault { at_ms: 5_000, kind: FaultKind::Demotion });
    plan.faults.push(Fault { at_ms: 5_100, kind: FaultKind::Cut { nodes: vec![0] } });
    let writes = |plan: &Plan| {
        plan.workload.iter().filter(|op| matches!(op.what, Action::Write { .. })).count()
    };
    assert!(writes(&plan) >= 2);
    let shrunk = quietly(plan, 2_000, &mut |plan| {
        let has = |wanted: &str| plan.faults.iter().any(|it| it.kind.name() == wanted);
        if has("demotion") && writes(plan) >= 2 {
            says("G3")
        } else {
            has("cut").then(|| says("G6")).flatten()
        }
    });
    assert_eq!(shrunk.violation.guarantee, "G3");
    assert_eq!((shrunk.plan.faults.len(), shrunk.plan.workload.len()), (1, 2));
    assert_eq!(shrunk.plan.faults[0].kind, FaultKind::Demotion);
    assert!(shrunk.plan.topology.nodes <= 2 && !shrunk.plan.topology.nested);
}

#[test]
fn times_and_counts_become_smaller() {
    let mut plan = naive(2);
    plan.workload.clear();
    plan.faults = vec![
        Fault { at_ms: 3_000, kind: FaultKind::BrokerStall { for_ms: 1_600 } },
        Fault { at_ms: 4_000, kind: FaultKind::Burst { node: 0, writes: 100 } },
    ];
    let shrunk = quietly(plan.clone(), 200, &mut |plan| {
        let stalls = plan.faults.iter().any(|it| it.kind.lasts_ms() >= 100);
        let bursts = plan
            .faults
            .iter()
            .any(|it| matches!(it.kind, FaultKind::Burst { writes, .. } if writes >= 5));
        if stalls && bursts { says("G2") } else { None }
    });
    assert_eq!(shrunk.plan.faults[0].kind, FaultKind::BrokerStall { for_ms: 100 });
    assert_eq!(shrunk.plan.faults[1].kind, FaultKind::Burst { node: 0, writes: 7 });
    assert_eq!(shrunk.plan.faults[0].at_ms, 0);
    // The time to converge is not cut.
    let quiet = |plan: &Plan| plan.duration_ms - plan.heal_ms;
    assert_eq!(quiet(&shrunk.plan), quiet(&plan));
    assert!(shrunk.plan.heal_ms < 1_200, "{}", shrunk.plan.heal_ms);
}

#[test]
fn the_number_of_runs_is_bounded() {
    let mut runs = 0;
    let shrunk = quietly(naive(3), 25, &mut |_| {
        runs += 1;
        says("G3").filter(|_| runs % 3 == 1)
    });
    assert_eq!((shrunk.runs, runs), (25, 26));
}
