//! G2. Some time after the last fault, which follows from the configuration: for all live nodes *n* and keys *k*,
//! every entry of *n* that is alive holds no version of *k* older than the newest that is promised (not that of an
//! origin that died before it had published), and *n* is live, or has been until just now: a beacon can tell at any
//! time of a frame that nobody has any more, for which a node looks for a second.

use std::collections::BTreeMap;

use super::{Findings, Oracle, Terms, violation};
use crate::history::{Event, Facts, Place};

/// A gap's deadline, and what it takes to notice that it is over.
const MOST_SUSPECT_NS: u64 = 1_500_000_000;
/// The end of a run, of which half may be suspect, in one piece or in several.
const END_NS: u64 = 2 * MOST_SUSPECT_NS;
/// Conditions are looked at this often.
const LOOKED_AT_NS: u64 = 10_000_000;

#[derive(Default)]
pub(super) struct Convergence {
    /// When each node was seen not to be live.
    not_live: BTreeMap<usize, Vec<u64>>,
}

impl Convergence {
    fn not_live(&mut self, node: usize, at: u64) {
        self.not_live.entry(node).or_default().push(at);
    }

    /// Whether the node, which is not live now, has been for most of the end.
    fn was_live(&self, node: usize, now: u64) -> bool {
        let all = self.not_live.get(&node).map_or(&[][..], Vec::as_slice);
        let suspect = all.iter().filter(|at| now - **at < END_NS).count() as u64;
        // If none was seen, nobody has looked.
        suspect > 0 && suspect * LOOKED_AT_NS <= MOST_SUSPECT_NS
    }
}

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
        if let Event::Condition { node, .. } = event {
            self.not_live(*node, place.at);
        }
        let Event::Final { node, found, live } = event else { return };
        findings.check(*live || self.was_live(*node, place.at), || {
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

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn only_who_has_just_been_live_need_not_be() {
        let mut oracle = Convergence::default();
        // Not live for long some time ago, and again since a moment.
        (0..300).chain(700..750).for_each(|tick| oracle.not_live(1, tick * 10 * MS));
        (0..750).for_each(|tick| oracle.not_live(2, tick * 10 * MS));
        assert!(oracle.was_live(1, 7_500 * MS));
        assert!(!oracle.was_live(2, 7_500 * MS));
        assert!(!oracle.was_live(3, 7_500 * MS), "nobody has looked");
        // Live for a moment, again and again.
        (0..750).filter(|tick| tick % 5 > 1).for_each(|tick| oracle.not_live(4, tick * 10 * MS));
        assert!(!oracle.was_live(4, 7_500 * MS));
    }
}
