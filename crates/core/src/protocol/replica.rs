//! The state machine of one node on one channel.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::answering::Answering;
use super::config::Config;
use super::fences::Fences;
use super::log::Log;
use super::outbox::Outbox;
use super::publisher::{Attempt, PublishId, Publisher};
use super::repair::Reply;
use super::status::{Counters, Reason, State, Status, Warning};
use super::syncing::{Hearing, Up};
use super::vector::Vector;
use super::wire::{Codec, Mark, Numbered, Unreadable};
use crate::mutation::{self, Mutation};
use crate::node_id::NodeId;
use crate::target::Batch;
use crate::time::Timestamp;
use crate::transport::{SequencerId, TransportError};

/// What a replica asks its driver to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Open a subscription; tell [`Replica::subscribed`] or [`Replica::subscription_ended`].
    Subscribe,
    /// Drop the subscription, or the attempt to open one. It is over already; tell nothing.
    Unsubscribe,
    /// Publish a frame; tell [`Replica::published`] what became of it.
    Publish {
        /// Names this publish.
        id: PublishId,
        /// The frame.
        frame: Bytes,
    },
    /// Stop waiting for a publish; tell nothing.
    CancelPublish(PublishId),
    /// Ask the subscription for a native fence; its answer goes to [`Replica::fenced`].
    Fence(u64),
    /// Apply to every cache.
    Apply {
        /// What to invalidate.
        targets: Batch,
        /// Who said so; `None` for a foreign publisher.
        origin: Option<NodeId>,
    },
    /// Drop every entry whose as-of is older than this, and refuse later fills that are.
    DropBefore(Timestamp),
    /// Do not store loads that began before now.
    VoidLoads,
    /// The horizon is here, once everything before this output is applied.
    AdvanceHorizon(Timestamp),
    /// The broker has accepted the outbox up to this place.
    Accepted(u64),
    /// Whether anything may be served from the caches.
    Serve(bool),
}

/// The link to the broker.
#[derive(Debug)]
pub(crate) enum Link {
    /// Not subscribed; the next attempt is at `retry_at`.
    Down { retry_at: Timestamp },
    /// Waiting for the confirmation.
    Connecting { deadline: Timestamp },
    /// Subscribed.
    Up(Up),
    /// Left for good.
    Closed,
}

/// One node's view of one channel: a state machine without I/O, clock or randomness of its own.
///
/// Every input takes the current time; outputs are collected with [`poll_output`](Self::poll_output) until
/// there is none; [`next_deadline`](Self::next_deadline) says when [`handle_timeout`](Self::handle_timeout)
/// is due. The driver must deliver what the subscription yields before it handles a timeout.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(super) config: Config,
    pub(super) codec: Codec,
    pub(super) rng: fastrand::Rng,
    pub(super) outbox: Arc<Outbox>,
    pub(super) outputs: VecDeque<Output>,

    pub(super) link: Link,
    pub(super) epochs: u64,
    pub(super) subscribe_failures: u32,
    /// Whether this node has ever been synced.
    pub(super) was_synced: bool,
    pub(super) publisher: Publisher,
    /// What the attempts of frames that are sealed now begin with.
    pub(super) sealing_attempt: Attempt,
    pub(super) log: Log,
    pub(super) mark: Option<Mark>,
    /// Who ordered the channel when the mark was met.
    pub(super) mark_sequencer: Option<SequencerId>,
    pub(super) vector: Vector,
    pub(super) fences: Fences,
    pub(super) hearing: Hearing,
    pub(super) answering: Answering,
    pub(super) answers_given: u64,
    pub(super) horizon: Timestamp,

    /// Since when a gap is open on a synced subscription.
    pub(super) gap_since: Option<Timestamp>,
    pub(super) request_at: Option<Timestamp>,
    pub(super) requested_at: Option<Timestamp>,
    /// Numbers that others asked for and that we can give, and when.
    pub(super) replies: BTreeMap<Numbered, Reply>,
    /// Since when we listen whether somebody else says what is our turn to say.
    pub(super) listening_since: Option<Timestamp>,

    /// The last frame that could not be read, until everything before it is dropped.
    pub(super) unreadable: Option<Timestamp>,
    pub(super) last_unreadable_clear: Option<Timestamp>,

    pub(super) beacon_at: Option<Timestamp>,
    pub(super) steady_beacon_at: Option<Timestamp>,
    pub(super) beacon_interval: Duration,
    pub(super) forget_at: Timestamp,

    /// Lanes of another node that differ from ours, until when that is believed.
    pub(super) lane_mismatch: Option<(u16, Timestamp)>,
    pub(super) leaving: bool,

    /// No deadline counts before this: the process was stalled, and what it missed may be on its way.
    pub(super) grace_until: Timestamp,
    stalls: u32,

    pub(super) status: Status,
    pub(super) last_error: Option<Reason>,
    pub(super) publish_error: Option<String>,
    pub(super) warnings: BTreeSet<Warning>,
    pub(super) counters: Counters,
}

