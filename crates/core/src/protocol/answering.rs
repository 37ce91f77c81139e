//! The witness's side of the mark rule: who asked, and when to answer.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use foldhash::fast::FixedState;

use super::log::Log;
use super::turns::Turn;
use super::wire::{Numbered, Replay, Replayed, Synced, VECTOR_ENTRY_LEN, replayed_len};
use crate::mutation::{self, Mutation};
use crate::node_id::NodeId;
use crate::time::Timestamp;

/// A `Sync` of another node that was met and not answered yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    nonce: u64,
    /// Where the log continues after its mark; `None` if we cannot witness it.
    after_mark: Option<u64>,
    /// Whether it has a mark, which others may witness if we cannot.
    marked: bool,
    due: Timestamp,
    /// The longest wait that could have been drawn.
    drawn_from: Duration,
    met: Timestamp,
}

/// The syncs that wait for an answer.
#[derive(Debug)]
pub(crate) struct Answering {
    pending: Vec<Pending>,
    /// All nonces in `pending`, and perhaps more.
    nonces: HashSet<u64, FixedState>,
    most: usize,
    /// When the first of those is due that we can witness, as far as is known, and of the others. Kept, since
    /// every input asks for them, and a cluster that starts has a `Sync` of each node here.
    first_due: [Option<Timestamp>; 2],
    /// Before this nobody's turn comes: such an answer has just been given, and those who ask meanwhile share the next.
    not_before: [Timestamp; 2],
    askers: Lately,
}

/// Who was met lately.
#[derive(Debug, Default)]
struct Lately {
    /// In this span.
    these: HashSet<NodeId, FixedState>,
    /// How many in the span before.
    before: usize,
    /// When this span began.
    since: Timestamp,
}

impl Lately {
    const SPAN: Duration = Duration::from_secs(10);
    /// More are no larger a crowd.
    const MOST: usize = 1_024;

    fn meet(&mut self, node: NodeId, now: Timestamp) {
        let age = now.since(self.since);
        if age >= Self::SPAN {
            self.before = if age < 2 * Self::SPAN { self.these.len() } else { 0 };
            self.these.clear();
            self.since = now;
        }
        if self.these.len() < Self::MOST {
            self.these.insert(node);
        }
    }

