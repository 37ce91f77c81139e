//! What is true, as far as oracles need it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use unstale::{NodeId, Timestamp};

use super::event::{Event, How, Place};
use crate::clock::MachineClock;
use crate::plan::Means;
use crate::value::{Aim, CacheName, Part, tag_of};

/// A version of a row.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) at: u64,
    pub(crate) by: Option<usize>,
    /// When its invalidation was completed.
    pub(crate) completed: Option<u64>,
    /// Its node died before it had published: nothing is promised.
    pub(crate) orphaned: bool,
}

/// A frame that the broker lost on its way to somebody.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    pub(crate) from: usize,
    origin: NodeId,
    pub(crate) number: u64,
    pub(crate) at: u64,
    /// On its way to everybody.
    pub(crate) to_all: bool,
    /// It may name something: else it is a beacon.
    pub(crate) names: bool,
    /// When this node met it, or a later one of its origin.
    pub(crate) shown: Option<u64>,
    /// When this node met exactly this one.
    pub(crate) met: Option<u64>,
}

/// What is true of a node.
#[derive(Debug)]
pub(crate) struct NodeFacts {
    pub(crate) clock: Arc<MachineClock>,
    pub(crate) running: bool,
    /// The last time that each aim was applied, its own invalidations included.
    applied: BTreeMap<Aim, u64>,
    /// Versions that this node itself has invalidated: nothing older may be read.
    pub(crate) floors: BTreeMap<u64, (u64, u64)>,
    /// The newest that reads which have ended returned, and where they ended.
    pub(crate) returned: BTreeMap<(CacheName, u64), Vec<(u64, u64)>>,
    /// The last load that found nothing: where it began, and the version that says so.
    absent: BTreeMap<(CacheName, u64), (u64, u64)>,
    pub(crate) loading: BTreeMap<(CacheName, u64), u32>,
    lost: Vec<Lost>,
    pub(crate) resumed_at: Option<u64>,
    /// Where it last heard that a node has other lanes.
    pub(crate) other_lanes: Option<Place>,
}

impl NodeFacts {
    fn new(clock: Arc<MachineClock>) -> Self {
        Self {
            clock,
            running: false,
            applied: BTreeMap::new(),
            floors: BTreeMap::new(),
            returned: BTreeMap::new(),
            absent: BTreeMap::new(),
            loading: BTreeMap::new(),
            lost: Vec::new(),
            resumed_at: None,
            other_lanes: None,
        }
    }

    /// The frames that were lost since it began.
    pub(crate) fn lost(&self) -> &[Lost] {
        &self.lost
    }

    /// Where in the history something that covers this row was last applied here.
    pub(crate) fn last_applied(&self, cache: CacheName, key: u64) -> u64 {
        let covering = Aim::covering(cache, key);
        covering.iter().filter_map(|aim| self.applied.get(aim)).max().copied().unwrap_or(0)
    }

    /// The rows that an entry was made of; one that says "nothing there" was made by the last load that found
    /// nothing.
    pub(crate) fn parts(
        &self,
        cache: CacheName,
        key: u64,
        value: Option<&crate::value::Value>,
    ) -> Vec<Part> {
        match value {
            Some(value) => value.parts.to_vec(),
            None => {
                let last = self.absent.get(&(cache, key));
                last.map(|(began, version)| Part { cache, key, version: *version, began: *began })
                    .into_iter()
                    .collect()
            }
        }
    }
}

/// What is true of the world.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    commits: BTreeMap<u64, Vec<Commit>>,
    /// What somebody has named.
    named: BTreeSet<Aim>,
    /// Names under which nobody speaks any more, and since when.
    ended: BTreeMap<NodeId, u64>,
    pub(crate) nodes: Vec<NodeFacts>,
}

impl Facts {
    pub(crate) fn new(clocks: Vec<Arc<MachineClock>>) -> Self {
        Self { nodes: clocks.into_iter().map(NodeFacts::new).collect(), ..Self::default() }
    }

    /// Whether an invalidation has named this.
    pub(crate) fn is_named(&self, aim: Aim) -> bool {
        self.named.contains(&aim)
    }

    /// Since when nobody speaks under this name.
    pub(crate) fn ended(&self, origin: NodeId) -> Option<u64> {
        self.ended.get(&origin).copied()
    }

