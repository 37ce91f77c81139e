//! The mark rule after a reconnect, and gaps on a living subscription.

use super::frames::{Frame, Known, Mark, NODES, Replayed, bit};
use super::mutants::Mutant;
use super::node::{GapEnd, LogEntry, Node, Pending, Step, Synced, numbers};

impl Node {
    // Asking.

    // mirrors Replica::send_sync, protocol/repair.rs
    // mirrors Control::push, protocol/publisher.rs
    pub(crate) fn send_sync(&mut self, step: &Step) {
        let Some(up) = &mut self.up else { return };
        up.retry = false;
        let sync = Frame::Sync {
            from: step.me,
            nonce: up.nonce,
            mark: self.mark.filter(|_| self.mark_sequencer == up.sequencer),
            sequencer: up.sequencer,
            accepted: self.publisher.accepted,
        };
        // One control frame is in flight; what waits behind it is overtaken.
        let place = self.control.len().min(1);
        self.control.insert(place, sync);
    }

    /// The deadline of the `Sync` passes without an answer.
    // mirrors Replica::handle_sync_timeout, protocol/repair.rs
    pub(crate) fn sync_alone(&mut self, step: &Step) {
        let Some(up) = &self.up else { return };
        let confirmed = up.confirmed;
        let noticed = self.vector.open_gap().unwrap_or(confirmed);
        if !step.is(Mutant::NoDropWithoutWitness) {
            self.drop_before(confirmed.max(noticed));
        }
        self.become_synced(Synced::Alone);
    }

    // mirrors Replica::synced_met, protocol/repair.rs
    pub(crate) fn synced_met(
        &mut self,
        witnessed: bool,
        nonces: &[u8],
        vector: Known,
        lost: u16,
        step: &Step,
    ) {
        self.pending.retain(|pending| !nonces.contains(&pending.nonce));
        let Some(up) = &self.up else { return };
        let ours = nonces.contains(&up.nonce) || step.is(Mutant::AnyNonceCounts);
        if up.synced != Synced::Not || !ours {
            return;
        }
        if witnessed {
            for (origin, number) in numbers(vector) {
                self.learn(origin, number, step);
            }
            // For the properties: what the witness lost without knowing it, it could not replay.
            self.lost |= lost & (bit(up_confirmed(self)) - 1);
            self.become_synced(Synced::Witnessed);
        } else {
            let echoed = up.echoed.unwrap_or(up.confirmed);
            for (origin, number) in numbers(vector).filter(|(origin, _)| *origin != step.me) {
                self.vector.adopt(origin, number, step.now);
            }
            if step.is(Mutant::AdoptedWithAsOfOfEcho) {
                self.drop_before(echoed);
            } else if !step.is(Mutant::AdoptedWithoutDrop) {
                self.drop_before(step.now);
            }
            self.become_synced(Synced::Adopted);
        }
    }

    // mirrors Replica::become_synced, protocol/repair.rs
    fn become_synced(&mut self, how: Synced) {
        if let Some(up) = &mut self.up {
            up.synced = how;
            up.retry = false;
        }
        self.was_synced = true;
        self.move_mark();
        self.void_loads();
    }

    // mirrors Replica::move_mark, protocol/repair.rs
    // mirrors Log::mark, protocol/log.rs
    pub(crate) fn move_mark(&mut self) {
        if let (Some(last), Some(up)) = (self.log.last(), &self.up) {
            self.mark = Some(last.mark);
            self.mark_sequencer = up.sequencer;
        }
    }

    // Answering.

    // mirrors Replica::sync_met, protocol/repair.rs
    // mirrors Answering::asked, protocol/answering.rs
    pub(crate) fn sync_met(&mut self, nonce: u8, mark: Option<&Mark>, sequencer: u8, step: &Step) {
        let Some(up) = &self.up else { return };
        let mark = mark.filter(|_| up.sequencer == sequencer);
        let after_mark = mark.and_then(|mark| self.after_mark(mark, step));
        if let Some(same) = self.pending.iter_mut().find(|pending| pending.nonce == nonce) {
            same.after_mark = same.after_mark.zip(after_mark).map(|(old, new)| old.min(new));
        } else {
            self.pending.push(Pending { nonce, after_mark });
        }
    }

    // mirrors Log::after_mark, protocol/log.rs
    fn after_mark(&self, mark: &Mark, step: &Step) -> Option<u8> {
        let same_number =
            |entry: &LogEntry| (entry.mark.origin, entry.mark.number) == (mark.origin, mark.number);
        let seq = self.log.iter().position(same_number)?;
        let same = self.log[seq].mark.attempt == mark.attempt;
        (same || step.is(Mutant::MarkWithoutAttempt)).then_some(seq as u8 + 1)
    }

