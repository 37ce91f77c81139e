//! Knows every commit and every completed invalidation, and judges every hit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::model_cache::Key;
use crate::node_id::NodeId;
use crate::protocol::wire::Numbered;
use crate::time::Timestamp;

#[derive(Debug)]
struct Commit {
    version: u64,
    /// When its invalidation completed.
    completed: Option<Timestamp>,
    /// The frame that carried its invalidation, once that completed.
    frame: Option<Numbered>,
    /// Its node died between the commit and the publish: nothing is promised for this one.
    orphaned: bool,
}

/// What one node has met.
#[derive(Debug, Default)]
pub(super) struct Met {
    arrived: BTreeMap<NodeId, Vec<(u64, Timestamp)>>,
}

impl Met {
    pub(super) fn arrive(&mut self, (origin, number): Numbered, now: Timestamp) {
        self.arrived.entry(origin).or_default().push((number, now));
    }

    fn has(&self, frame: Numbered) -> bool {
        self.of(frame.0).any(|(number, _)| number == frame.1)
    }

    /// When the loss of this frame first showed, if it has.
    fn shown(&self, frame: Numbered) -> Option<Timestamp> {
        self.of(frame.0).filter(|(number, _)| *number >= frame.1).map(|(_, at)| at).min()
    }

    /// Whether a frame of this origin was met with this number or a later one.
    pub(super) fn tells_of(&self, frame: Numbered) -> bool {
        self.shown(frame).is_some()
    }

    fn of(&self, origin: NodeId) -> impl Iterator<Item = (u64, Timestamp)> {
        self.arrived.get(&origin).into_iter().flatten().copied()
    }
}

#[derive(Debug, Default)]
pub(super) struct Oracle {
    commits: BTreeMap<Key, Vec<Commit>>,
    /// What was lost on its way to anybody: who was away at that time, too, may be told by a witness that lacks it.
    lost: BTreeSet<Numbered>,
}

impl Oracle {
    pub(super) fn version(&self, key: Key) -> u64 {
        self.commits.get(&key).and_then(|commits| commits.last()).map_or(0, |last| last.version)
    }

    /// The oldest version that a node may hold after everything has healed, where `known` says of which frames
    /// somebody could still tell.
    pub(super) fn promised(&self, key: Key, known: impl Fn(Numbered) -> bool) -> u64 {
        let forgotten = |frame| self.lost.contains(&frame) && !known(frame);
        let commits = self.commits.get(&key).into_iter().flatten();
        let promised = commits.filter(|it| !it.orphaned && !it.frame.is_some_and(forgotten));
        promised.map(|commit| commit.version).max().unwrap_or(0)
    }

    pub(super) fn lose(&mut self, frames: impl IntoIterator<Item = Numbered>) {
        self.lost.extend(frames);
    }

    /// From when on a node must know of a frame: zero if it was lost to nobody.
    fn shown(&self, frame: Numbered, met: &Met) -> Option<Timestamp> {
        if self.lost.contains(&frame) && !met.has(frame) {
            met.shown(frame)
        } else {
            Some(Timestamp::ZERO)
        }
    }

    pub(super) fn orphan(&mut self, key: Key, version: u64) {
        let commits = self.commits.get_mut(&key).into_iter().flatten();
        commits.filter(|commit| commit.version == version).for_each(|it| it.orphaned = true);
    }

    pub(super) fn commit(&mut self, key: Key) -> u64 {
        let version = self.version(key) + 1;
        self.commits.entry(key).or_default().push(Commit {
            version,
            completed: None,
            frame: None,
            orphaned: false,
        });
        version
    }

    /// The invalidation of this version was accepted, in this frame if it had a number.
    pub(super) fn completed(
        &mut self,
        key: Key,
        version: u64,
        frame: Option<Numbered>,
        now: Timestamp,
    ) {
        let commits = self.commits.get_mut(&key).into_iter().flatten();
        if let Some(commit) = commits.into_iter().find(|commit| commit.version == version) {
            commit.completed.get_or_insert(now);
            commit.frame = frame;
        }
    }

    /// G3: a hit returns nothing that an invalidation superseded which completed more than `within` ago. Where
    /// the broker lost its frame on a living subscription, and this node has not met it, the time counts from the
    /// next frame of that origin that arrived.
    pub(super) fn judge_hit(
        &self,
        key: Key,
        version: u64,
        within: Duration,
        met: &Met,
        now: Timestamp,
    ) -> Result<(), String> {
        let newer = self.commits.get(&key).into_iter().flatten();
        let late = newer.filter(|commit| commit.version > version).find(|commit| {
            let shown = commit.frame.map_or(Some(Timestamp::ZERO), |frame| self.shown(frame, met));
            let since = commit.completed.and_then(|completed| Some(completed.max(shown?)));
            since.is_some_and(|since| now > since.after(within))
        });
        match late {
            None => Ok(()),
            Some(commit) => Err(format!(
                "G3: at {now:?} key {key} hit version {version}, superseded by version {} whose \
                 invalidation completed at {:?}, more than {within:?} ago",
                commit.version, commit.completed
            )),
        }
    }
}
