//! The hub keeps the contract; and the suite finds every transport that does not.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod flawed;
mod flaws;
mod harness;

use std::collections::BTreeSet;
use std::time::Duration;

use flaws::{FLAWS, Flaw};
use harness::{Abilities, MemoryHarness, Wrapping};
use unstale::conformance::{self, Report};

async fn run(wrapping: Wrapping) -> Report {
    conformance::run(&MemoryHarness::new(wrapping, Abilities::All)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_keeps_the_contract_on_many_threads() {
    let report = run(Wrapping::None).await;
    report.assert_passed();
    assert_eq!(report.skipped().count(), 0, "{report}");
}

#[tokio::test(start_paused = true)]
async fn the_hub_keeps_the_contract_on_one_thread() {
    let report = run(Wrapping::None).await;
    report.assert_passed();
    assert_eq!(report.skipped().count(), 0, "{report}");
}

#[tokio::test(start_paused = true)]
async fn the_fault_decorator_adds_no_fault_of_its_own() {
    for delay in [Duration::ZERO, Duration::from_millis(1)] {
        let report = run(Wrapping::Faulty(delay)).await;
        report.assert_passed();
        assert_eq!(report.skipped().count(), 0, "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_apply_is_counted_and_says_why() {
    let harness = MemoryHarness::new(Wrapping::Flawed(Flaw::NoNativeFences), Abilities::Required);
    let report = conformance::run(&harness).await;
    report.assert_passed();
    let skipped: BTreeSet<_> = report.skipped().collect();
    assert_eq!(skipped.len(), 11, "{report}");
    let reason = "the transport has no native fences";
    assert!(skipped.contains(&("a_fence_belongs_to_its_subscription", reason)));
    let reason = "the harness has no `publish_foreign`";
    assert!(skipped.contains(&("foreign_frames_arrive", reason)));
}

/// One test for all flaws: it also shows that no case is there for nothing.
#[tokio::test(start_paused = true)]
async fn every_flaw_is_found_and_every_case_finds_one() {
    let mut idle: BTreeSet<&str> =
        run(Wrapping::None).await.cases().map(|(name, _)| name).collect();
    let mut missed = Vec::new();
    for &(flaw, finders) in FLAWS {
        let report = run(Wrapping::Flawed(flaw)).await;
        let found: BTreeSet<_> = report.failures().map(|(name, _)| name).collect();
        for finder in finders {
            if !found.contains(finder) {
                missed.push(format!("{flaw:?} is not found by {finder}:\n{report}"));
            }
        }
        for name in found {
            idle.remove(name);
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n\n"));
    assert!(idle.is_empty(), "cases that never failed: {idle:?}");
}
