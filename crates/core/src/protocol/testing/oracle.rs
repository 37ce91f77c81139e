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

/// What one node has met, and what was lost on its way to it.
#[derive(Debug, Default)]
pub(super) struct Met {
    pub(super) lost: BTreeSet<Numbered>,
    arrived: BTreeMap<NodeId, Vec<(u64, Timestamp)>>,
}

impl Met {
    pub(super) fn arrive(&mut self, (origin, number): Numbered, now: Timestamp) {
        self.arrived.entry(origin).or_default().push((number, now));
    }

    /// When the loss of this frame first showed: zero if it was not lost, `None` if it has not shown.
    fn shown(&self, frame: Numbered) -> Option<Timestamp> {
        if !self.lost.contains(&frame) {
            return Some(Timestamp::ZERO);
        }
        let arrived = self.arrived.get(&frame.0)?;
        arrived.iter().filter(|(number, _)| *number >= frame.1).map(|(_, at)| *at).min()
    }
}

#[derive(Debug, Default)]
pub(super) struct Oracle {
    commits: BTreeMap<Key, Vec<Commit>>,
}

impl Oracle {
    pub(super) fn version(&self, key: Key) -> u64 {
        self.commits.get(&key).and_then(|commits| commits.last()).map_or(0, |last| last.version)
    }

    /// The oldest version that a node may hold after everything has healed.
    pub(super) fn promised(&self, key: Key) -> u64 {
        let commits = self.commits.get(&key).into_iter().flatten();
        commits.filter(|commit| !commit.orphaned).map(|commit| commit.version).max().unwrap_or(0)
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
    /// the broker lost its frame on a living subscription, the time counts from the next frame of that origin
    /// that arrived.
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
            let shown = commit.frame.map_or(Some(Timestamp::ZERO), |frame| met.shown(frame));
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
