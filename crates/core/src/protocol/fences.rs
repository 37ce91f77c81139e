//! Fences: proofs that everything the broker accepted before a moment has been met.

use std::time::Duration;

use crate::mutation::{self, Mutation};
use crate::time::Timestamp;

/// The fences of one replica, one outstanding at a time. One that was sent on an earlier subscription proves
/// nothing on this.
#[derive(Debug)]
pub(crate) struct Fences {
    next_token: u64,
    outstanding: Option<Outstanding>,
    /// When the next one is due; `None` without a subscription.
    next_at: Option<Timestamp>,
    /// How long the last one of this subscription took, and when it returned.
    took: (Duration, Timestamp),
}

#[derive(Clone, Copy, Debug)]
struct Outstanding {
    token: u64,
    sent: Timestamp,
    deadline: Timestamp,
    timeout: Duration,
    /// When to ask for it again, on a subscription that lives.
    again_at: Option<Timestamp>,
}

impl Fences {
    /// A fence on a subscription that lives may take so many times its time-out.
    const PATIENCE: u32 = 4;

    pub(crate) fn new() -> Self {
        Self {
            next_token: 0,
            outstanding: None,
            next_at: None,
            took: (Duration::ZERO, Timestamp::ZERO),
        }
    }

    /// A subscription was confirmed: the first fence is due at once. `first_token` is random, so that no answer
    /// to a fence of an earlier subscription, another life or a clone is taken for one of this.
    pub(crate) fn start(&mut self, first_token: u64, now: Timestamp) {
        self.next_token =
            if mutation::active(Mutation::FenceAcrossSubscriptions) { 1 } else { first_token };
        self.outstanding = None;
        self.next_at = Some(now);
        self.took = (Duration::ZERO, now);
    }

    /// The subscription ended: what was sent on it proves nothing any more.
    pub(crate) fn stop(&mut self) {
        self.outstanding = None;
        self.next_at = None;
    }

    /// Makes the next fence due now, or as soon as the outstanding one has returned.
    pub(crate) fn hurry(&mut self, now: Timestamp) {
        self.next_at = self.next_at.map(|next| next.min(now));
    }

    /// The token to send, if a fence is due.
    pub(crate) fn send(
        &mut self,
        now: Timestamp,
        interval: Duration,
        timeout: Duration,
    ) -> Option<u64> {
        if let Some(outstanding) = &mut self.outstanding {
            outstanding.again_at.take_if(|again| now >= *again)?;
            return Some(outstanding.token);
        }
        if self.next_at.is_none_or(|next| now < next) {
            return None;
        }
        let token = self.next_token;
        self.next_token += 1;
        let deadline = if mutation::active(Mutation::FenceTimeoutOff) {
            Timestamp::MAX
        } else {
            now.after(timeout)
        };
        self.outstanding =
            Some(Outstanding { token, sent: now, deadline, timeout, again_at: None });
        self.next_at = Some(now.after(interval));
        Some(token)
    }

    /// The subscription yielded something: it lives, and a fence on it is most likely behind what was sent before. It
    /// gets its time anew, since to subscribe again would put everybody behind further. It may have got lost, too, so it
    /// is asked for again, as the same fence: whichever returns proves what was accepted before the first was sent.
    pub(crate) fn heard(&mut self, now: Timestamp) {
        if let Some(Outstanding { sent, deadline, timeout, again_at, .. }) = &mut self.outstanding {
            let most = sent.after(*timeout * Self::PATIENCE);
            let extended = now.after(*timeout).min(most);
            if extended > *deadline {
                again_at.get_or_insert(*deadline);
                *deadline = extended;
            }
        }
    }

    /// A fence returned; the moment it was sent, if it is the outstanding one of this subscription.
    pub(crate) fn confirm(&mut self, token: u64, now: Timestamp) -> Option<Timestamp> {
        let sent = self.outstanding.filter(|outstanding| outstanding.token == token)?.sent;
        self.outstanding = None;
        self.took = (now.since(sent), now);
        Some(sent)
    }

    /// Whether the last one that returned was sent at this moment or later.
    pub(crate) fn returned_since(&self, moment: Timestamp) -> bool {
        let (took, returned) = self.took;
        returned.before(took) >= moment
    }

    /// How long it takes at present from sending something to meeting it, as far as is known.
    pub(crate) fn delay(&self, now: Timestamp) -> Duration {
        /// What an older fence took says nothing of now.
        const PRESENT: Duration = Duration::from_secs(2);
        let waiting = self.outstanding.map(|outstanding| now.since(outstanding.sent));
        let (took, returned) = self.took;
        let took = if now.since(returned) <= PRESENT { took } else { Duration::ZERO };
        took.max(waiting.unwrap_or_default())
    }

