//! The asker's side of the mark rule, and the answers it hears.

use std::collections::{BTreeMap, BTreeSet};

use super::wire::{Numbered, Replay, Replayed, Synced};
use crate::mutation::{self, Mutation};
use crate::node_id::NodeId;
use crate::time::Timestamp;
use crate::transport::SequencerId;

/// A confirmed subscription.
#[derive(Debug)]
pub(crate) struct Up {
    /// Counts subscriptions; distinguishes what began on this one.
    pub(crate) epoch: u64,
    pub(crate) confirmed: Timestamp,
    pub(crate) sequencer: Option<SequencerId>,
    /// One nonce per subscription.
    pub(crate) nonce: u64,
    pub(crate) synced: bool,
    /// When our own `Sync` was met, and from when on we go on without an answer.
    pub(crate) deadline: Option<Timestamp>,
    /// When to publish `Sync` again, after a failure.
    pub(crate) retry_at: Option<Timestamp>,
    pub(crate) failures: u32,
}

/// Answers that are being heard, ours to wait for or to be suppressed by.
///
/// An answer is *complete* when all its parts were met on this subscription before its `Synced`.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    answers: BTreeMap<Numbered, Heard>,
}

#[derive(Debug)]
struct Heard {
    parts: BTreeSet<u32>,
    vector: Vec<Numbered>,
    last: Timestamp,
}

impl Hearing {
    /// Answers heard at once; beyond that the one that was silent longest is taken as broken off.
    const MOST: usize = 64;

    /// A part was met. What it says of the vector is kept until its `Synced`.
    pub(crate) fn part(&mut self, from: NodeId, replay: &Replay, now: Timestamp) {
        if replay.answer == 0 {
            return;
        }
        let key = (from, replay.answer);
        if !self.answers.contains_key(&key) && self.answers.len() >= Self::MOST {
            let silent = self.answers.iter().min_by_key(|(_, heard)| heard.last);
            if let Some(silent) = silent.map(|(key, _)| *key) {
                self.answers.remove(&silent);
            }
        }
        let heard = self.answers.entry(key).or_insert_with(|| Heard {
            parts: BTreeSet::new(),
            vector: Vec::new(),
            last: now,
        });
        heard.last = now;
        if heard.parts.insert(replay.part) {
            heard.vector.extend(replay.entries.iter().filter_map(|entry| match entry {
                Replayed::Known(numbered) => Some(*numbered),
                _ => None,
            }));
        }
    }

    /// The end of an answer was met: what its parts say of the vector, if it is complete.
    pub(crate) fn end(&mut self, from: NodeId, synced: &Synced) -> Option<Vec<Numbered>> {
        let heard = self.answers.remove(&(from, synced.answer));
        let (parts, vector) =
            heard.map_or_else(Default::default, |heard| (heard.parts, heard.vector));
        let complete = parts.len() == synced.parts as usize
            && parts.last().is_none_or(|last| *last < synced.parts);
        (complete || mutation::active(Mutation::IncompleteAnswerCounts)).then_some(vector)
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }

    pub(crate) fn clear(&mut self) {
        self.answers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId::from_bytes([1; 16]);
    const B: NodeId = NodeId::from_bytes([2; 16]);

    fn part(answer: u64, part: u32) -> Replay {
        Replay { answer, part, entries: vec![Replayed::Known((A, u64::from(part)))] }
    }

    fn synced(answer: u64, parts: u32) -> Synced {
        Synced { answer, parts, lanes: 1, witnessed: true, nonces: vec![7], vector: vec![(B, 9)] }
    }

    #[test]
    fn only_an_answer_with_all_its_parts_counts() {
        let mut hearing = Hearing::default();
        let now = Timestamp::ZERO;
        assert_eq!(hearing.end(A, &synced(1, 0)), Some(Vec::new()));
        assert_eq!(hearing.end(A, &synced(2, 1)), None, "its part is missing");
        hearing.part(A, &part(3, 0), now);
        hearing.part(A, &part(3, 0), now);
        assert_eq!(hearing.end(A, &synced(3, 2)), None, "one part twice is not two");
        hearing.part(A, &part(4, 1), now);
        hearing.part(B, &part(4, 0), now);
        assert_eq!(hearing.end(A, &synced(4, 2)), None, "a part of another node's answer");
        hearing.part(A, &part(5, 1), now);
        hearing.part(A, &part(5, 0), now);
        assert_eq!(hearing.end(A, &synced(5, 2)), Some(vec![(A, 1), (A, 0)]));
        assert_eq!(hearing.end(A, &synced(5, 2)), None, "heard once");
    }

    #[test]
    fn answers_that_break_off_are_forgotten() {
        let mut hearing = Hearing::default();
        for answer in 1..200 {
            hearing.part(A, &part(answer, 0), Timestamp::from_nanos(answer));
        }
        assert_eq!(hearing.answers.len(), Hearing::MOST);
        assert_eq!(hearing.end(A, &synced(1, 1)), None);
        assert!(hearing.end(A, &synced(199, 1)).is_some());
    }
}
