//! Which numbers of which origin exist, and which of them were met.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::ranges::Ranges;
use super::wire::Numbered;
use crate::mutation::{self, Mutation};
use crate::node_id::NodeId;
use crate::time::Timestamp;

/// Origin → highest number known to exist, and which of them were met.
///
/// *Invariants:* a number is *covered* if it was met, or if everything that it could concern has been
/// dropped since it was accepted. All numbers up to an origin's floor are covered; a gap is a number that is
/// known and not covered. Learning that a number exists covers none; only meeting it, a drop, or adopting a
/// baseline together with a drop does. An unknown origin has floor 0, so its first contact with any other
/// number than 1 opens a gap.
#[derive(Debug)]
pub(crate) struct Vector {
    origins: BTreeMap<NodeId, Origin>,
    /// The origins with a gap, and when the newest of it was noticed.
    gaps: BTreeMap<NodeId, Timestamp>,
    /// No open gap was noticed later than this.
    newest_gap: Timestamp,
    max_origins: usize,
    max_ranges: usize,
    /// Where the next slice begins.
    slice_after: Option<NodeId>,
    pub(crate) ignored_unknown: u64,
    pub(crate) forgotten: u64,
}

#[derive(Debug)]
struct Origin {
    known: u64,
    covered: Ranges,
    /// When a frame of it was last met in the stream; only such origins are taught to others, or the dead
    /// would be taught for ever.
    met: Met,
    /// When it was last heard of at all.
    touched: Timestamp,
}

/// When something was met, if it ever was. As small as a timestamp: there is one for each other node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Met(u64);

impl Met {
    fn at(now: Timestamp) -> Self {
        Self(now.as_nanos().saturating_add(1))
    }

    fn since(self, since: Timestamp) -> bool {
        self.0 > since.as_nanos()
    }
}

impl Vector {
    /// Neighbours that are passed by on the way to the next origin of a slice.
    const STEPS: usize = 4;

    pub(crate) fn new(max_origins: usize, max_ranges: usize) -> Self {
        Self {
            origins: BTreeMap::new(),
            gaps: BTreeMap::new(),
            newest_gap: Timestamp::ZERO,
            max_origins,
            max_ranges,
            slice_after: None,
            ignored_unknown: 0,
            forgotten: 0,
        }
    }

    /// A frame with this number was met in the stream.
    pub(crate) fn meet(&mut self, (node, number): Numbered, now: Timestamp) {
        if mutation::active(Mutation::FirstContactSetsBaseline) {
            self.first_contact((node, number), now);
        }
        let max_ranges = self.max_ranges;
        self.raise(node, number, now, |origin| {
            origin.met = Met::at(now);
            origin.touched = now;
            origin.covered.insert(number, max_ranges);
        });
    }

    /// A frame with this number came in a replay: it covers its number, but sets no baseline.
    pub(crate) fn meet_replayed(&mut self, (node, number): Numbered, now: Timestamp) {
        if mutation::active(Mutation::FirstContactInReplaySetsBaseline) {
            self.first_contact((node, number), now);
        }
        let max_ranges = self.max_ranges;
        self.raise(node, number, now, |origin| origin.covered.insert(number, max_ranges));
    }

    /// What a mistake makes of an unknown origin.
    fn first_contact(&mut self, numbered: Numbered, now: Timestamp) {
        if !self.origins.contains_key(&numbered.0) {
            self.adopt(numbered, now);
        }
    }

    /// Numbers of this origin exist up to `number`. Opens a gap where they were not met; closes none.
    ///
    /// With a full table an unknown origin is ignored and counted: nodes that have met it will say so again.
    pub(crate) fn learn(&mut self, (node, number): Numbered, now: Timestamp) {
        match self.origins.get(&node) {
            // What is known already opens nothing, and closes nothing. Most of what slices say is.
            Some(origin) if number <= origin.known => return,
            None if number == 0 => return,
            None if self.origins.len() >= self.max_origins => {
                self.ignored_unknown += 1;
                return;
            }
            _ => {}
        }
        if mutation::active(Mutation::VectorClosesGap) {
            self.adopt((node, number), now);
        }
        self.raise(node, number, now, |_| ());
    }

    /// What of a slice is not [learnt](Self::learn) yet. One walk through the table finds it, as long as the slice
    /// is in the table's order, which all are but for one turn.
    pub(crate) fn news(&self, slice: &[Numbered]) -> Vec<Numbered> {
        let mut news = Vec::new();
        let mut walk = self.origins.range::<NodeId, _>(..);
        let mut here = None;
        for (node, number) in slice {
            let mut steps = 0;
            while here.is_some_and(|(at, _)| at < node) && steps < Self::STEPS {
                here = walk.next();
                steps += 1;
            }
            if here.is_none_or(|(at, _)| at != node) {
                walk = self.origins.range::<NodeId, _>(node..);
                here = walk.next();
            }
            let known = here.filter(|(at, _)| *at == node).map(|(_, origin)| origin.known);
            if known.is_none_or(|known| *number > known) {
                news.push((*node, *number));
            }
        }
        news
    }

