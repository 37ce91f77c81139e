//! Repair: the mark rule after a reconnect, gaps on a living subscription.

use std::collections::BTreeSet;
use std::time::Duration;

use super::answering::{compose, pack};
use super::publisher::{Kind, Sent};
use super::replica::{Link, Output, Replica};
use super::turns::Turn;
use super::wire::{Body, Numbered, Replayed, Sync, Synced, replayed_len};
use crate::mutation::{self, Mutation};
use crate::node_id::NodeId;
use crate::time::Timestamp;
use crate::transport::TransportError;

/// Ranges of one request, written and read: what is above is nothing that a node asks for, and every one of them
/// costs its readers up to a thousand look-ups.
const MAX_REQUESTED_RANGES: usize = 64;
/// Of no more than so many each origin replies by itself, at once.
const FEW_ORIGINS: usize = 4;

/// A number that somebody asked for and that we can give.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    asked: Timestamp,
    pub(super) due: Timestamp,
    drawn_from: Duration,
}

impl Replica {
    // Asking.

    /// Publishes `Sync` for the current subscription.
    pub(super) fn send_sync(&mut self) {
        let Link::Up(up) = &mut self.link else { return };
        up.retry_at = None;
        let sync = Sync {
            nonce: up.nonce,
            // A demoted primary passes on frames of its successor that it happens to see, after others that it
            // did not: what was met there is no mark for the successor's order.
            mark: self.mark.filter(|_| {
                self.mark_sequencer == up.sequencer
                    || mutation::active(Mutation::MarkOutlivesSequencer)
            }),
            sequencer: up.sequencer.clone(),
            lanes: self.config.lanes,
            accepted: self.publisher.accepted,
        };
        self.queue_control_body(Sent::Sync(sync.nonce), &Body::Sync(sync));
    }

    /// `Sync` could not be published, or may not have been: stays unsynced and tries again.
    pub(super) fn retry_sync(&mut self, error: &TransportError, now: Timestamp) {
        self.note_sync_failure(error);
        let failures = self.up().map_or(0, |up| up.failures);
        let wait = self.backoff(failures).max(error.retry_after().unwrap_or_default());
        if let Link::Up(up) = &mut self.link {
            up.failures += 1;
            // If it was accepted after all, its echo has set the deadline.
            up.retry_at = up.deadline.is_none().then_some(now.after(wait));
        }
    }

    pub(super) fn handle_sync_timeout(&mut self, now: Timestamp) {
        let Link::Up(up) = &self.link else { return };
        if up.retry_at.is_some_and(|retry| now >= retry) {
            self.send_sync();
        }
        let Link::Up(up) = &self.link else { return };
        if up.synced || now < self.grace_until || up.deadline.is_none_or(|due| now < due) {
            return;
        }
        // Nobody can tell us what we missed before the confirmation. Gaps that were noticed since may be
        // older than that as well; one drop covers both.
        let confirmed = up.confirmed;
        let noticed = self.vector.open_gap().unwrap_or(confirmed);
        self.counters.syncs_alone += 1;
        if !mutation::active(Mutation::NoDropWhenUnwitnessed) {
            self.drop_before(confirmed.max(noticed));
        }
        self.become_synced(now);
    }

    /// A complete answer was met; `rest` is what its parts say of the vector.
    pub(super) fn synced_met(&mut self, synced: &Synced, rest: &[Numbered], now: Timestamp) {
        let pause = self.pause_of_answers(now);
        self.answering.answered(&synced.nonces, synced.witnessed, pause, now);
        let Link::Up(up) = &self.link else { return };
        let for_us =
            synced.nonces.contains(&up.nonce) || mutation::active(Mutation::AnyNonceCounts);
        if up.synced || !for_us {
            return;
        }
        let vector = rest.iter().chain(&synced.vector);
        if synced.witnessed {
            self.counters.syncs_witnessed += 1;
            for numbered in vector {
                self.learn(*numbered, now);
            }
        } else {
            // The baseline holds numbers that we never met; all of them were accepted before this moment.
            self.counters.syncs_adopted += 1;
            for numbered in vector {
                if numbered.0 != self.publisher.id {
                    self.vector.adopt(*numbered, now);
                }
            }
            if !mutation::active(Mutation::AdoptedWithoutDrop) {
                self.drop_before(self.baseline_moment(now));
            }
        }
        self.become_synced(now);
    }

