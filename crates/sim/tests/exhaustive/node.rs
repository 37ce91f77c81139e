//! One node: its caches' one key, and its replica.

use super::frames::{Frame, Known, Mark, Moment, NODES};
use super::mutants::Mutant;
use super::publishing::Publisher;
use super::vector::Vector;

/// What a node needs to know while it takes one step, and what the step leaves behind for the broker.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) me: u8,
    pub(crate) now: Moment,
    pub(crate) mutant: Option<Mutant>,
    /// Publishes that nobody waits for any more: the broker may accept them later.
    pub(crate) abandoned: Vec<Frame>,
}

impl Step {
    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}

/// How a subscription became synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Synced {
    Not,
    Alone,
    Witnessed,
    Adopted,
}

/// A confirmed subscription.
// mirrors struct Up, protocol/syncing.rs
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Up {
    pub(crate) confirmed: Moment,
    pub(crate) sequencer: u8,
    pub(crate) nonce: u8,
    pub(crate) synced: Synced,
    /// When our own `Sync` was met; its deadline may pass at any time after that.
    pub(crate) echoed: Option<Moment>,
    /// `Sync` could not be published, or so it seemed.
    pub(crate) retry: bool,
}

/// A `Sync` of another node that was met and not answered yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pending {
    pub(crate) nonce: u8,
    pub(crate) after_mark: Option<u8>,
}

/// What the one key of the cache holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) version: u8,
    pub(crate) as_of: Moment,
}

/// How the last gap ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum GapEnd {
    None,
    Repaired,
    Dropped,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) up: Option<Up>,
    pub(crate) subscriptions: u8,
    pub(crate) was_synced: bool,
    pub(crate) publisher: Publisher,
    /// Control frames that wait; the first one is in flight.
    pub(crate) control: Vec<Frame>,
    pub(crate) log: Vec<LogEntry>,
    pub(crate) mark: Option<Mark>,
    pub(crate) mark_sequencer: u8,
    pub(crate) vector: Vector,
    pub(crate) tokens: u8,
    /// The outstanding fence: its token, and when it was sent.
    pub(crate) fence: Option<(u8, Moment)>,
    /// The frame of that fence, where fences are frames, until the broker has accepted it.
    pub(crate) fence_in_flight: Option<u8>,
    pub(crate) horizon: Moment,
    /// Parts met of answers whose end was not: (node, answer).
    pub(crate) hearing: Vec<(u8, u8)>,
    pub(crate) pending: Vec<Pending>,
    pub(crate) answers: u8,
    pub(crate) requested: Option<Moment>,
    pub(crate) replies: [u16; NODES],
    /// What the subscription holds and the node has not met.
    pub(crate) stream: Vec<Frame>,

    pub(crate) entry: Option<Entry>,
    /// A load in flight, with what it has read, and whether it may still be stored.
    pub(crate) load: Option<(Entry, bool)>,
    /// Entries and fills with an older as-of are dropped.
    pub(crate) floor: Moment,

    // For the properties alone.
    /// The newest version whose invalidation was applied here.
    pub(crate) applied: u8,
    /// Places of the order that the broker lost silently on the way to this node, or to the witness that told it
    /// what it had missed.
    pub(crate) lost: u16,
    /// Of these the ones that had not shown when the horizon moved last.
    pub(crate) excused: u16,
    pub(crate) gap_end: GapEnd,
}

/// A frame in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LogEntry {
    pub(crate) mark: Mark,
    pub(crate) version: u8,
}

impl Node {
    pub(crate) fn new() -> Self {
        Self {
            up: None,
            subscriptions: 0,
            was_synced: false,
            publisher: Publisher::default(),
            control: Vec::new(),
            log: Vec::new(),
            mark: None,
            mark_sequencer: 0,
            vector: Vector::default(),
            tokens: 0,
            fence: None,
            fence_in_flight: None,
            horizon: 0,
            hearing: Vec::new(),
            pending: Vec::new(),
            answers: 0,
            requested: None,
            replies: [0; NODES],
            stream: Vec::new(),
            entry: None,
            load: None,
            floor: 0,
            applied: 0,
            lost: 0,
            excused: 0,
            gap_end: GapEnd::None,
        }
    }

    /// A node as it is some time after a start at which nothing happened.
    pub(crate) fn warm(me: u8) -> Self {
        let mut node = Self::new();
        node.subscriptions = 1;
        node.was_synced = true;
        node.up = Some(Up {
            confirmed: 0,
            sequencer: 0,
            nonce: nonce(me, 1),
            synced: Synced::Alone,
            echoed: Some(0),
            retry: false,
        });
        node.entry = Some(Entry { version: 0, as_of: 0 });
        node
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.up.as_ref().is_some_and(|up| up.synced != Synced::Not)
    }

