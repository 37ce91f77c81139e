//! The frames that were met on the current unbroken subscription.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::FixedState;

use super::publisher::Attempt;
use super::wire::{Kept, Mark, Numbered, Received, Replayed};
use crate::mutation::{self, Mutation};
use crate::node_id::NodeId;

/// Ring of the numbered and anonymous frames met on the current unbroken subscription, in the order of first
/// meeting, own echoes included. A new subscription begins with an empty one.
///
/// *Invariant:* between its first and its last frame it holds every numbered or anonymous frame that the
/// broker accepted between these two, except those that the broker lost silently. That is what makes an
/// answer to a `Sync` complete: nothing enters that the stream itself did not bring.
#[derive(Debug)]
pub(crate) struct Log {
    entries: VecDeque<Arc<Kept>>,
    /// The sequence of the first entry; sequences count up and are never reused.
    first: u64,
    /// Where each number was first met.
    index: HashMap<ByNumber, u64, FixedState>,
    /// The last numbered frame.
    mark: Option<Mark>,
    bytes: usize,
    max_frames: usize,
    max_bytes: usize,
}

/// An entry under its number.
#[derive(Debug)]
struct ByNumber(Arc<Kept>);

impl Borrow<Option<Numbered>> for ByNumber {
    fn borrow(&self) -> &Option<Numbered> {
        &self.0.numbered
    }
}

impl Hash for ByNumber {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.numbered.hash(state);
    }
}

impl PartialEq for ByNumber {
    fn eq(&self, other: &Self) -> bool {
        self.0.numbered == other.0.numbered
    }
}

impl Eq for ByNumber {}

/// What became of a frame that was offered to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    First,
    /// The log holds this number with equal bytes, from the same process.
    Duplicate,
    /// The log holds this number with other bytes, or from a twin of its sender.
    Differs,
}

impl Log {
    /// `seed` is nobody else's: whoever knew it could choose numbers that fall together.
    pub(crate) fn new(max_frames: usize, max_bytes: usize, seed: u64) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            index: HashMap::with_hasher(FixedState::with_seed(seed)),
            mark: None,
            bytes: 0,
            max_frames,
            max_bytes,
        }
    }

    /// Empties it for a new subscription.
    pub(crate) fn reset(&mut self) {
        self.entries.clear();
        self.first = 0;
        self.index.clear();
        self.mark = None;
        self.bytes = 0;
    }

    /// Whether this frame is in the log already. Does not change the log.
    pub(crate) fn compare(&self, received: &Received) -> Met {
        if received.header.origin.is_none() {
            return Met::First;
        }
        let Some(entry) = self.find(received.header.origin) else {
            return Met::First;
        };
        let same = match &entry.frame {
            Some(frame) => frame[entry.compared_from..] == received.compared,
            None => entry.digest == received.kept.digest,
        };
        let same = same && Attempt(entry.attempt).same_process(Attempt(received.header.attempt));
        if same || mutation::active(Mutation::OtherBytesSkipped) {
            Met::Duplicate
        } else {
            Met::Differs
        }
    }

    /// Takes in a frame that the stream itself brought, unless it is a duplicate. One that differs from what
    /// the log holds under its number enters as well: it may carry targets that others must get.
    pub(crate) fn meet(&mut self, received: &Received) -> Met {
        let met = self.compare(received);
        if met == Met::Duplicate {
            return met;
        }
        let kept = &received.kept;
        let seq = self.first + self.entries.len() as u64;
        let Kept { attempt, digest, .. } = **kept;
        if let Some((origin, number)) = kept.numbered {
            self.index.entry(ByNumber(Arc::clone(kept))).or_insert(seq);
            self.mark = Some(Mark { origin, number, attempt, digest });
        }
        if kept.numbered.is_none() && mutation::active(Mutation::AnonymousMakesMark) {
            let origin = NodeId::from_bytes([0; 16]);
            let numbered = Kept { numbered: Some((origin, digest)), ..Kept::clone(kept) };
            self.index.insert(ByNumber(Arc::new(numbered)), seq);
            self.mark = Some(Mark { origin, number: digest, attempt, digest });
        }
        self.bytes += kept.frame.as_ref().map_or(0, Bytes::len);
        self.entries.push_back(Arc::clone(kept));
        while self.entries.len() > self.max_frames
            || (self.bytes > self.max_bytes && self.entries.len() > 1)
        {
            self.evict();
        }
        met
    }

    fn evict(&mut self) {
        let Some(entry) = self.entries.pop_front() else {
            return;
        };
        self.bytes -= entry.frame.as_ref().map_or(0, Bytes::len);
        if entry.numbered.is_some() && self.index.get(&entry.numbered) == Some(&self.first) {
            self.index.remove(&entry.numbered);
        }
        self.first += 1;
    }

    fn at(&self, seq: u64) -> Option<&Kept> {
        Some(&**self.entries.get(usize::try_from(seq.checked_sub(self.first)?).ok()?)?)
    }

    fn find(&self, numbered: Option<Numbered>) -> Option<&Kept> {
        self.at(*self.index.get(&numbered)?)
    }

    /// The mark that the last numbered frame makes. Anonymous frames make none: two of them may be equal, and
    /// a witness could mistake the later for the earlier.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.mark
    }

    /// The sequence after the mark, if the log holds it.
    ///
    /// The attempt must be the same: another attempt at the same frame stands elsewhere in the broker's order.
    pub(crate) fn after_mark(&self, mark: &Mark) -> Option<u64> {
        let seq = *self.index.get(&Some((mark.origin, mark.number)))?;
        let entry = self.at(seq)?;
        let same_attempt =
            entry.attempt == mark.attempt || mutation::active(Mutation::MarkWithoutAttempt);
        (same_attempt && entry.digest == mark.digest).then_some(seq + 1)
    }

    /// Where the log begins.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Whether everything from this sequence on is still held.
    pub(crate) fn reaches(&self, seq: u64) -> bool {
        seq >= self.first
    }

    /// Everything from this sequence on, as an answer carries it.
    pub(crate) fn replay_from(&self, seq: u64) -> impl Iterator<Item = Replayed> {
        let skip = usize::try_from(seq.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.entries.iter().skip(skip).filter_map(|kept| kept.replayed())
    }

    /// The frame with this number, as a reply carries it.
    pub(crate) fn replay_one(&self, numbered: Numbered) -> Option<Replayed> {
        self.find(Some(numbered))?.replayed()
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.entries.len(), self.bytes)
    }
}