    /// Whatever a baseline that is met now covers was accepted before this moment.
    fn baseline_moment(&self, now: Timestamp) -> Timestamp {
        let echo_deadline = self.up().and_then(|up| up.deadline);
        match echo_deadline.filter(|_| mutation::active(Mutation::BaselineAtEcho)) {
            Some(deadline) => deadline.before(self.patience(now)),
            None => now,
        }
    }

    /// Everything that the broker accepted up to here has been met, or dropped.
    fn become_synced(&mut self, now: Timestamp) {
        if let Link::Up(up) = &mut self.link {
            up.synced = true;
            up.retry_at = None;
        }
        self.was_synced = true;
        self.subscribe_failures = 0;
        self.last_error = None;
        // The log begins at the confirmation, and what was accepted before is repaired: its last frame is a
        // mark as good as the next one will be.
        self.move_mark();
        self.outputs.push_back(Output::VoidLoads);
        self.fences.hurry(now);
        if !mutation::active(Mutation::BeaconsNotRearmed) {
            self.announce(now);
        }
        let turn = self.draw_answer(now);
        self.answering.rearm_strangers(turn, now);
    }

    /// The last frame that was met is the mark now. To be called while synced.
    pub(super) fn move_mark(&mut self) {
        if let Some(mark) = self.log.mark() {
            self.mark = Some(mark);
            let sequencer = self.up().and_then(|up| up.sequencer.as_ref());
            if self.mark_sequencer.as_ref() != sequencer {
                self.mark_sequencer = sequencer.cloned();
            }
        }
    }

    // Answering.

    /// Another node's `Sync` was met.
    pub(super) fn sync_met(&mut self, node: NodeId, sync: &Sync, now: Timestamp) {
        let Some(up) = self.up() else { return };
        // Only a node that hears the same server can vouch for its order.
        let same_order = up.sequencer.is_some() && up.sequencer == sync.sequencer
            || mutation::active(Mutation::WitnessOfAnotherSequencer);
        let witnesses = same_order && !mutation::active(Mutation::NobodyWitnesses);
        let mark = sync.mark.filter(|_| witnesses);
        let mut after_mark = mark.and_then(|mark| self.log.after_mark(&mark));
        if mutation::active(Mutation::WitnessWithoutMark) {
            after_mark = after_mark.or(mark.map(|_| self.log.first()));
        }
        let mut turn = self.draw_answer(now);
        if after_mark.is_none() && sync.mark.is_some() {
            turn = turn.after(self.config.stranger_delay);
        }
        self.answering.asked(node, sync.nonce, sync.mark.is_some(), after_mark, turn, now);
    }

    pub(super) fn send_answers(&mut self, now: Timestamp) {
        // As far as we know; what we know best is how far behind we are ourselves.
        let late = self.patience(now).saturating_sub(self.delay(now));
        self.answering.forget_before(now.before(late.max(self.config.sync_deadline / 2)));
        // One answer takes all who have asked: whose turn was drawn from less, too. What is due all the same listens again.
        let least = self.least_to_draw_from(now);
        if self.answering.is_too_early(least, now) {
            let turn = self.draw_answer(now);
            self.answering.draw_again(turn, self.config.stranger_delay, least, now);
            return;
        }
        let mut askers = self.answering.take_witnessed(&self.log, now);
        while let Some((earliest, from)) = askers.iter().copied().min_by_key(|(_, seq)| *seq) {
            let nonces = askers.iter().map(|(nonce, _)| *nonce).collect();
            let latest = askers.iter().map(|(_, seq)| *seq).max();
            let from =
                latest.filter(|_| mutation::active(Mutation::OlderMarkListed)).unwrap_or(from);
            if self.answer(true, nonces, Some(from), now) {
                break;
            }
            // Too far for this one: an unwitnessed answer tells it to go on without. The others need less.
            askers.retain(|(nonce, _)| *nonce != earliest);
            self.answering.give_up_witnessing(earliest, now);
        }
        if self.is_synced()
            && let Some(nonces) = self.answering.take_strangers(now)
        {
            self.answer(false, nonces, None, now);
        }
    }