    /// Takes over a baseline: every number up to it was accepted before the moment for which the caller
    /// drops everything.
    pub(crate) fn adopt(&mut self, (node, number): Numbered, now: Timestamp) {
        if number > 0 {
            self.raise(node, number, now, |origin| origin.covered.cover_up_to(number));
        }
    }

    /// Changes what is covered of an origin, raises what is known of it, and sees whether it has a gap.
    fn raise(
        &mut self,
        node: NodeId,
        number: u64,
        now: Timestamp,
        cover: impl FnOnce(&mut Origin),
    ) {
        let full = self.origins.len() >= self.max_origins;
        if full && !self.origins.contains_key(&node) {
            self.forget_longest_silent();
        }
        let origin = self.origins.entry(node).or_insert_with(|| Origin {
            known: 0,
            covered: Ranges::new(),
            met: Met::default(),
            touched: now,
        });
        cover(origin);
        let grew = number > origin.known;
        origin.known = origin.known.max(number);
        let complete = origin.covered.contains_all(origin.known);
        if complete || mutation::active(Mutation::NoGapDetection) {
            if !self.gaps.is_empty() {
                self.gaps.remove(&node);
            }
        } else {
            let noticed = self.gaps.entry(node).or_insert(now);
            if grew {
                *noticed = now;
            }
            self.newest_gap = self.newest_gap.max(*noticed);
        }
    }

    /// Makes room: the longest silent sixteenth goes. Should one speak again, its first number opens a gap. A
    /// gap that one has now stays noticed, and ends in a drop.
    fn forget_longest_silent(&mut self) {
        let mut silent: Vec<_> =
            self.origins.iter().map(|(node, it)| (it.met, it.touched, *node)).collect();
        silent.sort_unstable();
        for (_, _, node) in &silent[..silent.len().div_ceil(16)] {
            self.origins.remove(node);
            self.forgotten += 1;
        }
    }

    /// Forgets the origins that were heard of last before `since` and have no gap.
    pub(crate) fn forget_before(&mut self, since: Timestamp) {
        let before = self.origins.len();
        let gaps = &self.gaps;
        self.origins.retain(|node, origin| origin.touched >= since || gaps.contains_key(node));
        self.forgotten += (before - self.origins.len()) as u64;
    }

    /// When the newest open gap was noticed, or later; `None` if there is no gap.
    pub(crate) fn open_gap(&self) -> Option<Timestamp> {
        (!self.gaps.is_empty()).then_some(self.newest_gap)
    }

    /// The open gaps as (origin, first, last), at most `most` of them.
    pub(crate) fn missing(&self, most: usize) -> Vec<(NodeId, u64, u64)> {
        let gapped = self.gaps.keys().filter_map(|node| Some((*node, self.origins.get(node)?)));
        gapped
            .flat_map(|(node, origin)| {
                origin.covered.holes(origin.known).map(move |(from, to)| (node, from, to))
            })
            .take(most)
            .collect()
    }

    /// Everything that gaps noticed up to `noticed` could concern has been dropped: closes them.
    pub(crate) fn cover_gaps(&mut self, noticed: Timestamp) {
        let origins = &mut self.origins;
        self.gaps.retain(|node, gap| {
            let covered = *gap <= noticed;
            if covered && let Some(origin) = origins.get_mut(node) {
                origin.covered.cover_up_to(origin.known);
            }
            !covered
        });
    }

    /// Every origin with its highest known number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Numbered> {
        self.origins.iter().map(|(node, origin)| (*node, origin.known))
    }

    /// Every origin of which a frame was met since `since`, with its highest known number.
    pub(crate) fn iter_met_since(&self, since: Timestamp) -> impl Iterator<Item = Numbered> {
        let met = self.origins.iter().filter(move |(_, origin)| origin.met_since(since));
        met.map(|(node, origin)| (*node, origin.known))
    }

    /// How many origins are known.
    pub(crate) fn len(&self) -> usize {
        self.origins.len()
    }

    /// Of how many origins a frame was met since `since`.
    pub(crate) fn active(&self, since: Timestamp) -> usize {
        self.origins.values().filter(|origin| origin.met_since(since)).count()
    }

    /// The next origins in turn of which a frame was met since `since`, at most `len`.
    pub(crate) fn slice(&mut self, len: usize, since: Timestamp) -> Vec<Numbered> {
        let start = self.slice_after.map_or(Bound::Unbounded, Bound::Excluded);
        let after = self.origins.range((start, Bound::Unbounded));
        let before = self
            .origins
            .range((Bound::Unbounded, self.slice_after.map_or(Bound::Unbounded, Bound::Included)));
        let wrapped = if self.slice_after.is_some() { Some(before) } else { None };
        let slice: Vec<_> = after
            .chain(wrapped.into_iter().flatten())
            .filter(|(_, origin)| {
                origin.met_since(since) || mutation::active(Mutation::SliceTeachesTheDead)
            })
            .take(len)
            .map(|(node, origin)| (*node, origin.known))
            .collect();
        self.slice_after = slice.last().map(|(node, _)| *node);
        slice
    }
}

