//! Whose turn it is to speak where one can speak for all: answers to a `Sync`, and replies to a `Request`.
//!
//! Whoever could speak lets the others go first for a time that is drawn at random, and is silent if it has heard one of
//! them by then (Nonnenmacher and Biersack, 1999; RFC 5740). That is worth what the draw is worth: it must be from a
//! longer time than it takes to hear the others. How long that takes shows when it is too late, since the first thing
//! that a burst of frames does is to delay whatever would tell of it. So in a crowd a node whose turn comes *listens*
//! first, as on a shared wire (Metcalfe and Boggs, 1976): it sends a fence. When that returns, everything that the broker
//! had accepted has been met, and what it took is how far the node is behind; if it had drawn from less, it draws again.
//!
//! *Invariant:* whoever answers in a crowd drew its turn from twice the time, as far as it is known, in which it hears the
//! others; and where it listens, it has met all that they said up to a moment after its turn had come.

use std::time::Duration;

use super::replica::Replica;
use crate::time::Timestamp;

/// Within so many round trips somebody has answered. RFC 5740 has four to six.
const ROUND_TRIPS: u32 = 4;
/// A crowd.
const MANY: u32 = 64;

/// When to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// How long the others go first.
    pub(crate) wait: Duration,
    /// The longest that it could have been.
    pub(crate) drawn_from: Duration,
}

impl Turn {
    pub(crate) fn after(self, wait: Duration) -> Self {
        Self { wait: self.wait + wait, ..self }
    }
}

impl Replica {
    /// Draws a turn.
    ///
    /// The time grows with the number of nodes that could speak, and most of them draw a late moment: the density grows
    /// exponentially, so that few are early however many there are, and fewer still before they have heard those
    /// (RFC 5740, `RandomBackoff`). It grows with the time, too, that it takes to hear of the others, as there: where
    /// many are behind by more than all wait, all of them would speak, which would put them behind further.
    fn draw_turn(&mut self, delay: Duration, longest: Duration, now: Timestamp) -> Turn {
        let known = self.known(now);
        let most = delay.saturating_mul(1 + known / MANY).min(self.config.sync_deadline / 4);
        let most = most.max(self.round_trips(known, now)).min(longest);
        let steepness = f64::from(known.saturating_add(1)).ln() + 1.0;
        let drawn = (self.rng.f64() * steepness.exp_m1()).ln_1p() / steepness;
        Turn { wait: most.mul_f64(drawn), drawn_from: most }
    }

    /// To answer a `Sync`: whoever asks waits longer where answers take longer.
    pub(super) fn draw_answer(&mut self, now: Timestamp) -> Turn {
        self.draw_turn(self.config.witness_delay, Duration::MAX, now)
    }

    /// To reply to a `Request`, after its origin had time to: in a second it is of no use any more.
    pub(super) fn draw_reply(&mut self, now: Timestamp) -> Turn {
        let delay = self.config.helper_delay;
        self.draw_turn(delay, self.config.gap_deadline / 4, now).after(delay)
    }

    /// When the next turn comes, unless it has come and we listen: then a fence says how to go on.
    pub(super) fn next_turn(&self) -> Option<Timestamp> {
        if self.listening_since.is_some() { None } else { self.turn_due() }
    }

    fn turn_due(&self) -> Option<Timestamp> {
        let answer = self.answering.next_deadline(self.is_synced());
        answer.into_iter().chain(self.replies.values().map(|reply| reply.due)).min()
    }

    /// Says what is due, if nobody else has.
    pub(super) fn speak(&mut self, now: Timestamp) {
        if self.up().is_none() || self.turn_due().is_none_or(|due| now < due) {
            self.listening_since = None;
        } else if self.has_listened(now) {
            self.listening_since = None;
            self.send_answers(now);
            self.send_replies(now);
        }
    }

    /// Whether a fence has returned that was sent since we listen. Where fences are frames, each is heard by everybody,
    /// as an answer is: nobody listens there, nor where each costs money.
    fn has_listened(&mut self, now: Timestamp) -> bool {
        if !self.config.has_round_trips() || !self.is_in_crowd(now) {
            return true;
        }
        if self.listening_since.is_none() {
            self.listening_since = Some(now);
            self.fences.hurry(now);
            self.send_fence(now);
        }
        self.listening_since.is_some_and(|since| self.fences.returned_since(since))
    }

    /// Whoever drew from less than this could not have heard the others.
    pub(super) fn least_to_draw_from(&self, now: Timestamp) -> Duration {
        if self.is_in_crowd(now) { 2 * self.delay(now) } else { Duration::ZERO }
    }

    /// How many other nodes are known, or how many have asked lately: a node that has just started knows of nobody else.
    pub(super) fn known(&self, now: Timestamp) -> u32 {
        u32::try_from(self.vector.len()).unwrap_or(u32::MAX).max(self.answering.askers(now))
    }

    /// Whether there are so many others that not all of them may answer.
    pub(super) fn is_in_crowd(&self, now: Timestamp) -> bool {
        self.known(now) >= MANY
    }

    /// How long it takes at present from publishing to meeting, within limits.
    pub(super) fn delay(&self, now: Timestamp) -> Duration {
        self.fences.delay(now).min(self.config.sync_deadline)
    }

    /// What it takes at present to hear somebody answer before all do: in a crowd some round trips, and less among
    /// few, of whom all may answer.
    fn round_trips(&self, nodes: u32, now: Timestamp) -> Duration {
        self.delay(now) * (ROUND_TRIPS * nodes.min(MANY)) / MANY
    }

    /// How long one who asks now waits for an answer, from when its `Sync` was met: longer where answers take longer. Who
    /// has only started does not know how many others there are: alone among many it would have to ask for each.
    pub(super) fn patience(&self, now: Timestamp) -> Duration {
        let nodes = if self.was_synced { self.known(now) } else { MANY };
        self.config.sync_deadline + self.round_trips(nodes, now)
    }

    /// From one answer to the next: an answer names every node and goes to every node, so in a large cluster those who
    /// ask at about the same time are to share one.
    pub(super) fn pause_of_answers(&self, now: Timestamp) -> Duration {
        const FOR_EACH_NODE: Duration = Duration::from_micros(500);
        FOR_EACH_NODE.saturating_mul(self.known(now)).min(self.config.sync_deadline / 2)
    }
}