impl Replica {
    /// A lateness beyond this is a stall of the process (or of the whole machine).
    const STALL: Duration = Duration::from_millis(250);
    /// What a subscription gets after a stall to deliver what it holds.
    const GRACE: Duration = Duration::from_millis(500);
    /// Stalls in a row that are given such a grace.
    const MAX_STALLS: u32 = 3;

    pub(crate) fn new(config: Config, outbox: Arc<Outbox>, seed: u64, now: Timestamp) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let codec = Codec::new(config.namespace.clone(), config.authentication.clone());
        let id = random_node_id(&mut rng);
        Self {
            publisher: Publisher::new(id, &config),
            sealing_attempt: Attempt::none(&mut rng),
            log: Log::new(config.max_log_frames, config.max_log_bytes, seed),
            vector: Vector::new(config.max_origins, config.max_ranges),
            fences: Fences::new(),
            answering: Answering::new(config.max_pending.min(config.max_frame_bytes / 32), seed),
            beacon_interval: config.beacon_steady,
            forget_at: now.after(config.vector_window),
            codec,
            config,
            rng,
            outbox,
            outputs: VecDeque::new(),
            link: Link::Down { retry_at: now },
            epochs: 0,
            subscribe_failures: 0,
            was_synced: false,
            mark: None,
            mark_sequencer: None,
            hearing: Hearing::default(),
            answers_given: 0,
            horizon: Timestamp::ZERO,
            gap_since: None,
            request_at: None,
            requested_at: None,
            replies: BTreeMap::new(),
            listening_since: None,
            unreadable: None,
            last_unreadable_clear: None,
            beacon_at: None,
            steady_beacon_at: None,
            lane_mismatch: None,
            leaving: false,
            grace_until: Timestamp::ZERO,
            stalls: 0,
            status: Status {
                state: State::Starting,
                since: now,
                reason: Some(Reason::Connecting),
                warnings: Vec::new(),
            },
            last_error: None,
            publish_error: None,
            warnings: BTreeSet::new(),
            counters: Counters::default(),
        }
    }

    /// This node's identity, for now: it takes a new one when another process turns out to use it too.
    pub(crate) fn id(&self) -> NodeId {
        self.publisher.id
    }

    /// The namespace of its frames.
    pub(crate) fn namespace(&self) -> &str {
        &self.config.namespace
    }

    /// The next thing to do. Collect until `None` after every input.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The subscription was confirmed. `entropy` is new each time: a process that was forked or restored has a
    /// twin with the same generator, and must not share a nonce with it.
    pub(crate) fn subscribed(
        &mut self,
        sequencer: Option<SequencerId>,
        entropy: u64,
        now: Timestamp,
    ) {
        if !matches!(self.link, Link::Connecting { .. }) {
            return;
        }
        self.counters.subscriptions += 1;
        if !mutation::active(Mutation::EntropyNotStirred) {
            self.stir(entropy);
        }
        self.sealing_attempt = Attempt::none(&mut self.rng);
        self.epochs += 1;
        if !mutation::active(Mutation::LogSurvivesSubscription) {
            self.log.reset();
        }
        self.hearing.clear();
        self.answering.clear();
        let up = Up {
            epoch: self.epochs,
            confirmed: now,
            sequencer,
            nonce: self.rng.u64(..),
            synced: false,
            deadline: None,
            retry_at: None,
            failures: 0,
        };
        self.link = Link::Up(up);
        if !self.was_synced {
            // What was loaded before may be older than an invalidation that nobody will replay to us. (A node
            // that was synced before learns from the answer to its `Sync` what it has to drop.)
            self.outputs.push_back(Output::DropBefore(now));
        }
        self.outputs.push_back(Output::VoidLoads);
        self.fences.start(self.rng.u64(1..1 << 62), now);
        self.send_sync();
        self.step(now);
    }

    /// The subscription, or the attempt to open one, ended.
    pub(crate) fn subscription_ended(&mut self, error: &TransportError, now: Timestamp) {
        if matches!(self.link, Link::Connecting { .. } | Link::Up(_)) {
            self.disconnect(Reason::of(error), error.retry_after(), now);
        }
        self.step(now);
    }

    /// Ends the subscription for a reason of our own.
    pub(super) fn end_subscription(&mut self, reason: Reason, now: Timestamp) {
        if matches!(self.link, Link::Connecting { .. } | Link::Up(_)) {
            self.outputs.push_back(Output::Unsubscribe);
            self.disconnect(reason, None, now);
        }
    }

    fn disconnect(&mut self, reason: Reason, retry_after: Option<Duration>, now: Timestamp) {
        self.counters.subscription_failures += 1;
        let wait = self.backoff(self.subscribe_failures).max(retry_after.unwrap_or_default());
        self.subscribe_failures += 1;
        self.link = Link::Down { retry_at: now.after(wait) };
        self.last_error = Some(reason);
        self.fences.stop();
        let cancelled = self.publisher.subscription_ended();
        self.outputs.extend(cancelled.map(Output::CancelPublish));
        self.hearing.clear();
        self.answering.clear();
        self.replies.clear();
        self.listening_since = None;
        self.gap_since = None;
        self.request_at = None;
        self.requested_at = None;
        if mutation::active(Mutation::GapsEndWithSubscription) {
            self.vector.cover_gaps(Timestamp::MAX);
        }
    }

    /// Something was pushed into the outbox, or a proof is wanted at once.
    pub(crate) fn wake(&mut self, wants_proof: bool, now: Timestamp) {
        if wants_proof {
            self.fences.hurry(now);
        }
        self.step(now);
    }

    /// Sets the time between two fences, and what one may take.
    pub(crate) fn set_fences(&mut self, interval: Duration, timeout: Duration) {
        self.config.fence_interval = interval;
        self.config.fence_timeout = timeout;
    }

    /// Says goodbye after everything in the outbox, and publishes no more after that.
    pub(crate) fn leave(&mut self, now: Timestamp) {
        self.leaving = true;
        self.step(now);
    }

    /// Whether everything, the goodbye included, has been accepted.
    pub(crate) fn has_left(&self) -> bool {
        matches!(self.link, Link::Closed)
    }

    /// Frames with targets that are sealed and not accepted.
    pub(crate) fn unaccepted(&self) -> usize {
        let head = self.publisher.head.sealed.as_ref();
        let head = head.is_some_and(|sealed| sealed.kind == super::publisher::Kind::Targets);
        usize::from(head) + self.publisher.resend.len()
    }

    /// Gives up for good, whatever is not published.
    pub(crate) fn close(&mut self, now: Timestamp) {
        self.end_subscription(Reason::ShutDown, now);
        self.link = Link::Closed;
        self.last_error = Some(Reason::ShutDown);
        self.update_status(now);
    }

    /// Time has passed. To be called at [`next_deadline`](Self::next_deadline), after everything that the
    /// subscription yielded by then.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        let late = self.next_deadline().map_or(Duration::ZERO, |deadline| now.since(deadline));
        // A host that is always late must reach its deadlines all the same.
        self.stalls = if late >= Self::STALL { self.stalls + 1 } else { 0 };
        if (1..=Self::MAX_STALLS).contains(&self.stalls) {
            self.grace_until = now.after(Self::GRACE);
            self.fences.extend(self.grace_until);
        }
        self.handle_link_timeout(now);
        self.handle_publish_timeout(now);
        if self.fences.timed_out(now) {
            self.end_subscription(Reason::FenceTimeout, now);
        }
        self.handle_sync_timeout(now);
        self.handle_gap_timeout(now);
        self.handle_unreadable_timeout(now);
        if self.lane_mismatch.is_some_and(|(_, until)| now >= until) {
            self.lane_mismatch = None;
            self.outputs.push_back(Output::Serve(true));
        }
        if now >= self.forget_at {
            self.forget_at = now.after(self.config.vector_window);
            self.vector.forget_before(now.before(3 * self.config.vector_window));
        }
        self.step(now);
    }

    fn handle_link_timeout(&mut self, now: Timestamp) {
        match self.link {
            Link::Down { retry_at } if now >= retry_at => {
                // Each attempt gets more time than the last: the way may need it.
                let patience = 1 + self.subscribe_failures.min(2);
                let deadline = now.after(self.config.attempt_timeout * patience);
                self.link = Link::Connecting { deadline };
                self.outputs.push_back(Output::Subscribe);
            }
            Link::Connecting { deadline } if now >= deadline && now >= self.grace_until => {
                let error = crate::transport::TransportErrorKind::Unreachable
                    .error("the broker did not confirm the subscription in time");
                self.end_subscription(Reason::of(&error), now);
            }
            _ => {}
        }
    }

    /// What every input ends with: whatever has become possible or due without waiting.
    pub(super) fn step(&mut self, now: Timestamp) {
        self.send_fence(now);
        self.speak(now);
        self.notice_gaps(now);
        self.publish_control(now);
        self.publish_numbered(now);
        self.counters.origins_ignored = self.vector.ignored_unknown;
        self.counters.outbox_collapses = self.outbox.collapses();
        self.update_status(now);
    }

    pub(super) fn send_fence(&mut self, now: Timestamp) {
        let (interval, timeout) = (self.config.fence_interval, self.config.fence_timeout);
        let Some(token) = self.fences.send(now, interval, timeout) else {
            return;
        };
        if self.config.native_fences {
            self.outputs.push_back(Output::Fence(token));
        } else {
            self.queue_fence(token);
        }
    }

    /// A fence returned: everything that the broker accepted before it was sent has been met.
    pub(crate) fn fenced(&mut self, token: u64, now: Timestamp) {
        let Some(sent) = self.fences.confirm(token, now) else {
            return;
        };
        self.counters.fences += 1;
        let missing = self.publisher.echoes.missing(token);
        if !missing.is_empty() && !mutation::active(Mutation::SplitPathIgnored) {
            self.echoes_are_missing(&missing);
            self.end_subscription(Reason::SplitPath, now);
        } else if self.is_proof() {
            // Not the moment it returned: what was accepted while it travelled may not have been met.
            let sent = if mutation::active(Mutation::HorizonAtConfirmation) { now } else { sent };
            if sent > self.horizon {
                self.horizon = sent;
                self.outputs.push_back(Output::AdvanceHorizon(sent));
            }
        }
        self.step(now);
    }

    /// Whether everything that was accepted before a fence that returns now has been applied.
    fn is_proof(&self) -> bool {
        let synced = self.is_synced() || mutation::active(Mutation::FenceBeforeSynced);
        let complete =
            self.vector.open_gap().is_none() || mutation::active(Mutation::GapDoesNotStopHorizon);
        let readable =
            self.unreadable.is_none() || mutation::active(Mutation::UnreadableDoesNotStopHorizon);
        synced && complete && readable
    }

    pub(super) fn up(&self) -> Option<&Up> {
        if let Link::Up(up) = &self.link { Some(up) } else { None }
    }

    pub(super) fn is_synced(&self) -> bool {
        self.up().is_some_and(|up| up.synced)
    }

    pub(super) fn epoch(&self) -> Option<u64> {
        self.up().map(|up| up.epoch)
    }

    /// Drops what is older than `as_of`, and closes the gaps that this covers. Counts as a clear once the start
    /// is over: before the first sync there is nothing to lose.
    pub(super) fn drop_before(&mut self, as_of: Timestamp) {
        self.counters.clears += u64::from(self.was_synced);
        let dropped =
            if mutation::active(Mutation::DropsNothing) { Timestamp::ZERO } else { as_of };
        self.outputs.push_back(Output::DropBefore(dropped));
        self.vector.cover_gaps(as_of);
    }

    /// Takes a new identity; what was pending is covered by a clear of everything.
    pub(super) fn reincarnate(&mut self, now: Timestamp) {
        self.counters.new_identities += 1;
        let (old, accepted) = (self.publisher.id, self.publisher.accepted);
        let id = random_node_id(&mut self.rng);
        self.publisher.reincarnate(id, &self.config);
        // The old identity is an origin like any other now. All that it published was applied here.
        self.vector.adopt((old, accepted), now);
        self.replace_head_by_clear(now);
    }

    /// Mixes something into the generator that a twin of this process does not have.
    pub(super) fn stir(&mut self, entropy: u64) {
        self.rng = fastrand::Rng::with_seed(self.rng.u64(..) ^ entropy);
    }

    pub(super) fn wait_up_to(&mut self, most: Duration) -> Duration {
        Duration::from_nanos(self.rng.u64(..=crate::time::saturating_nanos(most)))
    }

    /// Doubling, capped, with jitter over the upper half.
    pub(super) fn backoff(&mut self, failures: u32) -> Duration {
        let doubled = self.config.backoff_first.saturating_mul(1 << failures.min(16));
        let most = doubled.min(self.config.backoff_most);
        most / 2 + self.wait_up_to(most / 2)
    }

    pub(super) fn unreadable_frame(&mut self, why: Unreadable, may_carry: bool, now: Timestamp) {
        self.counters.unreadable += 1;
        match why {
            Unreadable::UnknownKey(id) => self.add_warning(Warning::UnknownKey(id)),
            Unreadable::Version(version) => self.add_warning(Warning::NewerVersion(version)),
            Unreadable::Malformed => {}
        }
        if may_carry && !mutation::active(Mutation::UnreadableIgnored) {
            self.unreadable = Some(now);
            // Coalesced: at most one clear per interval; until then the horizon stands still.
            self.handle_unreadable_timeout(now);
        }
    }

    fn unreadable_due(&self) -> Option<Timestamp> {
        self.unreadable?;
        let interval = self.config.unreadable_clear_interval;
        Some(self.last_unreadable_clear.map_or(Timestamp::ZERO, |last| last.after(interval)))
    }

    fn handle_unreadable_timeout(&mut self, now: Timestamp) {
        if self.unreadable_due().is_some_and(|due| now >= due)
            && let Some(met) = self.unreadable.take()
        {
            self.last_unreadable_clear = Some(now);
            self.counters.unreadable_clears += 1;
            self.drop_before(met);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let graced = |deadline: Timestamp| deadline.max(self.grace_until);
        let link = match &self.link {
            Link::Down { retry_at } => Some(*retry_at),
            Link::Connecting { deadline } => Some(graced(*deadline)),
            Link::Up(up) => [up.deadline.filter(|_| !up.synced).map(graced), up.retry_at]
                .into_iter()
                .flatten()
                .min(),
            Link::Closed => return None,
        };
        let gap = self.gap_since.map(|since| graced(since.after(self.config.gap_deadline)));
        [
            link,
            self.publish_deadline(),
            self.fences.next_deadline(),
            self.next_turn(),
            gap,
            self.request_at,
            self.unreadable_due(),
            self.beacon_due().filter(|_| self.publisher.head.sealed.is_none()),
            self.lane_mismatch.map(|(_, until)| until),
            Some(self.forget_at),
            self.fence_late_at(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

fn random_node_id(rng: &mut fastrand::Rng) -> NodeId {
    NodeId::from_bytes(rng.u128(..).to_le_bytes())
}
