//! G2. Some time after the last fault, which follows from the configuration: for all live nodes *n* and keys *k*,
//! every entry of *n* that is alive holds no version of *k* older than the newest that is promised (not that of an
//! origin that died before it had published), and *n* says that it is live.

use super::{Findings, Oracle, Terms, violation};
use crate::history::{Event, Facts, Place};

pub(super) struct Convergence;

impl Oracle for Convergence {
    fn name(&self) -> (&'static str, &'static str) {
        ("G2", "convergence")
    }

    fn see(
        &mut self,
        event: &Event<'_>,
        place: Place,
        facts: &Facts,
        _: &Terms,
        findings: &mut Findings,
    ) {
        let Event::Final { node, found, live } = event else { return };
        findings.check(*live, || {
            violation(
                "G2",
                place,
                vec![*node],
                format!("node {node} is not live long after the last fault"),
            )
        });
        for entry in found.iter().filter(|entry| entry.alive) {
            for part in facts.nodes[*node].parts(entry.cache, entry.key, entry.value.as_ref()) {
                let promised = facts.promised(part.key);
                findings.check(part.version >= promised, || {
                    let by = facts.commit(part.key, promised).and_then(|commit| commit.by);
                    let what = format!(
                        "node {node} still holds version {} of row {} in {} entry {}, long after the last fault; version \
                         {promised} is promised (by {})",
                        part.version, part.key, entry.cache.as_str(), entry.key,
                        by.map_or("a foreign publisher".to_owned(), |by| format!("node {by}"))
                    );
                    violation("G2", place, by.into_iter().chain([*node]).collect(), what)
                });
            }
        }
    }
}