    fn answer(
        &mut self,
        witnessed: bool,
        nonces: Vec<u64>,
        replay_from: Option<u64>,
        now: Timestamp,
    ) -> bool {
        // Who adopts takes everything as a baseline. Who only learns must not be taught the dead.
        let mut vector: Vec<_> = if witnessed {
            self.vector.iter_met_since(now.before(self.config.vector_window)).collect()
        } else {
            self.vector.iter().collect()
        };
        if self.publisher.accepted > 0 {
            vector.push((self.publisher.id, self.publisher.accepted));
        }
        self.answers_given += 1;
        let entries = replay_from.into_iter().flat_map(|from| self.log.replay_from(from));
        let (max_body, max_bytes) = (self.max_body_bytes(), self.config.max_answer_bytes);
        let lanes = self.config.lanes;
        let Some(composed) = compose(
            self.answers_given,
            lanes,
            witnessed,
            nonces,
            entries,
            vector,
            max_body,
            max_bytes,
        ) else {
            return false;
        };
        let mut frames: Vec<_> = composed
            .parts
            .into_iter()
            .map(|part| self.control_frame(&Body::Replay(part)))
            .collect();
        frames.push(self.control_frame(&Body::Synced(composed.synced)));
        if !self.publisher.control.has_room(frames.iter().map(bytes::Bytes::len).sum()) {
            return false;
        }
        self.counters.answers += 1;
        self.answering.answered(&[], witnessed, self.pause_of_answers(now), now);
        for frame in frames {
            self.publisher.control.push(Sent::Other, frame);
        }
        true
    }

    // Gaps.

    /// Starts to repair a gap that has been noticed on a synced subscription.
    pub(super) fn notice_gaps(&mut self, now: Timestamp) {
        let Some(noticed) = self.vector.open_gap().filter(|_| self.is_synced()) else {
            self.gap_since = None;
            self.request_at = None;
            return;
        };
        if self.gap_since.is_none() {
            self.gap_since = Some(now);
            self.counters.gaps += 1;
        }
        let asked = self.requested_at.is_some_and(|asked| asked >= noticed);
        if !asked && self.request_at.is_none() {
            self.request_at = Some(now.after(self.wait_up_to(self.config.request_delay)));
        }
    }

    pub(super) fn handle_gap_timeout(&mut self, now: Timestamp) {
        if self.request_at.is_some_and(|due| now >= due) {
            self.request_at = None;
            self.requested_at = Some(now);
            let most = (self.max_body_bytes() / 64).min(MAX_REQUESTED_RANGES);
            let missing = self.vector.missing(most);
            if !missing.is_empty() && !mutation::active(Mutation::GapsNotRequested) {
                self.counters.requests += 1;
                self.queue_control_body(Sent::Other, &Body::Request(missing));
            }
        }
        let due = self.gap_since.map(|since| since.after(self.config.gap_deadline));
        if due.is_some_and(|due| now >= due && now >= self.grace_until)
            && let Some(noticed) = self.vector.open_gap()
        {
            // What is missing was accepted before the frame that showed it: everything newer is unaffected.
            self.counters.gaps_dropped += 1;
            if mutation::active(Mutation::GapDropsToHorizon) {
                self.drop_before(self.horizon);
                self.vector.cover_gaps(noticed);
            } else {
                self.drop_before(noticed);
            }
            self.gap_since = None;
        }
    }