impl Kept {
    /// How an answer carries it.
    fn replayed(&self) -> Option<Replayed> {
        match &self.frame {
            Some(_)
                if self.numbered.is_none() && mutation::active(Mutation::AnonymousNotReplayed) =>
            {
                None
            }
            Some(frame) => Some(Replayed::Frame(frame.clone())),
            None => self.numbered.map(Replayed::Met),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::{Body, Codec};
    use super::*;
    use crate::target::Target;

    const ORIGIN: NodeId = NodeId::from_bytes([1; 16]);

    fn frame(number: u64, attempt: u32, tag: &str) -> Received {
        let codec = Codec::new("n".into(), None);
        let body = Body::Targets([Target::Tag(tag.into())].into_iter().collect());
        let origin = (number > 0).then_some((ORIGIN, number));
        codec.open(&codec.frame(&codec.compared(origin, &body), attempt)).unwrap()
    }

    fn log() -> Log {
        Log::new(3, 10_000, 1)
    }

    #[test]
    fn equal_bytes_are_a_duplicate_in_any_attempt_and_others_are_not() {
        let mut log = log();
        assert_eq!(log.meet(&frame(1, 1, "a")), Met::First);
        assert_eq!(log.meet(&frame(1, 2, "a")), Met::Duplicate);
        assert_eq!(log.meet(&frame(1, 1, "b")), Met::Differs);
        assert_eq!(log.replay_from(0).count(), 2);
    }

    #[test]
    fn equal_bytes_of_a_twin_are_no_duplicate() {
        let mut log = log();
        assert_eq!(log.meet(&frame(1, (5 << 20) + 1, "a")), Met::First);
        assert_eq!(log.meet(&frame(1, (5 << 20) + 2, "a")), Met::Duplicate);
        assert_eq!(log.meet(&frame(1, (6 << 20) + 1, "a")), Met::Differs);
        assert_eq!(log.replay_from(0).count(), 2);
    }

    #[test]
    fn a_mark_is_held_only_with_its_attempt_and_bytes() {
        let mut log = log();
        log.meet(&frame(1, 2, "a"));
        log.meet(&frame(0, 0, "anonymous"));
        let mark = log.mark().unwrap();
        assert_eq!(log.after_mark(&mark), Some(1));
        assert_eq!(log.after_mark(&Mark { attempt: 1, ..mark }), None);
        assert_eq!(log.after_mark(&Mark { digest: 0, ..mark }), None);
        assert_eq!(log.after_mark(&Mark { number: 2, ..mark }), None);
        assert_eq!(log.replay_from(1).count(), 1);
    }

    #[test]
    fn it_stays_within_its_limits_and_forgets_from_the_front() {
        let mut log = log();
        for number in 1..=9 {
            log.meet(&frame(number, 1, "a"));
        }
        assert_eq!(log.sizes().0, 3);
        assert!(log.replay_one((ORIGIN, 6)).is_none());
        assert!(log.replay_one((ORIGIN, 7)).is_some());
        assert!(log.reaches(6) && !log.reaches(5));
        let mut small = Log::new(100, 60, 1);
        for number in 1..=9 {
            small.meet(&frame(number, 1, "a"));
        }
        assert_eq!(small.sizes().0, 1);
        assert!(small.replay_one((ORIGIN, 9)).is_some());
    }

    #[test]
    fn a_reset_forgets_all() {
        let mut log = log();
        log.meet(&frame(1, 1, "a"));
        let mark = log.mark().unwrap();
        log.reset();
        assert_eq!(log.after_mark(&mark), None);
        assert_eq!(log.mark(), None);
    }
}