impl Origin {
    fn met_since(&self, since: Timestamp) -> bool {
        self.met.since(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId::from_bytes([1; 16]);
    const B: NodeId = NodeId::from_bytes([2; 16]);

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    fn vector() -> Vector {
        Vector::new(3, 4)
    }

    #[test]
    fn a_jump_opens_a_gap_and_meeting_closes_it() {
        let mut vector = vector();
        vector.meet((A, 1), at(1));
        assert_eq!(vector.open_gap(), None);
        vector.meet((A, 3), at(2));
        vector.meet((A, 6), at(3));
        assert_eq!(vector.open_gap(), Some(at(3)));
        assert_eq!(vector.missing(9), [(A, 2, 2), (A, 4, 5)]);
        vector.meet_replayed((A, 2), at(4));
        vector.learn((A, 6), at(4));
        assert_eq!(vector.missing(9), [(A, 4, 5)]);
        vector.meet((A, 5), at(4));
        vector.meet_replayed((A, 4), at(4));
        assert_eq!(vector.open_gap(), None);
    }

    #[test]
    fn the_vector_itself_and_first_contact_close_nothing() {
        let mut vector = vector();
        vector.learn((A, 2), at(1));
        assert_eq!(vector.missing(9), [(A, 1, 2)]);
        vector.meet_replayed((B, 5), at(1));
        assert_eq!(vector.missing(9), [(A, 1, 2), (B, 1, 4)]);
        vector.adopt((A, 2), at(2));
        assert_eq!(vector.missing(9), [(B, 1, 4)]);
        vector.adopt((B, 3), at(2));
        assert_eq!(vector.missing(9), [(B, 4, 4)]);
    }

    #[test]
    fn only_gaps_noticed_in_time_are_covered_by_a_drop() {
        let mut vector = vector();
        vector.learn((A, 2), at(1));
        vector.learn((B, 2), at(5));
        vector.cover_gaps(at(4));
        assert_eq!(vector.missing(9), [(B, 1, 2)]);
        vector.cover_gaps(at(5));
        assert_eq!(vector.open_gap(), None);
    }

    #[test]
    fn it_is_bounded_and_forgets_the_longest_silent() {
        let mut vector = vector();
        for n in 0..3 {
            vector.meet((NodeId::from_bytes([n; 16]), 1), at(u64::from(n)));
        }
        vector.learn((NodeId::from_bytes([9; 16]), 4), at(9));
        assert_eq!((vector.len(), vector.ignored_unknown), (3, 1));
        vector.meet((NodeId::from_bytes([9; 16]), 4), at(9));
        assert_eq!((vector.len(), vector.forgotten), (3, 1));
        assert!(!vector.iter().any(|(node, _)| node == NodeId::from_bytes([0; 16])));
        vector.forget_before(at(9));
        // The one with a gap stays.
        assert_eq!(vector.len(), 1);
        // The forgotten one comes back with a gap.
        vector.meet((A, 2), at(10));
        assert!(vector.missing(9).contains(&(A, 1, 1)));
    }

    #[test]
    fn an_origin_that_was_only_heard_of_is_not_taught_on() {
        let mut vector = vector();
        vector.learn((A, 5), at(10));
        vector.adopt((B, 5), at(10));
        assert_eq!(vector.slice(9, at(0)), []);
        assert_eq!(vector.iter_met_since(at(0)).count(), 0);
        assert_eq!(vector.active(at(0)), 0);
        vector.meet((B, 6), at(11));
        assert_eq!(vector.slice(9, at(0)), [(B, 6)]);
    }

    #[test]
    fn of_a_slice_in_any_order_the_news_are_found() {
        let id = |n: u8| NodeId::from_bytes([n; 16]);
        let mut vector = Vector::new(100, 4);
        for n in (0..60).step_by(2) {
            vector.meet((id(n), 1), at(1));
        }
        assert_eq!(vector.news(&[]), []);
        assert_eq!(vector.news(&[(id(8), 1), (id(10), 1), (id(50), 1), (id(2), 0)]), []);
        let news = [(id(3), 1), (id(58), 2), (id(59), 1), (id(0), 7)];
        let slice = [(id(2), 1), news[0], (id(4), 1), news[1], news[2], news[3], (id(56), 1)];
        assert_eq!(vector.news(&slice), news);
    }

    #[test]
    fn slices_rotate_over_the_active() {
        let mut vector = Vector::new(10, 4);
        for n in 0..5 {
            let advanced = at(if n == 2 { 0 } else { 10 });
            vector.meet((NodeId::from_bytes([n; 16]), 1), advanced);
        }
        let mut slice = || {
            vector.slice(2, at(5)).iter().map(|(node, _)| node.as_bytes()[0]).collect::<Vec<_>>()
        };
        assert_eq!([slice(), slice(), slice()], [vec![0, 1], vec![3, 4], vec![0, 1]]);
    }
}
