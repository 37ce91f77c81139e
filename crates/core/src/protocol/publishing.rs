//! Publishing: sealing, resending, echoes, beacons, leaving.

use std::time::Duration;

use super::publisher::{
    Attempt, Echo, Fence, Head, InFlight, Kind, PublishId, Publisher, Sealed, Sent,
};
use super::replica::{Link, Output, Replica};
use super::status::{Reason, Warning};
use super::wire::Body;
use crate::mutation::{self, Mutation};
use crate::target::Target;
use crate::time::Timestamp;
use crate::transport::{TransportError, TransportErrorKind};

impl Replica {
    /// The largest body of a frame of targets: one that still fits into a replay.
    pub(super) fn max_targets_bytes(&self) -> usize {
        super::max_targets_bytes(&self.codec, self.config.max_frame_bytes)
    }

    /// The largest body of any frame.
    pub(super) fn max_body_bytes(&self) -> usize {
        self.config.max_frame_bytes.saturating_sub(self.codec.overhead())
    }

    /// What a publish came to.
    pub(crate) fn published(
        &mut self,
        id: PublishId,
        result: Result<(), TransportError>,
        now: Timestamp,
    ) {
        let is_this = |in_flight: &mut InFlight| in_flight.id == id;
        if let Some(done) = self.publisher.head.in_flight.take_if(is_this) {
            self.head_published(&done, result, now);
        } else if let Some(done) = self.publisher.control.in_flight.take_if(is_this) {
            self.control_published(&done, result, now);
        } else if let Some(done) = self.publisher.fence.in_flight.take_if(is_this) {
            self.fence_published(&done, result, now);
        }
        self.step(now);
    }

    pub(super) fn handle_publish_timeout(&mut self, now: Timestamp) {
        if now < self.grace_until {
            return;
        }
        let error = || TransportErrorKind::Unreachable.error("the broker did not answer in time");
        let overdue = |in_flight: &mut InFlight| now >= in_flight.deadline;
        if let Some(done) = self.publisher.head.in_flight.take_if(overdue) {
            self.outputs.push_back(Output::CancelPublish(done.id));
            self.head_published(&done, Err(error()), now);
        }
        if let Some(done) = self.publisher.control.in_flight.take_if(overdue) {
            self.outputs.push_back(Output::CancelPublish(done.id));
            self.control_published(&done, Err(error()), now);
        }
        if let Some(done) = self.publisher.fence.in_flight.take_if(overdue) {
            self.outputs.push_back(Output::CancelPublish(done.id));
            self.fence_published(&done, Err(error()), now);
        }
    }

    pub(super) fn publish_deadline(&self) -> Option<Timestamp> {
        let Publisher { head, control, fence, .. } = &self.publisher;
        let in_flight = [&head.in_flight, &control.in_flight, &fence.in_flight];
        let deadlines = in_flight.into_iter().flatten().map(|it| it.deadline.max(self.grace_until));
        let retries = [head.retry_at, control.retry_at, fence.retry_at];
        deadlines.chain(retries.into_iter().flatten()).min()
    }

    fn begin(
        &mut self,
        sent: Sent,
        attempt: Attempt,
        frame: bytes::Bytes,
        now: Timestamp,
    ) -> InFlight {
        let id = self.publisher.next_publish;
        self.publisher.next_publish += 1;
        // A large frame on a slow way may need longer than one attempt has: each gets more than the last.
        let patience = match sent {
            Sent::Numbered(_) => 1 + self.publisher.head.failures.min(2),
            _ => 1,
        };
        self.outputs.push_back(Output::Publish { id, frame });
        InFlight {
            id,
            sent,
            attempt,
            epoch: self.epoch(),
            deadline: now.after(self.config.attempt_timeout * patience),
            echoed: false,
        }
    }

    // Numbered frames.