    // mirrors Replica::subscribed, protocol/replica.rs
    pub(crate) fn subscribed(&mut self, sequencer: u8, step: &mut Step) {
        self.subscriptions += 1;
        if !step.is(Mutant::LogSurvivesBreak) {
            self.log.clear();
        }
        self.up = Some(Up {
            confirmed: step.now,
            sequencer,
            nonce: nonce(step.me, self.subscriptions),
            synced: Synced::Not,
            echoed: None,
            retry: false,
        });
        if !self.was_synced {
            self.drop_entries_before(step.now);
        }
        self.void_loads();
        self.tokens = 0;
        self.send_sync(step);
        self.publish_numbered(step);
    }

    // mirrors Replica::disconnect, protocol/replica.rs
    // mirrors Publisher::subscription_ended, protocol/publisher.rs
    pub(crate) fn disconnect(&mut self, step: &mut Step) {
        self.up = None;
        self.stream.clear();
        if !self.control.is_empty() {
            step.abandoned.push(self.control.swap_remove(0));
            self.control.clear();
        }
        if let Some(token) = self.fence_in_flight.take() {
            step.abandoned.push(Frame::Fence { owner: step.me, token });
        }
        self.fence = None;
        self.publisher.echoes.clear();
        self.hearing.clear();
        self.pending.clear();
        self.replies = [0; NODES];
        self.requested = None;
        if step.is(Mutant::GapsForgottenAtBreak) {
            self.vector.forget_gaps();
        }
    }

    // Fences.

    /// The token of the next fence. The real ones begin at a random number with every subscription.
    // mirrors Fences::next_token, protocol/fences.rs
    // mirrors Fences::start, protocol/fences.rs
    pub(crate) fn next_token(&self, mutant: Option<Mutant>) -> u8 {
        if mutant == Some(Mutant::FenceOfEarlierSubscription) {
            return self.tokens;
        }
        self.subscriptions * 16 + self.tokens
    }

    // mirrors Fences::send, protocol/fences.rs
    // mirrors Replica::send_fence, protocol/replica.rs
    pub(crate) fn send_fence(&mut self, frames: bool, step: &Step) {
        let token = self.next_token(step.mutant);
        self.tokens += 1;
        self.fence = Some((token, step.now));
        if frames {
            self.fence_in_flight = Some(token);
        } else {
            self.stream.push(Frame::Fence { owner: step.me, token });
        }
    }

    // mirrors Replica::fenced, protocol/replica.rs
    // mirrors Fences::confirm, protocol/fences.rs
    pub(crate) fn fenced(&mut self, token: u8, step: &mut Step) {
        let Some((_, sent)) = self.fence.take_if(|(outstanding, _)| *outstanding == token) else {
            return;
        };
        if self.resend_missing(token) {
            self.disconnect(step);
            return;
        }
        let synced = self.is_synced() || step.is(Mutant::FenceBeforeSync);
        let whole = self.vector.open_gap().is_none() || step.is(Mutant::GapDoesNotStopHorizon);
        if synced && whole {
            let proved = if step.is(Mutant::HorizonIsReturnOfFence) { step.now } else { sent };
            self.horizon = self.horizon.max(proved);
        }
    }

    // The cache.

    // mirrors Domain::drop_before, cache/domain.rs
    fn drop_entries_before(&mut self, as_of: Moment) {
        self.entry = self.entry.filter(|entry| entry.as_of >= as_of);
        self.floor = self.floor.max(as_of);
    }

    // mirrors Replica::drop_before, protocol/replica.rs
    pub(crate) fn drop_before(&mut self, as_of: Moment) {
        self.drop_entries_before(as_of);
        self.vector.cover_gaps(as_of);
    }

    // mirrors Domain::void_loads, cache/domain.rs
    pub(crate) fn void_loads(&mut self) {
        if let Some((_, voided)) = &mut self.load {
            *voided = true;
        }
    }

    // mirrors Store::apply, cache/store.rs
    pub(crate) fn invalidate(&mut self, version: u8) {
        self.applied = self.applied.max(version);
        self.entry = None;
        self.void_loads();
    }

    // mirrors Fill::begin, cache/fill.rs
    /// Reads the source at once: the oldest version that a load may come to.
    pub(crate) fn begin_load(&mut self, committed: u8, step: &Step) {
        self.load = Some((Entry { version: committed, as_of: step.now }, false));
    }

    // mirrors Store::try_store, cache/settle.rs
    pub(crate) fn finish_load(&mut self, step: &Step) {
        let Some((entry, voided)) = self.load.take() else { return };
        let voided = voided && !step.is(Mutant::NoFillGuard);
        let refused = entry.as_of < self.floor && !step.is(Mutant::BarrierOnlyOnEntries);
        if !voided && !refused {
            self.entry = Some(entry);
        }
    }
}

/// One nonce per subscription, like no other.
pub(crate) fn nonce(me: u8, subscription: u8) -> u8 {
    subscription * NODES as u8 + me
}

/// A slice, or the vector of an answer, without what is not taught.
pub(crate) fn numbers(known: Known) -> impl Iterator<Item = (u8, u8)> {
    (0_u8..).zip(known).filter(|(_, number)| *number > 0)
}
