//! What is run at night: so much that every kind of fault meets every state of the protocol. What was never met was
//! never tested, so an empty cell of the coverage table is a failure.

use std::ops::ControlFlow;

use super::args::Args;
use super::batch::Batch;
use super::simulate::{conclude, drive};
use super::{Error, Exit};
use crate::plan::{Profile, Request};
use crate::tiers::{Tier, TransportKind};

pub(super) fn run(args: &Args) -> Result<Exit, Error> {
    let batches = batches();
    let mut driven = drive(args, &batches, |_| ControlFlow::Continue(()))?;
    driven.assembly.demand_coverage();
    conclude(args, &batches, driven, Vec::new())
}

/// The rarest cells, a gap that no replay closes just when a failover or wrong credentials end all connections, take about
/// 3,000 storms of tier 2 each; there are four times as many. Seeds are disjoint, so that no plan is run twice in one
/// tier.
fn batches() -> Vec<Batch> {
    let storm = |seeds| Batch::new(Profile::Storm, seeds);
    let swarm = |seeds| Batch::new(Profile::Swarm, seeds);
    let calm = |nodes| Batch {
        request: Request { profile: Profile::Calm, nodes: Some(nodes), ..Request::default() },
        ..Batch::new(Profile::Calm, 0..1)
    };
    let real = |tier, transport, batch| Batch { tier, transport, ..batch };
    let kept = |batch: Batch| {
        let request = Request { kept_subscriptions: true, ..batch.request };
        Batch { request, ..batch }
    };
    let mut batches = vec![
        // Early: it takes one of the threads for long.
        calm(3_000),
        real(Tier::Three, TransportKind::Redis, calm(48)),
        real(Tier::One, TransportKind::Redis, storm(0..200)),
        real(Tier::One, TransportKind::Memory, storm(200..400)),
        real(Tier::One, TransportKind::Azure, kept(storm(600..800))),
        real(Tier::One, TransportKind::Redis, swarm(0..20)),
        real(Tier::Three, TransportKind::Redis, storm(400..440)),
        storm(0..12_000),
        swarm(0..500),
    ];
    batches.extend(storm(0..10).with_each_focus());
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::assemble::Assembly;
    use crate::run::{Coverage, STATES};

    /// What a night ends with and says if it reached all cells but these.
    fn night(empty: &[(&str, &str)]) -> (Exit, String) {
        let mut coverage = Coverage::default();
        for fault in crate::plan::FaultKind::NAMES {
            let row = coverage.counts.entry(fault).or_default();
            row.extend(STATES.map(|state| (state, u64::from(!empty.contains(&(*fault, state))))));
        }
        let mut assembly = Assembly::covering(coverage);
        assembly.demand_coverage();
        let report = assembly.report(1.0);
        let mut said = Vec::new();
        super::super::summary::write_empty_cells(&mut said, &report.coverage).unwrap();
        (report.verdict.outcome.into(), String::from_utf8(said).unwrap())
    }

    #[test]
    fn an_empty_cell_is_named_and_ends_with_3() {
        let (exit, said) = night(&[("demotion", "syncs_alone"), ("burst", "duplicates")]);
        assert_eq!(exit as u8, 3);
        assert_eq!(said, "Never reached: demotion × syncs_alone, burst × duplicates\n");
    }

    #[test]
    fn a_fault_that_is_drawn_alone_meets_nothing() {
        let (exit, said) = night(&STATES.map(|state| ("other-lanes", state)));
        assert_eq!(exit as u8, 0, "{said}");
    }

    #[test]
    fn a_night_without_a_hole_ends_with_0() {
        let (exit, said) = night(&[]);
        assert_eq!(exit as u8, 0);
        assert!(!said.contains("Never"), "{said}");
    }

    #[test]
    fn no_plan_is_run_twice() {
        let batches = batches();
        for (index, batch) in batches.iter().enumerate() {
            for other in &batches[index + 1..] {
                let same = (batch.tier, batch.request) == (other.tier, other.request);
                let apart =
                    batch.seeds.end <= other.seeds.start || other.seeds.end <= batch.seeds.start;
                assert!(!same || apart, "{batch:?} {other:?}");
            }
        }
    }
}