    /// Publishes the next numbered frame, if none is in flight and there is something to say.
    pub(super) fn publish_numbered(&mut self, now: Timestamp) {
        let head = &self.publisher.head;
        let waiting = head.in_flight.is_some() || head.retry_at.is_some_and(|retry| now < retry);
        if waiting || matches!(self.link, Link::Closed) {
            return;
        }
        if self.publisher.head.sealed.is_none() {
            self.publisher.head.sealed = self.next_numbered(now);
        } else if mutation::active(Mutation::SealedFrameChanged) {
            self.change_sealed();
        }
        let Some(sealed) = &mut self.publisher.head.sealed else {
            return;
        };
        sealed.attempt = sealed.attempt.next();
        let (number, attempt) = (sealed.number, sealed.attempt);
        let frame = self.codec.frame(&sealed.compared, attempt.0);
        let in_flight = self.begin(Sent::Numbered(number), attempt, frame, now);
        self.publisher.head.retry_at = None;
        self.publisher.head.in_flight = Some(in_flight);
    }

    /// What a mistake makes of a frame that is published again: the next targets take the place of its own.
    fn change_sealed(&mut self) {
        let last = self.publisher.last_sealed;
        let Some(Sealed { number, attempt, .. }) = self.publisher.head.sealed else { return };
        if number == last
            && let Some((targets, place)) = self.outbox.take(self.max_targets_bytes())
        {
            self.publisher.last_sealed -= 1;
            let mut changed = self.seal(&Body::Targets(targets.into_iter().collect()), place);
            changed.attempt = attempt;
            self.publisher.head.sealed = Some(changed);
        }
    }

    /// What to publish next: what must be resent, then everything that queued, then a beacon or goodbye.
    fn next_numbered(&mut self, now: Timestamp) -> Option<Sealed> {
        // Only where its echo can be watched: it went somewhere else before.
        if self.up().is_some()
            && let Some(number) = self.publisher.resend.pop_first()
        {
            if let Some(sealed) = self.publisher.own.get(number) {
                return Some(sealed.clone());
            }
            // Too long ago: what it named is not known any more.
            return Some(self.seal(&Body::Targets(Target::Everything.into()), 0));
        }
        if let Some((targets, place)) = self.outbox.take(self.max_targets_bytes()) {
            if mutation::active(Mutation::ReceiptAtSealing) {
                self.outputs.push_back(Output::Accepted(place));
            }
            return Some(self.seal(&Body::Targets(targets.into_iter().collect()), place));
        }
        if self.leaving {
            return Some(self.seal(&Body::Goodbye, 0));
        }
        if self.beacon_due().is_some_and(|due| now >= due) {
            let since = now.before(self.config.vector_window);
            let slice = self.vector.slice(self.slice_len(since), since);
            let lanes = self.config.lanes;
            self.schedule_next_beacon(now);
            return Some(self.seal(&Body::Beacon { lanes, slice }, 0));
        }
        None
    }

    fn seal(&mut self, body: &Body, place: u64) -> Sealed {
        self.publisher.last_sealed += 1;
        let number = self.publisher.last_sealed;
        let targets = if let Body::Targets(targets) = body { targets.len() as u64 } else { 0 };
        let compared = self.codec.compared(Some((self.publisher.id, number)), body);
        let kind = match body {
            Body::Targets(_) => Kind::Targets,
            Body::Goodbye => Kind::Goodbye,
            _ => Kind::Beacon,
        };
        let attempt = self.sealing_attempt;
        Sealed { number, compared, targets, attempt, place, kind, replacement: false }
    }

