//! Other lanes. A node that has heard of another number of lanes misses what travels on those that it does not have. So
//! for as long as it believes that (a second at least, with a short memory) no read of it is a hit; and what it had
//! before is never served again.

use super::{Findings, Oracle, Terms, violation};
use crate::history::{Event, Facts, How, Place};

pub(super) struct OtherLanes;

/// Three steady beacons of a cluster with a short memory.
const BELIEVED_NS: u64 = 1_000_000_000;

impl Oracle for OtherLanes {
    fn name(&self) -> (&'static str, &'static str) {
        ("LN", "nothing is served beside other lanes")
    }

    fn see(
        &mut self,
        event: &Event<'_>,
        place: Place,
        facts: &Facts,
        _: &Terms,
        findings: &mut Findings,
    ) {
        let Event::Read { node, cache, began, how: How::Hit, value, .. } = event else { return };
        let Some(heard) = facts.nodes[*node].other_lanes else { return };
        findings.check(began.at > heard.at + BELIEVED_NS, || {
            let what = format!(
                "node {node} served from {}, just after it had heard of other lanes",
                cache.as_str()
            );
            violation("LN", place, vec![*node], what)
        });
        if let Some(value) = value {
            findings.check(value.began > heard.seq, || {
                let what = format!(
                    "node {node} served from {} what it had before it heard of other lanes",
                    cache.as_str()
                );
                violation("LN", place, vec![*node], what)
            });
        }
    }
}