    /// Answers all that one witnessed answer can serve, or all strangers.
    // mirrors Replica::send_answers, protocol/repair.rs
    // mirrors Answering::take_witnessed, protocol/answering.rs
    // mirrors Answering::take_strangers, protocol/answering.rs
    // mirrors Replica::answer, protocol/repair.rs
    pub(crate) fn answer(&mut self, witnessed: bool, step: &Step) {
        let served = |pending: &Pending| pending.after_mark.is_some() == witnessed;
        let taken: Vec<_> = self.pending.extract_if(.., |pending| served(pending)).collect();
        let marks = taken.iter().filter_map(|pending| pending.after_mark);
        let from =
            if step.is(Mutant::LatestMarkServes) { marks.max() } else { marks.min() }.unwrap_or(0);
        let entries: Vec<_> = if witnessed {
            self.log.iter().skip(usize::from(from)).map(LogEntry::replayed).collect()
        } else {
            Vec::new()
        };
        let mut vector = if witnessed { self.vector.known_of_met() } else { self.vector.known() };
        vector[usize::from(step.me)] = self.publisher.accepted;
        self.answers += 1;
        let (from, answer, parts) = (step.me, self.answers, u8::from(!entries.is_empty()));
        if parts > 0 {
            self.control.push(Frame::Replay { from, answer, entries });
        }
        let nonces = taken.iter().map(|pending| pending.nonce).collect();
        let lost = self.lost & !(bit(up_confirmed(self)) - 1);
        self.control.push(Frame::Synced { from, answer, parts, witnessed, nonces, vector, lost });
    }

    // Gaps.

    /// Whether a request for what is missing is due.
    // mirrors Replica::notice_gaps, protocol/repair.rs
    pub(crate) fn wants_request(&self) -> bool {
        let gap = self.vector.open_gap().filter(|_| self.is_synced());
        gap.is_some_and(|noticed| self.requested.is_none_or(|asked| asked < noticed))
    }

    // mirrors Replica::handle_gap_timeout, protocol/repair.rs
    pub(crate) fn request(&mut self, step: &Step) {
        self.requested = Some(step.now);
        self.control.push(Frame::Request { from: step.me, missing: self.vector.missing() });
    }

    // mirrors Replica::handle_gap_timeout, protocol/repair.rs
    pub(crate) fn drop_for_gap(&mut self, step: &Step) {
        let Some(noticed) = self.vector.open_gap() else { return };
        if step.is(Mutant::GapDeadlineDropsNothing) {
            self.vector.cover_gaps(noticed);
        } else {
            self.drop_before(noticed);
        }
        self.gap_end = GapEnd::Dropped;
    }

    // mirrors Replica::request_met, protocol/repair.rs
    pub(crate) fn request_met(&mut self, asked: &[u16; NODES], step: &Step) {
        let missing = self.vector.missing();
        if self.wants_request() && missing.iter().zip(asked).all(|(own, theirs)| own & !theirs == 0)
        {
            self.requested = Some(step.now);
        }
        for (origin, asked) in (0..).zip(asked) {
            for number in (1..16_u8).filter(|number| asked & bit(*number) != 0) {
                if self.reply_for(origin, number, step).is_some() {
                    self.replies[usize::from(origin)] |= bit(number);
                }
            }
        }
    }

    // mirrors Replica::reply, protocol/repair.rs
    // mirrors Log::replay_one, protocol/log.rs
    fn reply_for(&self, origin: u8, number: u8, step: &Step) -> Option<Replayed> {
        if origin == step.me
            && let Some(sealed) = self.publisher.own.get(usize::from(number) - 1)
        {
            return Some(Replayed { origin, number, version: sealed.version });
        }
        let held = |entry: &&LogEntry| (entry.mark.origin, entry.mark.number) == (origin, number);
        self.log.iter().find(held).map(LogEntry::replayed)
    }

    // mirrors Replica::send_replies, protocol/repair.rs
    pub(crate) fn send_replies(&mut self, step: &Step) {
        let mut entries = Vec::new();
        for (origin, numbers) in (0..).zip(std::mem::take(&mut self.replies)) {
            let asked = (1..16_u8).filter(|number| numbers & bit(*number) != 0);
            entries.extend(asked.filter_map(|number| self.reply_for(origin, number, step)));
        }
        self.control.push(Frame::Replay { from: step.me, answer: 0, entries });
    }
}

impl LogEntry {
    // mirrors Kept::replayed, protocol/log.rs
    fn replayed(&self) -> Replayed {
        let Mark { origin, number, .. } = self.mark;
        Replayed { origin, number, version: self.version }
    }
}

fn up_confirmed(node: &Node) -> u8 {
    node.up.as_ref().map_or(0, |up| up.confirmed)
}