    /// The versions of a row, the first being number 1; version 0 was there from the start.
    pub(crate) fn commits(&self, key: u64) -> &[Commit] {
        self.commits.get(&key).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn commit(&self, key: u64, version: u64) -> Option<&Commit> {
        self.commits(key).get(usize::try_from(version.checked_sub(1)?).ok()?)
    }

    /// Versions newer than this one, with their commits.
    pub(crate) fn newer(&self, key: u64, version: u64) -> impl Iterator<Item = (u64, &Commit)> {
        let skip = usize::try_from(version).unwrap_or(usize::MAX);
        let newer = self.commits(key).iter().skip(skip).zip(version + 1..);
        newer.map(|(commit, version)| (version, commit))
    }

    /// Since when a node could have known that the invalidation of this commit exists: its completion, or the
    /// moment at which its loss showed. `None`: it could not, or it was never completed.
    pub(crate) fn knowable(&self, node: usize, commit: &Commit) -> Option<u64> {
        let completed = commit.completed?;
        let mut since = completed;
        for lost in &self.nodes[node].lost {
            let carried =
                commit.by == Some(lost.from) && lost.at >= commit.at && lost.at <= completed;
            if carried {
                since = since.max(lost.shown?);
            }
        }
        Some(since)
    }

    /// The newest version that a node may be expected to have after everything has healed.
    pub(crate) fn promised(&self, key: u64) -> u64 {
        let commits = self.commits(key).iter().zip(1..);
        commits
            .filter(|(commit, _)| !commit.orphaned)
            .map(|(_, version)| version)
            .max()
            .unwrap_or(0)
    }

    pub(crate) fn local(&self, node: usize, at: u64) -> Timestamp {
        self.nodes[node].clock.local(at)
    }

    /// Takes in what happened, before the oracles judge it.
    pub(crate) fn see(&mut self, event: &Event<'_>, place: Place) {
        match *event {
            Event::Started { node } => {
                let clock = Arc::clone(&self.nodes[node].clock);
                self.nodes[node] = NodeFacts { running: true, ..NodeFacts::new(clock) };
            }
            Event::Stopped { node, origin } => {
                self.stopped(node);
                self.ended.extend(origin.map(|origin| (origin, place.at)));
            }
            Event::Resumed { node } => self.nodes[node].resumed_at = Some(place.at),
            Event::Committed { by, key, version, .. } => {
                if by.is_none() {
                    self.named.insert(Aim::Tag(tag_of(key)));
                }
                let commits = self.commits.entry(key).or_default();
                debug_assert_eq!(commits.len() as u64 + 1, version, "versions count up");
                let commit = Commit { at: place.at, by, completed: None, orphaned: false };
                commits.push(commit);
            }
            Event::Invalidated { node, key, version, by } => {
                self.invalidated(node, key, version, by, place);
            }
            Event::Completed { key, version } => {
                let index = usize::try_from(version.saturating_sub(1)).unwrap_or(usize::MAX);
                let commit = self.commits.get_mut(&key).and_then(|it| it.get_mut(index));
                if let Some(commit) = commit {
                    commit.completed.get_or_insert(place.at);
                }
            }
            Event::Applied { node, aim } => {
                self.nodes[node].applied.insert(aim, place.seq);
            }
            Event::LoadBegan { node, cache, key, .. } => {
                *self.nodes[node].loading.entry((cache, key)).or_default() += 1;
            }
            Event::LoadEnded { node, cache, key } => {
                if let Some(loading) = self.nodes[node].loading.get_mut(&(cache, key)) {
                    *loading = loading.saturating_sub(1);
                }
            }
            Event::FoundNothing { node, cache, key, version, began } => {
                let last = self.nodes[node].absent.entry((cache, key)).or_default();
                *last = (began, version).max(*last);
            }
            Event::OtherLanes { node } => self.nodes[node].other_lanes = Some(place),
            Event::Lost { from, origin, number, to_all, names } => {
                let at = place.at;
                let lost = Lost { from, origin, number, at, to_all, names, shown: None, met: None };
                self.nodes.iter_mut().for_each(|node| node.lost.push(lost.clone()));
            }
            Event::Arrived { to, origin, number } => {
                for lost in &mut self.nodes[to].lost {
                    if lost.origin == origin && number >= lost.number {
                        lost.shown.get_or_insert(place.at);
                        if number == lost.number {
                            lost.met.get_or_insert(place.at);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn stopped(&mut self, node: usize) {
        self.nodes[node].running = false;
        for commit in self.commits.values_mut().flatten() {
            commit.orphaned |= commit.by == Some(node) && commit.completed.is_none();
        }
    }

    fn invalidated(&mut self, node: usize, key: u64, version: u64, by: Means, place: Place) {
        let facts = &mut self.nodes[node];
        let aims = match by {
            Means::Key => vec![Aim::Key(CacheName::Rows, key), Aim::Key(CacheName::Lasting, key)],
            Means::Tag => vec![Aim::Tag(tag_of(key))],
            Means::KeyAndTag => vec![Aim::Key(CacheName::Rows, key), Aim::Tag(tag_of(key))],
            Means::Cache => vec![Aim::Cache(CacheName::Rows), Aim::Cache(CacheName::Lasting)],
            Means::Everything => vec![Aim::Everything],
        };
        self.named.extend(&aims);
        facts.applied.extend(aims.into_iter().map(|aim| (aim, place.seq)));
        let floor = facts.floors.entry(key).or_default();
        *floor = (version.max(floor.0), place.seq);
    }

    /// Takes in what a read returned, after the oracles have judged it.
    pub(crate) fn returned(&mut self, event: &Event<'_>, place: Place) {
        if let Event::Read { node, cache, key, how, value, .. } = event
            && !matches!(how, How::Failed | How::Fill)
        {
            let facts = &mut self.nodes[*node];
            let parts = facts.parts(*cache, *key, value.as_ref());
            if let [part] = &parts[..] {
                let returned = facts.returned.entry((*cache, *key)).or_default();
                if returned.last().is_none_or(|(version, _)| *version < part.version) {
                    returned.push((part.version, place.seq));
                }
            }
        }
    }
}