    pub(crate) fn is_outstanding(&self, token: u64) -> bool {
        self.outstanding.is_some_and(|outstanding| outstanding.token == token)
    }

    /// Gives the outstanding fence until `deadline` at least.
    pub(crate) fn extend(&mut self, deadline: Timestamp) {
        if let Some(outstanding) = &mut self.outstanding {
            outstanding.deadline = outstanding.deadline.max(deadline);
        }
    }

    pub(crate) fn timed_out(&self, now: Timestamp) -> bool {
        self.outstanding.is_some_and(|outstanding| now >= outstanding.deadline)
    }

    /// When the outstanding fence was sent.
    pub(crate) fn outstanding_since(&self) -> Option<Timestamp> {
        self.outstanding.map(|outstanding| outstanding.sent)
    }

    /// A fence that is sent from now on has this token or a higher one.
    pub(crate) fn next_token(&self) -> u64 {
        self.next_token
    }

    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let Some(Outstanding { deadline, again_at, .. }) = self.outstanding else {
            return self.next_at;
        };
        Some(again_at.map_or(deadline, |again| again.min(deadline)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(1_000_000_000 + ms * 1_000_000)
    }

    #[test]
    fn the_delay_is_that_of_the_last_fence_for_a_while_and_of_the_outstanding_one() {
        let [interval, timeout] = [Duration::from_secs(10); 2];
        let mut fences = Fences::new();
        fences.start(7, at(0));
        assert_eq!(fences.delay(at(0)), Duration::ZERO);
        let token = fences.send(at(0), interval, timeout).unwrap_or(0);
        assert_eq!(fences.delay(at(300)), Duration::from_millis(300));
        fences.confirm(token, at(400));
        assert_eq!(fences.delay(at(2_400)), Duration::from_millis(400));
        assert_eq!(fences.delay(at(2_401)), Duration::ZERO);
        fences.send(at(10_000), interval, timeout);
        assert_eq!(fences.delay(at(10_050)), Duration::from_millis(50));
        fences.start(9, at(10_060));
        assert_eq!(fences.delay(at(10_100)), Duration::ZERO);
    }

    #[test]
    fn a_fence_on_a_subscription_that_lives_gets_its_time_anew_four_times() {
        let timeout = Duration::from_secs(1);
        let mut fences = Fences::new();
        fences.start(7, at(0));
        fences.heard(at(0));
        assert!(fences.send(at(0), timeout, timeout).is_some());
        assert!(!fences.timed_out(at(999)) && fences.timed_out(at(1_000)));
        fences.heard(at(900));
        assert!(!fences.timed_out(at(1_899)) && fences.timed_out(at(1_900)));
        fences.heard(at(3_500));
        assert!(!fences.timed_out(at(3_999)) && fences.timed_out(at(4_000)));
    }

    #[test]
    fn a_fence_that_is_late_on_a_subscription_that_lives_is_asked_for_again_as_the_same() {
        let timeout = Duration::from_secs(1);
        let mut fences = Fences::new();
        fences.start(7, at(0));
        let token = fences.send(at(0), timeout, timeout);
        assert_eq!(fences.next_deadline(), Some(at(1_000)));
        fences.heard(at(500));
        assert_eq!(fences.next_deadline(), Some(at(1_000)));
        assert_eq!(fences.send(at(999), timeout, timeout), None);
        assert_eq!(fences.send(at(1_000), timeout, timeout), token);
        // Once, until something is heard again.
        assert_eq!(fences.send(at(1_001), timeout, timeout), None);
        assert_eq!(fences.next_deadline(), Some(at(1_500)));
        fences.heard(at(1_100));
        assert_eq!(fences.send(at(1_500), timeout, timeout), token);
        assert_eq!(fences.confirm(token.unwrap_or(0), at(1_600)), Some(at(0)));
        assert_eq!(fences.confirm(token.unwrap_or(0), at(1_700)), None);
    }

    #[test]
    fn what_counts_is_when_a_fence_was_sent() {
        let [interval, timeout] = [Duration::from_secs(10); 2];
        let mut fences = Fences::new();
        fences.start(7, at(0));
        let token = fences.send(at(100), interval, timeout).unwrap_or(0);
        assert!(!fences.returned_since(at(100)));
        fences.confirm(token, at(400));
        assert!(fences.returned_since(at(100)) && !fences.returned_since(at(101)));
    }
}