    fn head_published(
        &mut self,
        done: &InFlight,
        result: Result<(), TransportError>,
        now: Timestamp,
    ) {
        match result {
            Ok(()) => {
                if done.epoch.is_some() && done.epoch == self.epoch() && !done.echoed {
                    let before_token = self.fences.next_token();
                    if let Sent::Numbered(number) = done.sent {
                        self.publisher.echoes.expect(Echo::Numbered(number), before_token);
                    }
                }
                self.head_accepted(now);
            }
            Err(error) if error.kind() == TransportErrorKind::Rejected => {
                self.counters.publish_failures += 1;
                self.add_warning(Warning::FrameRejected(error.to_string()));
                let sealed = self.publisher.head.sealed.as_ref();
                if mutation::active(Mutation::RejectedFrameForgotten) {
                    self.head_accepted(now);
                } else if sealed.is_some_and(|sealed| sealed.replacement) {
                    // Nothing can be smaller than what was refused here.
                    self.retry_head(&error, now);
                } else {
                    self.reincarnate(now);
                }
            }
            // It came back: whatever the answer was, the broker accepted it.
            Err(_) if done.echoed => self.head_accepted(now),
            Err(error) => {
                self.counters.publish_failures += 1;
                self.retry_head(&error, now);
            }
        }
    }

    fn retry_head(&mut self, error: &TransportError, now: Timestamp) {
        let failures = self.publisher.head.failures;
        let wait = self.backoff(failures).max(error.retry_after().unwrap_or_default());
        self.publisher.head.failures = failures + 1;
        self.publisher.head.retry_at = Some(now.after(wait));
        self.publish_error = Some(error.to_string());
    }

    /// The broker accepted the frame at the head: its publish returned `Ok`, or its echo was met.
    pub(super) fn head_accepted(&mut self, now: Timestamp) {
        let Head { sealed, .. } = std::mem::take(&mut self.publisher.head);
        let Some(sealed) = sealed else { return };
        self.publish_error = None;
        self.publisher.accepted = self.publisher.accepted.max(sealed.number);
        self.counters.frames_published += 1;
        self.counters.targets_published += sealed.targets;
        if sealed.place > 0 {
            self.outputs.push_back(Output::Accepted(sealed.place));
        }
        match sealed.kind {
            Kind::Targets => self.arm_beacons(now),
            Kind::Beacon => self.counters.beacons_published += 1,
            Kind::Goodbye if self.outbox.is_empty() && self.publisher.resend.is_empty() => {
                self.close(now);
            }
            Kind::Goodbye => {}
        }
        self.publisher.own.insert(sealed);
    }

    /// Puts "clear everything" in the place of what was being published, under the new identity.
    pub(super) fn replace_head_by_clear(&mut self, now: Timestamp) {
        let place = self.publisher.head.sealed.as_ref().map_or(0, |sealed| sealed.place);
        if let Some(in_flight) = self.publisher.head.in_flight.take() {
            self.outputs.push_back(Output::CancelPublish(in_flight.id));
        }
        let mut clear = self.seal(&Body::Targets(Target::Everything.into()), place);
        clear.replacement = true;
        self.publisher.head = Head { sealed: Some(clear), ..Head::default() };
        self.publish_numbered(now);
    }

    // Echoes.

    /// An own numbered frame was met in the stream, and it is what we sealed.
    pub(super) fn echo_of_numbered(&mut self, number: u64, attempt: Attempt, now: Timestamp) {
        self.publisher.echoes.met(Echo::Numbered(number));
        let head = &mut self.publisher.head;
        if head.sealed.as_ref().is_none_or(|sealed| sealed.number != number) {
            return;
        }
        match &mut head.in_flight {
            // Its `Ok` is on its way; the broker has only one frame of ours at a time.
            Some(in_flight) if in_flight.attempt == attempt => in_flight.echoed = true,
            // An earlier attempt, of which we did not know, was accepted.
            _ => {
                if let Some(in_flight) = head.in_flight.take() {
                    self.outputs.push_back(Output::CancelPublish(in_flight.id));
                }
                self.head_accepted(now);
            }
        }
    }

    /// A fence returned, and these have not: what was published must go out again.
    pub(super) fn echoes_are_missing(&mut self, missing: &[Echo]) {
        for echo in missing {
            if let Echo::Numbered(number) = echo
                && !mutation::active(Mutation::MissingEchoNotResent)
            {
                self.publisher.resend.insert(*number);
            }
        }
    }

