//! G6. Whenever *n* moves its horizon to *h*: for every invalidation that was completed before *h* (on *n*'s clock),
//! of which *n* could know before this moment that it exists, no entry of *n* that is alive, in any cache, holds an older version. So
//! whatever was missed in an outage was applied or dropped before *n* goes on.

use super::{Findings, Oracle, Terms, violation};
use crate::history::{Event, Facts, Place};

pub(super) struct NothingLost;

impl Oracle for NothingLost {
    fn name(&self) -> (&'static str, &'static str) {
        ("G6", "nothing lost across an outage")
    }

    fn see(
        &mut self,
        event: &Event<'_>,
        place: Place,
        facts: &Facts,
        _: &Terms,
        findings: &mut Findings,
    ) {
        let Event::Advanced { node, horizon, found } = event else { return };
        for entry in found.iter().filter(|entry| entry.alive) {
            for part in facts.nodes[*node].parts(entry.cache, entry.key, entry.value.as_ref()) {
                let missed = facts.newer(part.key, part.version).find(|(_, commit)| {
                    let completed = commit.completed.map(|at| facts.local(*node, at));
                    completed.is_some_and(|at| at < *horizon)
                        && facts.knowable(*node, commit).is_some_and(|since| since < place.at)
                });
                findings.check(missed.is_none(), || {
                    let (version, commit) = missed.unwrap_or((0, &facts.commits(part.key)[0]));
                    let what = format!(
                        "node {node} moved its horizon to {horizon:?} and holds version {} of row {} in {} entry {}; the \
                         invalidation for version {version} was completed at {:?}",
                        part.version,
                        part.key,
                        entry.cache.as_str(),
                        entry.key,
                        commit.completed.map(|at| facts.local(*node, at)),
                    );
                    violation("G6", place, commit.by.into_iter().chain([*node]).collect(), what)
                });
            }
        }
    }
}
