//! Repair: the mark rule after a reconnect, gaps on a living subscription.

use super::answering::{compose, pack};
use super::publisher::{Kind, Sent};
use super::replica::{Link, Output, Replica};
use super::wire::{Body, Numbered, Replayed, Sync, Synced};
use crate::node_id::NodeId;
use crate::time::Timestamp;
use crate::transport::TransportError;

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
            mark: self.mark.filter(|_| self.mark_sequencer == up.sequencer),
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
        let noticed = self.vector.open_gap().map_or(confirmed, |gap| gap.last);
        self.counters.syncs_alone += 1;
        if self.was_synced {
            self.drop_before(confirmed.max(noticed));
        } else {
            self.outputs.push_back(Output::DropBefore(confirmed.max(noticed)));
            self.vector.cover_gaps(confirmed.max(noticed));
        }
        self.become_synced(now);
    }

    /// A complete answer was met.
    pub(super) fn synced_met(&mut self, synced: &Synced, vector: &[Numbered], now: Timestamp) {
        self.answering.answered(&synced.nonces);
        let Link::Up(up) = &self.link else { return };
        if up.synced || !synced.nonces.contains(&up.nonce) {
            return;
        }
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
            if self.was_synced {
                self.drop_before(now);
            } else {
                self.outputs.push_back(Output::DropBefore(now));
                self.vector.cover_gaps(now);
            }
        }
        self.become_synced(now);
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
        self.arm_beacons(now);
        self.answering.rearm_strangers(now);
    }

    /// The last frame that was met is the mark now. To be called while synced.
    pub(super) fn move_mark(&mut self) {
        if let Some(mark) = self.log.mark() {
            self.mark = Some(mark);
            self.mark_sequencer = self.up().and_then(|up| up.sequencer.clone());
        }
    }

    // Answering.

    /// Another node's `Sync` was met.
    pub(super) fn sync_met(&mut self, sync: &Sync, now: Timestamp) {
        let Some(up) = self.up() else { return };
        // Only a node that hears the same server can vouch for its order.
        let same_order = up.sequencer == sync.sequencer;
        let after_mark =
            sync.mark.filter(|_| same_order).and_then(|mark| self.log.after_mark(&mark));
        let mut wait = self.wait_up_to(self.config.witness_delay);
        if after_mark.is_none() && sync.mark.is_some() {
            wait += self.config.stranger_delay;
        }
        self.answering.asked(sync.nonce, after_mark, now.after(wait), now);
    }

    pub(super) fn send_answers(&mut self, now: Timestamp) {
        if self.up().is_none() {
            return;
        }
        if let Some((nonces, from)) = self.answering.take_witnessed(&self.log, now)
            && !self.answer(true, nonces.clone(), Some(from), now)
        {
            // Too far: an unwitnessed answer tells the asker to go on without.
            self.answering.put_back_as_strangers(&nonces, now);
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
        let since = now.before(3 * self.config.vector_window);
        let mut vector: Vec<_> = self.vector.iter_since(since).collect();
        if self.publisher.accepted > 0 {
            vector.push((self.publisher.id, self.publisher.accepted));
        }
        self.answers_given += 1;
        let entries = replay_from.into_iter().flat_map(|from| self.log.replay_from(from));
        let (max_body, max_bytes) = (self.max_body_bytes(), self.config.max_answer_bytes);
        let composed =
            compose(self.answers_given, witnessed, nonces, entries, vector, max_body, max_bytes);
        let Some(composed) =
            composed.filter(|composed| composed.parts.len() < self.publisher.control_room())
        else {
            return false;
        };
        self.counters.answers += 1;
        for part in composed.parts {
            self.queue_control_body(Sent::Other, &Body::Replay(part));
        }
        self.queue_control_body(Sent::Other, &Body::Synced(composed.synced));
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
        let asked = self.requested_at.is_some_and(|asked| asked >= noticed.last);
        if !asked && self.request_at.is_none() {
            self.request_at = Some(now.after(self.wait_up_to(self.config.request_delay)));
        }
    }

    pub(super) fn handle_gap_timeout(&mut self, now: Timestamp) {
        if self.request_at.is_some_and(|due| now >= due) {
            self.request_at = None;
            self.requested_at = Some(now);
            let most = (self.max_body_bytes() / 64).min(64);
            let missing = self.vector.missing(most);
            if !missing.is_empty() {
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
            self.drop_before(noticed.last);
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
        if self.request_at.is_some() && self.vector.missing(64).iter().all(asked_for) {
            self.request_at = None;
            self.requested_at = Some(now);
        }
        for (origin, from, to) in ranges {
            let own = *origin == self.publisher.id;
            let wait = if own {
                std::time::Duration::ZERO
            } else {
                self.config.helper_delay + self.wait_up_to(self.config.helper_delay)
            };
            // An absurd range is cut where our own tables end.
            let last = (*to).min(from.saturating_add(self.config.max_pending as u64));
            for number in *from..=last {
                if self.replies.len() < self.config.max_pending
                    && self.reply((*origin, number)).is_some()
                {
                    self.replies.entry((*origin, number)).or_insert(now.after(wait));
                }
            }
        }
    }

    /// What we can reply for this number.
    fn reply(&self, numbered: Numbered) -> Option<Replayed> {
        let (origin, number) = numbered;
        if origin != self.publisher.id {
            return self.log.replay_one(numbered);
        }
        let sealed = self.publisher.own.get(number)?;
        Some(if sealed.kind == Kind::Targets {
            Replayed::Frame(self.codec.frame(&sealed.compared, sealed.attempts))
        } else {
            Replayed::Met(numbered)
        })
    }

    pub(super) fn send_replies(&mut self, now: Timestamp) {
        let due: Vec<_> = self.replies.iter().filter(|(_, due)| **due <= now).collect();
        if due.is_empty() {
            return;
        }
        let due: Vec<_> = due.into_iter().map(|(numbered, _)| *numbered).collect();
        let entries: Vec<_> = due.iter().filter_map(|numbered| self.reply(*numbered)).collect();
        for numbered in &due {
            self.replies.remove(numbered);
        }
        let parts =
            pack(0, entries.into_iter(), self.max_body_bytes(), self.config.max_answer_bytes);
        for part in parts.unwrap_or_default() {
            self.queue_control_body(Sent::Other, &Body::Replay(part));
        }
    }
}
