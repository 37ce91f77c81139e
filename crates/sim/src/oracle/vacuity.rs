//! Non-vacuity. A cache that always drops everything would hold every guarantee above. So, after the faults: of the
//! rows that were just read at least nine in ten are hits, at nodes that did not have to drop everything in between;
//! and each node has dropped everything no more often than the faults of the run allow, in orderly plans never. And
//! what a node applies somebody has named just so.

use std::collections::BTreeSet;

use super::{Findings, Oracle, Terms, violation};
use crate::history::{Event, Facts, Place};

#[derive(Default)]
pub(super) struct Vacuity {
    hits: u64,
    reads: u64,
    settled: bool,
    /// Nodes that have dropped everything since.
    dropped: BTreeSet<usize>,
}

impl Oracle for Vacuity {
    fn name(&self) -> (&'static str, &'static str) {
        ("NV", "non-vacuity")
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
            Event::Settled => self.settled = true,
            Event::Dropped { node } if self.settled => {
                self.dropped.insert(*node);
            }
            Event::Reread { node, hit } if !self.dropped.contains(node) => {
                self.reads += 1;
                self.hits += u64::from(*hit);
            }
            Event::Final { .. } if self.reads > 0 => {
                let (hits, reads) =
                    (std::mem::take(&mut self.hits), std::mem::take(&mut self.reads));
                findings.check(hits * 10 >= reads * 9, || {
                    let what = format!("after the faults only {hits} of {reads} reads of what was just read were hits");
                    violation("NV", place, Vec::new(), what)
                });
            }
            Event::Applied { node, aim } if terms.exact => {
                findings.check(facts.is_named(*aim), || {
                    let what = format!("node {node} applied {aim:?}, which nobody has named");
                    violation("NV", place, vec![*node], what)
                });
            }
            Event::Failed { what } => {
                findings.check(false, || violation("NV", place, Vec::new(), (*what).to_owned()));
            }
            Event::Clears { node, clears, allowed } => findings.check(clears <= allowed, || {
                let what = format!(
                    "node {node} dropped everything {clears} times; the faults allow {allowed}"
                );
                violation("NV", place, vec![*node], what)
            }),
            _ => {}
        }
    }
}
