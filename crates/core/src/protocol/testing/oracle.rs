//! Knows every commit and every completed invalidation, and judges every hit.

use std::collections::BTreeMap;
use std::time::Duration;

use super::model_cache::Key;
use crate::time::Timestamp;

#[derive(Debug)]
struct Commit {
    version: u64,
    /// When its invalidation completed.
    completed: Option<Timestamp>,
    /// Its node died between the commit and the publish: nothing is promised for this one.
    orphaned: bool,
}

#[derive(Debug, Default)]
pub(super) struct Oracle {
    commits: BTreeMap<Key, Vec<Commit>>,
    pub(super) hits: u64,
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
            orphaned: false,
        });
        version
    }

    pub(super) fn completed(&mut self, key: Key, version: u64, now: Timestamp) {
        let commits = self.commits.get_mut(&key).into_iter().flatten();
        if let Some(commit) = commits.into_iter().find(|commit| commit.version == version) {
            commit.completed.get_or_insert(now);
        }
    }

    /// G3: a hit returns nothing that an invalidation superseded which completed more than `within` ago.
    pub(super) fn judge_hit(
        &mut self,
        key: Key,
        version: u64,
        within: Duration,
        now: Timestamp,
    ) -> Result<(), String> {
        self.hits += 1;
        let newer = self.commits.get(&key).into_iter().flatten();
        let late = newer
            .filter(|commit| commit.version > version)
            .find(|commit| commit.completed.is_some_and(|completed| now > completed.after(within)));
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