    // Control frames.

    pub(super) fn control_frame(&self, body: &Body) -> bytes::Bytes {
        let compared = self.codec.compared(Some((self.publisher.id, 0)), body);
        self.codec.frame(&compared, 0)
    }

    pub(super) fn queue_control_body(&mut self, sent: Sent, body: &Body) {
        let frame = self.control_frame(body);
        self.publisher.control.push(sent, frame);
    }

    pub(super) fn publish_control(&mut self, now: Timestamp) {
        let waits = |retry_at: Option<Timestamp>| retry_at.is_some_and(|retry| now < retry);
        if self.up().is_none() {
            return;
        }
        let fence = &mut self.publisher.fence;
        if fence.in_flight.is_none()
            && !waits(fence.retry_at)
            && let Some(token) = fence.waiting.take()
        {
            fence.retry_at = None;
            let frame = self.control_frame(&Body::Fence { token });
            let in_flight = self.begin(Sent::Fence(token), Attempt::default(), frame, now);
            self.publisher.fence.in_flight = Some(in_flight);
        }
        let control = &mut self.publisher.control;
        if control.in_flight.is_none() && !waits(control.retry_at) {
            control.retry_at = None;
            if let Some((sent, frame)) = control.pop() {
                let in_flight = self.begin(sent, Attempt::default(), frame, now);
                self.publisher.control.in_flight = Some(in_flight);
            }
        }
    }

    fn control_published(
        &mut self,
        done: &InFlight,
        result: Result<(), TransportError>,
        now: Timestamp,
    ) {
        let current = done.epoch == self.epoch();
        match result {
            Ok(()) => {
                self.counters.control_published += 1;
                self.publisher.control.failures = 0;
                if let Sent::Sync(nonce) = done.sent
                    && current
                    && !done.echoed
                {
                    let before_token = self.fences.next_token();
                    self.publisher.echoes.expect(Echo::Sync(nonce), before_token);
                    self.fences.hurry(now);
                }
                self.publishing_works();
            }
            Err(error) => {
                self.publishing_fails(&error);
                let failures = self.publisher.control.failures;
                let wait = self.backoff(failures).max(error.retry_after().unwrap_or_default());
                self.publisher.control.failures += 1;
                self.publisher.control.retry_at = Some(now.after(wait));
                // Any other control frame is given up: somebody's deadline covers its loss.
                if matches!(done.sent, Sent::Sync(_)) && current {
                    self.retry_sync(&error, now);
                }
            }
        }
    }

    /// Publishes a fence on ourselves; a later one takes its place.
    pub(super) fn queue_fence(&mut self, token: u64) {
        self.publisher.fence.waiting = Some(token);
    }

    fn fence_published(
        &mut self,
        done: &InFlight,
        result: Result<(), TransportError>,
        now: Timestamp,
    ) {
        let Sent::Fence(token) = done.sent else { return };
        match result {
            Ok(()) => {
                self.counters.control_published += 1;
                self.publisher.fence.failures = 0;
                self.publishing_works();
            }
            Err(error) => {
                // A failure to publish says nothing about the subscription: the fence gets its time anew.
                self.publishing_fails(&error);
                let failures = self.publisher.fence.failures;
                let wait = self.backoff(failures).max(error.retry_after().unwrap_or_default());
                let retry_at = now.after(wait);
                self.fences.extend(retry_at.after(self.config.fence_timeout));
                let waiting = self.fences.is_outstanding(token).then_some(token);
                self.publisher.fence = Fence {
                    waiting,
                    in_flight: None,
                    retry_at: waiting.map(|_| retry_at),
                    failures: failures + 1,
                };
            }
        }
    }

    fn publishing_works(&mut self) {
        if self.publisher.head.failures == 0 {
            self.publish_error = None;
        }
    }

    fn publishing_fails(&mut self, error: &TransportError) {
        self.counters.publish_failures += 1;
        self.publish_error = Some(error.to_string());
    }

