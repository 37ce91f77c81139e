//! Prompt repair. In orderly plans, where nothing but the loss itself is wrong: that a frame of targets was lost shows at every
//! node within 0.7 s, by a later one of its origin (the first beacon after a publish is due after 0.25 s); and what was
//! lost on its way to everybody comes back to its origin within 1.5 s, since it is published again.
//!
//! In plans with a short memory: nobody lists an origin for much longer than it may after that has ended.

use super::{Findings, Oracle, Terms, violation};
use crate::history::{Event, Facts, Place};

pub(super) struct PromptRepair;

const SHOWS_NS: u64 = 700_000_000;
const COMES_BACK_NS: u64 = 1_500_000_000;
/// Until the last frames of a dead node have been met, and with slices that were on their way.
const SLACK_NS: u64 = 300_000_000;

impl Oracle for PromptRepair {
    fn name(&self) -> (&'static str, &'static str) {
        ("PR", "prompt repair")
    }

    fn see(
        &mut self,
        event: &Event<'_>,
        place: Place,
        facts: &Facts,
        terms: &Terms,
        findings: &mut Findings,
    ) {
        match event {
            Event::Final { node, .. } if terms.orderly => {
                for lost in facts.nodes[*node].lost().iter().filter(|lost| lost.names) {
                    let shown = lost.shown.is_some_and(|at| at <= lost.at + SHOWS_NS);
                    findings.check(shown, || {
                        let what = format!(
                            "that number {} of node {} was lost did not show at node {node} in time",
                            lost.number, lost.from
                        );
                        violation("PR", place, vec![lost.from, *node], what)
                    });
                    if lost.from == *node && lost.to_all {
                        let back = lost.met.is_some_and(|at| at <= lost.at + COMES_BACK_NS);
                        findings.check(back, || {
                            let what = format!(
                                "number {} of node {node} was lost to everybody, and did not come back in time",
                                lost.number
                            );
                            violation("PR", place, vec![*node], what)
                        });
                    }
                }
            }
            Event::Listed { by, origin } => {
                let Some(listed_for) = terms.listed_for else { return };
                let most = listed_for.as_nanos() as u64 + SLACK_NS;
                let ended = facts.ended(*origin);
                findings.check(ended.is_none_or(|at| place.at <= at + most), || {
                    let what = format!("node {by} lists an origin that ended long ago");
                    violation("PR", place, vec![*by], what)
                });
            }
            _ => {}
        }
    }
}
