//! G3. For all reads on *n* that began at *b* with the bound *d*, and every commit *c* newer than what was read: not
//! `b > max(completed(c), shown(c)) + d` on *n*'s own clock, where `shown` is the arrival of the next frame of that
//! origin if the broker silently lost the one that carried *c* on its way to *n*. In the first 50 ms after a machine
//! resumes, the suspended time does not count. An entry that lies in a cache and would be served is judged like a
//! read.

use std::time::Duration;

use super::{Findings, Oracle, Terms, violation};
use crate::history::{Event, Facts, How, Place};
use crate::value::{CacheName, Part};

pub(super) struct BoundedStaleness;

/// The watchdog's tick, and what it needs to run.
const RESUME: u64 = 60_000_000;

impl Oracle for BoundedStaleness {
    fn name(&self) -> (&'static str, &'static str) {
        ("G3", "bounded staleness")
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
            Event::Read { node, cache, key, began, how, value } if *how != How::Failed => {
                let Some(within) = terms.within(*cache) else { return };
                for part in facts.nodes[*node].parts(*cache, *key, value.as_ref()) {
                    judge(*node, *cache, part, began.at, within, place, facts, findings, "read");
                }
            }
            Event::Scanned { node, found } | Event::Final { node, found, .. } => {
                for entry in found.iter().filter(|entry| entry.served) {
                    let Some(within) = terms.within(entry.cache) else { continue };
                    for part in
                        facts.nodes[*node].parts(entry.cache, entry.key, entry.value.as_ref())
                    {
                        judge(
                            *node,
                            entry.cache,
                            part,
                            place.at,
                            within,
                            place,
                            facts,
                            findings,
                            "would serve",
                        );
                    }
                }
            }
            _ => {}
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "one judgement, and what it is about")]
fn judge(
    node: usize,
    cache: CacheName,
    part: Part,
    began: u64,
    within: Duration,
    place: Place,
    facts: &Facts,
    findings: &mut Findings,
    did: &str,
) {
    let of = &facts.nodes[node];
    let resumed = of.resumed_at.is_some_and(|at| began < at + RESUME);
    let began_local = facts.local(node, began);
    let late = facts.newer(part.key, part.version).find(|(_, commit)| {
        let knowable = facts.knowable(node, commit);
        knowable.is_some_and(|since| began_local > facts.local(node, since).after(within))
    });
    findings.check(resumed || late.is_none(), || {
        let (version, commit) = late.unwrap_or((0, &facts.commits(part.key)[0]));
        let stale = Duration::from_nanos(began.saturating_sub(commit.completed.unwrap_or(began)));
        let what = format!(
            "node {node} {did} version {} of row {} from {}, superseded by version {version} of {}, whose \
             invalidation had been completed for {stale:?}; the bound is {within:?}",
            part.version,
            part.key,
            cache.as_str(),
            commit.by.map_or("a foreign publisher".to_owned(), |by| format!("node {by}")),
        );
        violation("G3", place, commit.by.into_iter().chain([node]).collect(), what)
    });
}