    /// How many in a span, about.
    fn count(&self, now: Timestamp) -> u32 {
        let count = match now.since(self.since) {
            age if age < Self::SPAN => self.these.len().max(self.before),
            age if age < 2 * Self::SPAN => self.these.len(),
            _ => 0,
        };
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

impl Answering {
    /// An asker has long gone on without an answer when its `Sync` is this old.
    const STALE: Duration = Duration::from_secs(10);
    /// A node that has just become synced lets the askers first hear whoever made it so.
    const REARM: Duration = Duration::from_millis(50);

    /// `seed` is nobody else's: whoever knew it could choose nonces that fall together.
    pub(crate) fn new(most: usize, seed: u64) -> Self {
        let nonces = HashSet::with_hasher(FixedState::with_seed(seed));
        Self {
            pending: Vec::new(),
            nonces,
            most,
            first_due: [None; 2],
            not_before: [Timestamp::ZERO; 2],
            askers: Lately {
                these: HashSet::with_hasher(FixedState::with_seed(seed)),
                ..Lately::default()
            },
        }
    }

    /// How many have asked lately.
    pub(crate) fn askers(&self, now: Timestamp) -> u32 {
        self.askers.count(now)
    }

    /// A `Sync` was met, with a mark or without, and others have so long to answer it. Beyond the limit it is not
    /// answered: the asker's deadline covers that.
    pub(crate) fn asked(
        &mut self,
        node: NodeId,
        nonce: u64,
        marked: bool,
        after_mark: Option<u64>,
        turn: Turn,
        now: Timestamp,
    ) {
        self.askers.meet(node, now);
        let [witnessed, others] = self.not_before;
        let pauses = [marked.then_some(witnessed), after_mark.is_none().then_some(others)];
        let due = pauses.into_iter().flatten().fold(now, Timestamp::max).after(turn.wait);
        // They stand in the order in which they were met.
        if self.pending.first().is_some_and(|oldest| now.since(oldest.met) >= Self::STALE) {
            self.pending.retain(|pending| now.since(pending.met) < Self::STALE);
        }
        let known = self.nonces.contains(&nonce);
        let mut same = self.pending.iter_mut().filter(|_| known);
        if let Some(same) = same.find(|pending| pending.nonce == nonce) {
            // Asked again, or by a twin: what serves the earlier mark serves both.
            same.after_mark = same.after_mark.zip(after_mark).map(|(old, new)| old.min(new));
        } else if self.pending.len() < self.most {
            let drawn_from = turn.drawn_from;
            self.pending.push(Pending { nonce, after_mark, marked, due, drawn_from, met: now });
            self.nonces.insert(nonce);
            let first = &mut self.first_due[usize::from(after_mark.is_none())];
            *first = Some(first.map_or(due, |first| first.min(due)));
            return;
        }
        self.look_for_first();
    }

    /// To be called after anything but a new one has changed.
    fn look_for_first(&mut self) {
        self.nonces.clear();
        self.nonces.extend(self.pending.iter().map(|pending| pending.nonce));
        self.first_due = [None; 2];
        for pending in &self.pending {
            let first = &mut self.first_due[usize::from(pending.after_mark.is_none())];
            *first = Some(first.map_or(pending.due, |first| first.min(pending.due)));
        }
    }

    /// A complete answer lists these nonces: they need none of ours. The next of its kind is to come so much later, and
    /// who is no witness leaves witnesses the time for it.
    pub(crate) fn answered(
        &mut self,
        nonces: &[u64],
        witnessed: bool,
        pause: Duration,
        now: Timestamp,
    ) {
        let nonces: BTreeSet<_> = nonces.iter().collect();
        self.pending.retain(|pending| !nonces.contains(&pending.nonce));
        let not_before = &mut self.not_before[usize::from(!witnessed)];
        let paused = now.after(pause);
        // Everybody's turn moves by as much, so that they stay apart.
        let later = paused.since(now.max(*not_before));
        *not_before = paused.max(*not_before);
        for pending in &mut self.pending {
            let waits = if witnessed { pending.marked } else { pending.after_mark.is_none() };
            if waits {
                pending.due = pending.due.after(later);
            }
        }
        self.look_for_first();
    }

    /// Another witness has begun to answer: waits for its end, and takes over if its parts stop.
    pub(crate) fn postpone(&mut self, due: Timestamp) {
        for pending in &mut self.pending {
            if pending.after_mark.is_some() {
                pending.due = pending.due.max(due);
            }
        }
        self.look_for_first();
    }

    /// Whoever asked before this has gone on without an answer by the time that it hears one.
    pub(crate) fn forget_before(&mut self, met: Timestamp) {
        if self.pending.first().is_some_and(|oldest| oldest.met < met) {
            self.pending.retain(|pending| pending.met >= met);
            self.look_for_first();
        }
    }

    /// We have become synced, perhaps together with many others: whoever still waits can be answered soon.
    pub(crate) fn rearm_strangers(&mut self, turn: Turn, now: Timestamp) {
        for pending in &mut self.pending {
            if pending.after_mark.is_none() {
                pending.due = pending.due.max(now.after(turn.wait.max(Self::REARM)));
                pending.drawn_from = turn.drawn_from;
            }
        }
        self.look_for_first();
    }

    /// Whether a turn has come that was drawn from less than this.
    pub(crate) fn is_too_early(&self, least: Duration, now: Timestamp) -> bool {
        self.pending.iter().any(|pending| pending.due <= now && pending.drawn_from < least)
    }

    /// The turn is drawn again of those that were drawn from less than `least`; as before, who is no witness lets
    /// witnesses go first.
    pub(crate) fn draw_again(
        &mut self,
        turn: Turn,
        stranger_delay: Duration,
        least: Duration,
        now: Timestamp,
    ) {
        for pending in self.pending.iter_mut().filter(|pending| pending.drawn_from < least) {
            let is_stranger = pending.marked && pending.after_mark.is_none();
            let turn = if is_stranger { turn.after(stranger_delay) } else { turn };
            pending.due = pending.due.max(now.after(turn.wait));
            pending.drawn_from = turn.drawn_from;
        }
        self.look_for_first();
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn askers_kept(&self) -> usize {
        self.askers.these.len()
    }

    pub(crate) fn clear(&mut self) {
        self.pending.clear();
        self.not_before = [Timestamp::ZERO; 2];
        self.look_for_first();
    }

    /// When the next answer is due. Only a synced node answers those that it cannot witness.
    pub(crate) fn next_deadline(&self, synced: bool) -> Option<Timestamp> {
        let [witnessed, strangers] = self.first_due;
        witnessed.into_iter().chain(strangers.filter(|_| synced)).min()
    }

    /// Takes all that one witnessed answer can serve, if one is due: each nonce, and where its replay begins.
    ///
    /// *Invariant:* every nonce's `Sync` was met, and its mark is in the log, so the log from the earliest of
    /// the marks on holds everything that was accepted after each mark and before each `Sync`.
    pub(crate) fn take_witnessed(&mut self, log: &Log, now: Timestamp) -> Vec<(u64, u64)> {
        if self.first_due[0].is_none_or(|due| now < due) {
            return Vec::new();
        }
        for pending in &mut self.pending {
            pending.after_mark = pending
                .after_mark
                .filter(|seq| log.reaches(*seq) || mutation::active(Mutation::ReachNotChecked));
        }
        let due = |pending: &Pending| pending.after_mark.is_some() && pending.due <= now;
        let mut askers = Vec::new();
        if self.pending.iter().any(due) {
            let taken = self.pending.extract_if(.., |pending| pending.after_mark.is_some());
            askers.extend(taken.filter_map(|pending| Some((pending.nonce, pending.after_mark?))));
        }
        self.look_for_first();
        askers
    }

    /// Takes all that one unwitnessed answer can serve, if one is due.
    pub(crate) fn take_strangers(&mut self, now: Timestamp) -> Option<Vec<u64>> {
        if self.first_due[1].is_none_or(|due| now < due) {
            return None;
        }
        let taken = self.pending.extract_if(.., |pending| pending.after_mark.is_none());
        let nonces = taken.map(|pending| pending.nonce).collect();
        self.look_for_first();
        Some(nonces)
    }

    /// Turns one that is too far back to witness into one that is told to go on without.
    pub(crate) fn give_up_witnessing(&mut self, nonce: u64, now: Timestamp) {
        // It has listened long enough.
        let drawn_from = Duration::MAX;
        let told =
            Pending { nonce, after_mark: None, marked: false, due: now, drawn_from, met: now };
        self.pending.push(told);
        self.look_for_first();
    }
}

/// An answer in the frames that carry it.
#[derive(Debug)]
pub(crate) struct Composed {
    pub(crate) parts: Vec<Replay>,
    pub(crate) synced: Synced,
}

/// Packs an answer into frames of at most `max_body` bytes; `None` if its entries exceed `max_bytes`.
#[expect(clippy::too_many_arguments, reason = "the fields of an answer, and its limits")]
pub(crate) fn compose(
    answer: u64,
    lanes: u16,
    witnessed: bool,
    nonces: Vec<u64>,
    entries: impl Iterator<Item = Replayed>,
    mut vector: Vec<Numbered>,
    max_body: usize,
    max_bytes: usize,
) -> Option<Composed> {
    let room = max_body.saturating_sub(64 + 8 * nonces.len()) / VECTOR_ENTRY_LEN;
    let overflow = vector.split_off(vector.len().min(room));
    let overflow = overflow.into_iter().map(Replayed::Known);
    let parts = pack(answer, entries.chain(overflow), max_body, max_bytes)?;
    let synced = Synced { answer, parts: parts.len() as u32, lanes, witnessed, nonces, vector };
    Some(Composed { parts, synced })
}

/// Packs entries into `Replay` parts of at most `max_body` bytes; `None` beyond `max_bytes` in all.
pub(crate) fn pack(
    answer: u64,
    entries: impl Iterator<Item = Replayed>,
    max_body: usize,
    max_bytes: usize,
) -> Option<Vec<Replay>> {
    let mut parts: Vec<Replay> = Vec::new();
    let (mut bytes, mut part_bytes) = (0, usize::MAX);
    for entry in entries {
        let len = replayed_len(&entry);
        bytes += len;
        if bytes > max_bytes || len > max_body.saturating_sub(32) {
            return None;
        }
        if part_bytes.saturating_add(len) > max_body.saturating_sub(32) {
            parts.push(Replay { answer, part: parts.len() as u32, entries: Vec::new() });
            part_bytes = 0;
        }
        part_bytes += len;
        if let Some(part) = parts.last_mut() {
            part.entries.push(entry);
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId::from_bytes([1; 16]);
    const PAUSE: Duration = Duration::from_millis(500);

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(1_000_000_000 + ms * 1_000_000)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn turn(wait_ms: u64) -> Turn {
        Turn { wait: ms(wait_ms), drawn_from: ms(100) }
    }

    fn due(answering: &Answering) -> Vec<(u64, Timestamp)> {
        answering.pending.iter().map(|pending| (pending.nonce, pending.due)).collect()
    }

    #[test]
    fn those_who_ask_soon_after_an_answer_share_the_next() {
        let mut answering = Answering::new(10, 1);
        answering.asked(NODE, 1, false, None, turn(30), at(0));
        answering.asked(NODE, 2, false, None, turn(70), at(10));
        answering.answered(&[1], false, PAUSE, at(20));
        // As long after the pause as its turn was away, so that nodes keep their order.
        assert_eq!(due(&answering), [(2, at(20 + 500 + 60))]);
        answering.asked(NODE, 3, false, None, turn(5), at(100));
        assert_eq!(answering.next_deadline(true), Some(at(525)));
        assert_eq!(answering.take_strangers(at(524)), None);
        assert_eq!(answering.take_strangers(at(525)), Some(vec![2, 3]));
    }

    #[test]
    fn answers_of_witnesses_and_of_others_do_not_wait_for_each_other() {
        let mut answering = Answering::new(10, 1);
        answering.asked(NODE, 1, false, None, turn(30), at(0));
        answering.asked(NODE, 2, true, Some(7), turn(30), at(0));
        answering.answered(&[], true, PAUSE, at(10));
        assert_eq!(due(&answering), [(1, at(30)), (2, at(530))]);
        answering.asked(NODE, 3, false, None, turn(30), at(20));
        assert_eq!(due(&answering)[2], (3, at(50)));
        // Who has a mark may be witnessed by others, after their pause.
        answering.asked(NODE, 4, true, None, turn(150), at(20));
        assert_eq!(due(&answering)[3], (4, at(510 + 150)));
    }

    #[test]
    fn two_answers_at_once_make_one_pause() {
        let mut answering = Answering::new(10, 1);
        answering.asked(NODE, 1, false, None, turn(30), at(0));
        answering.answered(&[], false, PAUSE, at(10));
        answering.answered(&[], false, PAUSE, at(14));
        assert_eq!(due(&answering), [(1, at(30 + 504))]);
        // One that is small beside what is left of it changes nothing.
        answering.answered(&[], false, ms(1), at(15));
        assert_eq!(due(&answering), [(1, at(30 + 504))]);
    }

    #[test]
    fn only_turns_that_were_drawn_from_too_little_are_drawn_again() {
        let mut answering = Answering::new(10, 1);
        answering.asked(NODE, 1, false, None, turn(20), at(0));
        answering.asked(NODE, 2, true, None, turn(30), at(0));
        answering.asked(NODE, 3, true, Some(7), turn(40), at(0));
        let better = Turn { wait: ms(60), drawn_from: ms(400) };
        answering.asked(NODE, 4, false, None, better, at(0));
        assert!(
            !answering.is_too_early(ms(100), at(20)) && answering.is_too_early(ms(101), at(20))
        );
        assert!(!answering.is_too_early(ms(101), at(19)), "no turn has come");
        let again = Turn { wait: ms(90), drawn_from: ms(400) };
        answering.draw_again(again, ms(150), ms(200), at(20));
        // Who could be answered by a witness, and not by us, waits for that again.
        assert_eq!(due(&answering), [(1, at(110)), (2, at(260)), (3, at(110)), (4, at(60))]);
        assert!(!answering.is_too_early(ms(200), at(300)));
    }

    #[test]
    fn who_becomes_synced_with_many_others_draws_its_turn() {
        for (wait, due_at) in [(10, at(150)), (80, at(180))] {
            let mut answering = Answering::new(10, 1);
            answering.asked(NODE, 1, false, None, turn(20), at(0));
            answering.rearm_strangers(turn(wait), at(100));
            assert_eq!(due(&answering), [(1, due_at)]);
        }
    }

    #[test]
    fn nobody_is_answered_who_would_hear_it_too_late() {
        let mut answering = Answering::new(10, 1);
        answering.asked(NODE, 1, false, None, turn(50), at(0));
        answering.asked(NODE, 2, false, None, turn(50), at(10));
        answering.forget_before(at(10));
        assert_eq!(due(&answering), [(2, at(60))]);
        assert_eq!(answering.next_deadline(true), Some(at(60)));
    }
}
