//! G4. For all entries of *n* that are alive at a moment, and all results that a read on *n* was handed: let *l* be
//! the load that read the row *k* from the source. Nothing that covers *k* (its key, its tag, its cache, everything)
//! was applied on *n* after *l* began; for a read that was handed a value: after *l* began and before the read did.
//!
//! Judged here for entries that were made of one row; those that were made of others are judged by G7.

use super::{Findings, Oracle, Terms, violation};
use crate::history::{Event, Facts, Found, How, Place};

pub(super) struct StaleFill;

impl Oracle for StaleFill {
    fn name(&self) -> (&'static str, &'static str) {
        ("G4", "no stale fill")
    }

    fn see(
        &mut self,
        event: &Event<'_>,
        place: Place,
        facts: &Facts,
        terms: &Terms,
        findings: &mut Findings,
    ) {
        if terms.naive {
            return;
        }
        match event {
            Event::Read { node, cache, key, began, how, value } if *how != How::Failed => {
                let of = &facts.nodes[*node];
                let parts = of.parts(*cache, *key, value.as_ref());
                let [part] = &parts[..] else { return };
                let applied = of.last_applied(part.cache, part.key);
                findings.check(!(part.began < applied && applied < began.seq), || {
                    let what = format!(
                        "node {node} was handed version {} of row {} from {}: the load had begun before, and the read \
                         after an invalidation was applied",
                        part.version, part.key, cache.as_str()
                    );
                    violation("G4", place, vec![*node], what)
                });
            }
            Event::Scanned { node, found }
            | Event::Final { node, found, .. }
            | Event::Advanced { node, found, .. } => {
                found.iter().for_each(|entry| judge(*node, entry, place, facts, findings));
            }
            _ => {}
        }
    }
}

fn judge(node: usize, entry: &Found, place: Place, facts: &Facts, findings: &mut Findings) {
    let of = &facts.nodes[node];
    let parts = of.parts(entry.cache, entry.key, entry.value.as_ref());
    let ([part], true) = (&parts[..], entry.alive) else { return };
    findings.check(part.began > of.last_applied(part.cache, part.key), || {
        let what = format!(
            "node {node} holds version {} of row {} in {}, from a load that began before an invalidation was applied",
            part.version,
            part.key,
            entry.cache.as_str()
        );
        violation("G4", place, vec![node], what)
    });
}
