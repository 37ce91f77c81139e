//! How long invalidations take.

use std::collections::BTreeMap;

use super::{Phase, Split};
use crate::history::{Event, Place};
use crate::value::{Aim, CacheName, tag_of};

/// From commit to application, for nodes that held a copy.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// Apply time minus commit time, for each pair of commit and node that held a copy.
    pub(crate) each: Split,
    /// The same for the last node of each commit.
    pub(crate) last: Split,
    /// Pairs that never came to an application: the node dropped everything, or died, or the run ended.
    pub(crate) never: u64,
    open: BTreeMap<u64, Vec<Open>>,
}

/// A commit some of whose holders have not applied it.
#[derive(Debug)]
struct Open {
    at: u64,
    phase: Phase,
    waiting: Vec<usize>,
    /// The longest of those who have, in microseconds.
    longest: Option<u64>,
}

impl Latencies {
    pub(super) fn see(&mut self, event: &Event<'_>, place: Place, phase: Phase) {
        match event {
            Event::Committed { key, holders, .. } if !holders.is_empty() => {
                let open = Open { at: place.at, phase, waiting: holders.to_vec(), longest: None };
                self.open.entry(*key).or_default().push(open);
            }
            Event::Applied { node, aim } => self.applied(*node, *aim, place.at),
            Event::Dropped { node } | Event::Stopped { node, .. } => {
                for open in self.open.values_mut().flatten() {
                    let before = open.waiting.len();
                    open.waiting.retain(|waiting| waiting != node);
                    self.never += (before - open.waiting.len()) as u64;
                }
                self.open.values_mut().for_each(|open| open.retain(|it| !it.waiting.is_empty()));
            }
            Event::Final { node, .. } => {
                for open in self.open.values_mut().flatten() {
                    let before = open.waiting.len();
                    open.waiting.retain(|waiting| waiting != node);
                    self.never += (before - open.waiting.len()) as u64;
                }
            }
            _ => {}
        }
    }

    fn applied(&mut self, node: usize, aim: Aim, now: u64) {
        let keys: Vec<u64> = match aim {
            Aim::Key(CacheName::Rows, key) => vec![key],
            Aim::Key(..) => return,
            Aim::Tag(tag) => self.open.keys().copied().filter(|key| tag_of(*key) == tag).collect(),
            Aim::Cache(CacheName::Rows) | Aim::Everything => self.open.keys().copied().collect(),
            Aim::Cache(_) => return,
        };
        for key in keys {
            let Some(commits) = self.open.get_mut(&key) else { continue };
            for open in &mut *commits {
                let before = open.waiting.len();
                open.waiting.retain(|waiting| *waiting != node);
                if open.waiting.len() == before {
                    continue;
                }
                // Nodes tell what they did not always in the order of time. One that applied an older invalidation
                // before this commit did not hold the copy any more.
                if let Some(took) = now.checked_sub(open.at) {
                    let micros = took / 1_000;
                    self.each.add(open.phase, micros);
                    open.longest = open.longest.max(Some(micros));
                }
                if let Some(longest) = open.longest.filter(|_| open.waiting.is_empty()) {
                    self.last.add(open.phase, longest);
                }
            }
            commits.retain(|open| !open.waiting.is_empty());
        }
    }
}
