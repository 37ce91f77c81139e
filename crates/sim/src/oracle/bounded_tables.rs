//! G8. Every table that a node tells the size of is within its limit; and of one key of one cache of one node no more
//! than two loads run at a time, of which at most one can still be stored.

use super::{Findings, Oracle, Terms, violation};
use crate::history::{Event, Facts, Place};

pub(super) struct BoundedTables;

impl Oracle for BoundedTables {
    fn name(&self) -> (&'static str, &'static str) {
        ("G8", "bounded everything")
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
            Event::Size { node, table, size, limit } => findings.check(size <= limit, || {
                let what = format!("node {node}: {table} holds {size}, and its limit is {limit}");
                violation("G8", place, vec![*node], what)
            }),
            Event::LoadBegan { node, cache, key, shared: true } if !terms.naive => {
                let loading = facts.nodes[*node].loading.get(&(*cache, *key)).copied().unwrap_or(0);
                findings.check(loading <= 2, || {
                    let what = format!(
                        "node {node}: {loading} loads of {key} in {} at a time",
                        cache.as_str()
                    );
                    violation("G8", place, vec![*node], what)
                });
            }
            _ => {}
        }
    }
}
