//! How often, and by how much, a read is stale.

use super::{Phases, Split};
use crate::history::{Event, Facts, How};
use crate::oracle::Terms;
use crate::value::CacheName;

/// Reads of superseded values.
#[derive(Debug, Default)]
pub(crate) struct Staleness {
    /// For each stale read: its begin minus the completion of the oldest invalidation that it ignores.
    pub(crate) stale: Split,
    /// Reads of the cache `rows`.
    pub(crate) reads: u64,
    pub(crate) stale_reads: u64,
    pub(crate) largest_ns: u64,
}

impl Staleness {
    pub(super) fn see(&mut self, event: &Event<'_>, facts: &Facts, _: &Terms, phases: &Phases) {
        let Event::Read { node, cache: CacheName::Rows, key, began, how, value } = event else {
            return;
        };
        if *how == How::Failed {
            return;
        }
        self.reads += 1;
        for part in facts.nodes[*node].parts(CacheName::Rows, *key, value.as_ref()) {
            let completed =
                facts.newer(part.key, part.version).filter_map(|(_, commit)| commit.completed);
            let Some(oldest) = completed.min().filter(|completed| *completed < began.at) else {
                continue;
            };
            let stale_ns = began.at - oldest;
            self.stale_reads += 1;
            self.largest_ns = self.largest_ns.max(stale_ns);
            self.stale.add(phases.at(began.at), stale_ns / 1_000);
        }
    }
}
