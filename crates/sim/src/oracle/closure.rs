//! G7. For all entries of *n* that are alive and were made of several rows: nothing that covers any of these rows was
//! applied on *n* after the load began that read it from the source; and nothing was applied that covers the caches
//! they were read through. The same for what a read is handed, if it was applied before the read began.

use super::{Findings, Oracle, Terms, violation};
use crate::history::{Event, Facts, How, Place};
use crate::value::Part;

pub(super) struct Closure;

impl Oracle for Closure {
    fn name(&self) -> (&'static str, &'static str) {
        ("G7", "dependency closure")
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
            Event::Read { node, cache, value: Some(value), began, how, .. }
                if *how != How::Failed && value.parts.len() > 1 =>
            {
                for part in &*value.parts {
                    let applied = facts.nodes[*node].last_applied(part.cache, part.key);
                    let holds = !(part.began < applied && applied < began.seq);
                    judge(holds, *node, cache.as_str(), *part, place, findings);
                }
            }
            Event::Scanned { node, found }
            | Event::Final { node, found, .. }
            | Event::Advanced { node, found, .. } => {
                let made = found
                    .iter()
                    .filter(|it| it.alive)
                    .filter_map(|it| Some((it, it.value.as_ref()?)));
                for (entry, value) in made.filter(|(_, value)| value.parts.len() > 1) {
                    for part in &*value.parts {
                        let holds =
                            part.began > facts.nodes[*node].last_applied(part.cache, part.key);
                        judge(holds, *node, entry.cache.as_str(), *part, place, findings);
                    }
                }
            }
            _ => {}
        }
    }
}

fn judge(holds: bool, node: usize, cache: &str, part: Part, place: Place, findings: &mut Findings) {
    findings.check(holds, || {
        let what = format!(
            "node {node} has an entry in {cache} that was made of version {} of row {}, which was invalidated since",
            part.version, part.key
        );
        violation("G7", place, vec![node], what)
    });
}
