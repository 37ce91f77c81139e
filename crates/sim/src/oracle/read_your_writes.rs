//! G1. For all nodes *n*, keys *k*, versions *v*: if `invalidate(k)` for *v* returned on *n* at *s*, then every read
//! on *n* that began after *s* and whose result contains *k* contains a version of at least *v*.

use super::{Findings, Oracle, Terms, violation};
use crate::history::{Event, Facts, How, Place};

pub(super) struct ReadYourWrites;

impl Oracle for ReadYourWrites {
    fn name(&self) -> (&'static str, &'static str) {
        ("G1", "read your writes")
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
        if *how == How::Failed {
            return;
        }
        let of = &facts.nodes[*node];
        for part in of.parts(*cache, *key, value.as_ref()) {
            let Some((version, since)) = of.floors.get(&part.key) else { continue };
            findings.check(*since > began.seq || part.version >= *version, || {
                let what = format!(
                    "node {node} read version {} of row {} from {}, after it had itself invalidated it for version \
                     {version}",
                    part.version, part.key, cache.as_str()
                );
                violation("G1", place, vec![*node], what)
            });
        }
    }
}
