//! Times and limits of the protocol.

use std::time::Duration;

use super::wire::Authentication;

/// What a [`Replica`](super::Replica) is told once. The times and limits that are not the user's have a
/// documented default in [`Config::new`].
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) namespace: String,
    pub(crate) authentication: Option<Authentication>,
    /// How many lanes the node has.
    pub(crate) lanes: u16,
    /// Whether this replica is lane 0, which carries the lane count.
    pub(crate) first_lane: bool,
    pub(crate) max_frame_bytes: usize,
    pub(crate) native_fences: bool,
    /// Whether a fence is a message of the broker's, which costs money, and may get lost or be taken by another reader;
    /// not a mere round trip on the connection.
    pub(crate) fences_are_messages: bool,

    /// Time between two fences.
    pub(crate) fence_interval: Duration,
    /// A fence that takes longer ends the subscription.
    pub(crate) fence_timeout: Duration,
    /// At most one clear for unreadable frames in this time.
    pub(crate) unreadable_clear_interval: Duration,

    /// An attempt to subscribe or publish that takes longer counts as failed.
    pub(crate) attempt_timeout: Duration,
    /// Wait before the second attempt; doubled for each further one, with jitter.
    pub(crate) backoff_first: Duration,
    pub(crate) backoff_most: Duration,

    /// From the echo of a `Sync` to going on without an answer.
    pub(crate) sync_deadline: Duration,
    /// Answers of witnesses are delayed by up to this, so that one can speak for all.
    pub(crate) witness_delay: Duration,
    /// Answers of nodes that are no witness wait at least this long for one that is.
    pub(crate) stranger_delay: Duration,
    /// From noticing a gap to dropping what it may concern.
    pub(crate) gap_deadline: Duration,
    /// Requests are delayed by up to this, so that one can ask for all.
    pub(crate) request_delay: Duration,
    /// Nodes other than the origin wait at least this long before they answer a request.
    pub(crate) helper_delay: Duration,

    /// Time to the first beacon after a publish; doubled up to `beacon_steady`.
    pub(crate) beacon_first: Duration,
    /// The shortest time between two beacons of a node that publishes nothing.
    pub(crate) beacon_steady: Duration,
    /// Beacons per second of the whole cluster, when no one publishes.
    pub(crate) beacon_budget_per_s: u32,
    /// Origins that advanced within this time are listed in slices; after three of them they are forgotten.
    pub(crate) vector_window: Duration,

    pub(crate) max_outbox_targets: usize,
    pub(crate) max_outbox_bytes: usize,
    pub(crate) max_log_frames: usize,
    pub(crate) max_log_bytes: usize,
    pub(crate) max_origins: usize,
    /// Runs of numbers that one origin may have met out of order.
    pub(crate) max_ranges: usize,
    /// Own frames kept to answer requests and to recognise own echoes.
    pub(crate) max_own_frames: usize,
    pub(crate) max_own_bytes: usize,
    pub(crate) max_answer_bytes: usize,
    /// Syncs and requests that wait for our answer.
    pub(crate) max_pending: usize,
    /// The longest slice of a beacon.
    pub(crate) slice_len: usize,
}

/// A third of the bound, so that one lost or late fence costs no freshness; every 10 s at least, since it is
/// the watchdog of the connection too.
pub(crate) fn fence_interval(within: Duration) -> Duration {
    (within / 3).clamp(Duration::from_millis(1), Duration::from_secs(10))
}

/// About the bound, floored well above any round trip: a busy moment must not cost a reconnect.
pub(crate) fn fence_timeout(within: Duration) -> Duration {
    within.clamp(Duration::from_secs(1), Duration::from_secs(10))
}

impl Config {
    /// Whether a fence costs next to nothing and goes no way of its own.
    pub(crate) fn has_round_trips(&self) -> bool {
        self.native_fences && !self.fences_are_messages
    }

    pub(crate) fn new(namespace: String, within: Duration) -> Self {
        let ms = Duration::from_millis;
        Self {
            namespace,
            authentication: None,
            lanes: 1,
            first_lane: true,
            max_frame_bytes: 1 << 20,
            native_fences: true,
            fences_are_messages: false,
            fence_interval: fence_interval(within),
            fence_timeout: fence_timeout(within),
            unreadable_clear_interval: within / 3,
            // A transport has time-outs of its own, says better what happened, and may try several
            // addresses: this is for one that hangs.
            attempt_timeout: ms(10_000),
            backoff_first: ms(50),
            backoff_most: ms(2_000),
            // Long enough for a busy witness, short enough that a node alone soon has proofs.
            sync_deadline: ms(1_000),
            witness_delay: ms(20),
            stranger_delay: ms(150),
            gap_deadline: ms(1_000),
            request_delay: ms(20),
            helper_delay: ms(60),
            beacon_first: ms(250),
            beacon_steady: ms(10_000),
            beacon_budget_per_s: 10,
            vector_window: ms(600_000),
            max_outbox_targets: 65_536,
            max_outbox_bytes: 8 << 20,
            max_log_frames: 65_536,
            max_log_bytes: 16 << 20,
            max_origins: 65_536,
            max_ranges: 64,
            max_own_frames: 4_096,
            max_own_bytes: 4 << 20,
            max_answer_bytes: 4 << 20,
            max_pending: 1_024,
            slice_len: 32,
        }
    }

    /// Says less that nothing asked for, where every frame costs money.
    ///
    /// What is lost silently, on a subscription that lives, is noticed later by that: see G3.
    pub(crate) fn economise(&mut self) {
        self.fences_are_messages = true;
        self.beacon_first = Duration::from_secs(1);
        self.beacon_steady = Duration::from_secs(60);
        self.beacon_budget_per_s = 1;
    }
}