    /// Another node asks for numbers: we need not ask for the same, and may have them.
    pub(super) fn request_met(&mut self, ranges: &[(NodeId, u64, u64)], now: Timestamp) {
        let asked_for = |missing: &(NodeId, u64, u64)| {
            ranges.iter().any(|(origin, from, to)| {
                *origin == missing.0 && *from <= missing.1 && missing.2 <= *to
            })
        };
        if self.request_at.is_some()
            && self.vector.missing(MAX_REQUESTED_RANGES).iter().all(asked_for)
        {
            self.request_at = None;
            self.requested_at = Some(now);
        }
        let ranges = &ranges[..ranges.len().min(MAX_REQUESTED_RANGES)];
        let turn = self.draw_reply(now);
        let drawn_from = turn.drawn_from;
        // Who is asked for the numbers of many lets somebody reply who has them all.
        let origins: BTreeSet<_> = ranges.iter().map(|(origin, ..)| origin).collect();
        let few = origins.len() <= FEW_ORIGINS;
        let mut at_once = Vec::new();
        for (origin, from, to) in ranges {
            // An absurd range is cut where our own tables end.
            let last = (*to).min(from.saturating_add(self.config.max_pending as u64));
            for numbered in (*from..=last).map(|number| (*origin, number)) {
                if self.replies.len() + at_once.len() >= self.config.max_pending
                    || self.reply(numbered).is_none()
                {
                    continue;
                }
                if few && *origin == self.publisher.id {
                    at_once.push(numbered);
                } else {
                    let reply = Reply { asked: now, due: now.after(turn.wait), drawn_from };
                    self.replies.entry(numbered).or_insert(reply);
                }
            }
        }
        self.send_replay(&at_once);
    }

    /// What we can reply for this number.
    fn reply(&self, numbered: Numbered) -> Option<Replayed> {
        let (origin, number) = numbered;
        if origin != self.publisher.id {
            return self.log.replay_one(numbered);
        }
        let Some(sealed) = self.publisher.own.get(number) else {
            return self.log.replay_one(numbered);
        };
        Some(if sealed.kind == Kind::Targets {
            Replayed::Frame(self.codec.frame(&sealed.compared, sealed.attempt.0))
        } else {
            Replayed::Met(numbered)
        })
    }

    pub(super) fn send_replies(&mut self, now: Timestamp) {
        // Later whoever asked has dropped what it may have missed.
        let deadline = self.config.gap_deadline;
        self.replies.retain(|_, reply| now < reply.asked.after(deadline));
        let least = self.least_to_draw_from(now);
        let is_due = |reply: &Reply| reply.due <= now;
        if self.replies.values().any(|reply| is_due(reply) && reply.drawn_from < least) {
            let Turn { wait, drawn_from } = self.draw_reply(now);
            for reply in self.replies.values_mut().filter(|reply| reply.drawn_from < least) {
                reply.due = reply.due.max(now.after(wait));
                reply.drawn_from = drawn_from;
            }
        }
        let due = self.replies.iter().filter(|(_, reply)| is_due(reply));
        let due: Vec<_> = due.map(|(numbered, _)| *numbered).collect();
        for numbered in &due {
            self.replies.remove(numbered);
        }
        self.send_replay(&due);
    }

    fn send_replay(&mut self, replies: &[Numbered]) {
        if replies.is_empty() {
            return;
        }
        let (max_body, max_bytes) = (self.max_body_bytes(), self.config.max_answer_bytes);
        let mut bytes = 0;
        let fits = replies.iter().filter_map(|numbered| self.reply(*numbered)).filter(|entry| {
            let fits =
                replayed_len(entry) + 32 <= max_body && bytes + replayed_len(entry) <= max_bytes;
            bytes += if fits { replayed_len(entry) } else { 0 };
            fits
        });
        let parts = pack(0, fits.collect::<Vec<_>>().into_iter(), max_body, max_bytes);
        for part in parts.unwrap_or_default() {
            self.queue_control_body(Sent::Other, &Body::Replay(part));
        }
    }
}
