//! G9. A numbered frame that a node meets again on the same subscription, while its log still holds it, changes
//! nothing: no target is applied, nothing is dropped.

use super::{Findings, Oracle, Terms, violation};
use crate::history::{Event, Facts, Place};

pub(super) struct Duplicates;

impl Oracle for Duplicates {
    fn name(&self) -> (&'static str, &'static str) {
        ("G9", "duplicates are harmless")
    }

    fn see(
        &mut self,
        event: &Event<'_>,
        place: Place,
        _: &Facts,
        _: &Terms,
        findings: &mut Findings,
    ) {
        if let Event::MetAgain { node, changed } = event {
            findings.check(!changed, || {
                let what = format!("node {node} met a frame again, and it changed something");
                violation("G9", place, vec![*node], what)
            });
        }
    }
}
