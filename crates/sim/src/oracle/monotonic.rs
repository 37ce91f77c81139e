//! G5. For all reads *r*, *s* of one row through one cache of one node: if *s* began after *r* had ended, *s* returns
//! no older version. The simulated source is linearizable. What a caller read from the source by itself, beside a cache
//! that refused to store it, is no read of the cache.

use super::{Findings, Oracle, Terms, violation};
use crate::history::{Event, Facts, How, Place};

pub(super) struct Monotonic;

impl Oracle for Monotonic {
    fn name(&self) -> (&'static str, &'static str) {
        ("G5", "monotonic reads")
    }

    fn see(
        &mut self,
        event: &Event<'_>,
        place: Place,
        facts: &Facts,
        _: &Terms,
        findings: &mut Findings,
    ) {
        let Event::Read { node, cache, key, began, how, value } = event else { return };
        if matches!(how, How::Failed | How::Fill) {
            return;
        }
        let of = &facts.nodes[*node];
        let parts = of.parts(*cache, *key, value.as_ref());
        let [part] = &parts[..] else { return };
        let returned = of.returned.get(&(*cache, *key));
        let before = returned.into_iter().flatten().rev().find(|(_, ended)| *ended < began.seq);
        findings.check(before.is_none_or(|(version, _)| part.version >= *version), || {
            let what = format!(
                "node {node} read version {} of row {key} from {} after version {}",
                part.version,
                cache.as_str(),
                before.map_or(0, |(version, _)| *version)
            );
            violation("G5", place, vec![*node], what)
        });
    }
}