    // Beacons.

    /// Something was published, or could have been missed: the others must soon learn that it exists.
    pub(super) fn arm_beacons(&mut self, now: Timestamp) {
        if self.beacon_at.is_none() || !mutation::active(Mutation::BeaconIntervalNotReset) {
            self.beacon_interval = self.config.beacon_first;
            self.beacon_at = Some(now.after(self.beacon_interval));
        }
        if self.steady_beacon_at.is_none() {
            self.steady_beacon_at = Some(now.after(self.steady_beacon_interval(now)));
        }
    }

    /// We are heard (again): one beacon soon, since what we published last may have been missed, and since it gives
    /// the others a mark; then as before. With the full series of beacons a cluster that starts at once would speak
    /// six times of nothing. Who has not published lately has time: all of a crowd may be told by one answer that they
    /// are synced, and would speak at the same moment.
    pub(super) fn announce(&mut self, now: Timestamp) {
        /// A hundred beacons a second.
        const FOR_EACH_NODE: Duration = Duration::from_millis(10);
        let hurries = self.beacon_interval < self.config.beacon_steady;
        let others = if hurries { 0 } else { self.known(now) };
        let wait = self.config.beacon_first + self.wait_up_to(FOR_EACH_NODE * others);
        self.beacon_at = Some(now.after(wait));
        if self.steady_beacon_at.is_none() {
            self.steady_beacon_at = Some(now.after(self.steady_beacon_interval(now)));
        }
    }

    /// When the next beacon is due. However often something is published, and puts off the beacons that
    /// follow it, the steady ones come: they carry slices and the number of lanes.
    pub(super) fn beacon_due(&self) -> Option<Timestamp> {
        let due = self.beacon_at.into_iter().chain(self.steady_beacon_at).min();
        due.filter(|_| self.is_synced() && !mutation::active(Mutation::TailBeaconsOff))
    }

    fn schedule_next_beacon(&mut self, now: Timestamp) {
        let steady = self.steady_beacon_interval(now);
        self.beacon_interval = (self.beacon_interval * 2).min(steady);
        // Jitter keeps nodes that started together from speaking together.
        let interval = self.beacon_interval;
        let wait = interval * 3 / 4 + self.wait_up_to(interval / 2);
        self.beacon_at = Some(now.after(wait));
        self.steady_beacon_at = Some(now.after(steady * 5 / 4));
    }

    /// So slow that the whole cluster stays within its budget.
    pub(super) fn steady_beacon_interval(&self, now: Timestamp) -> Duration {
        let active = self.vector.active(now.before(self.config.vector_window)) as u64 + 1;
        let share_ms = active * 1_000 / u64::from(self.config.beacon_budget_per_s.max(1));
        self.config.beacon_steady.max(Duration::from_millis(share_ms))
    }

    /// So long that the slices of the whole cluster, as far as it keeps to its budget, go once around in ten seconds,
    /// within limits.
    fn slice_len(&self, since: Timestamp) -> usize {
        let rounds = 10 * self.config.beacon_budget_per_s.max(1) as usize;
        self.vector.active(since).div_ceil(rounds).clamp(8, self.config.slice_len.max(8))
    }

    /// The other nodes' lane count was seen.
    pub(super) fn compare_lanes(&mut self, theirs: u16, now: Timestamp) {
        let same = theirs == self.config.lanes || mutation::active(Mutation::LaneMismatchIgnored);
        if !self.config.first_lane || same {
            return;
        }
        if self.lane_mismatch.is_none() {
            self.outputs.push_back(Output::Serve(false));
        }
        let believed = 3 * self.steady_beacon_interval(now);
        self.lane_mismatch = Some((theirs, now.after(believed)));
    }

    /// The reason to report when a sync cannot be published.
    pub(super) fn note_sync_failure(&mut self, error: &TransportError) {
        self.last_error = Some(Reason::of(error));
    }
}
