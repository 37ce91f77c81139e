//! What a replica publishes: numbered frames one after the other, control frames beside them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::config::Config;
use super::wire::{Received, digest};
use crate::mutation::{self, Mutation};
use crate::node_id::NodeId;
use crate::time::Timestamp;

/// Names one call of `Transport::publish`.
pub(crate) type PublishId = u64;

/// What a publish carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The numbered frame at the head.
    Numbered(u64),
    /// Our `Sync`, with its nonce.
    Sync(u64),
    /// A fence of ourselves on ourselves, with its token.
    Fence(u64),
    /// Any other control frame: its loss is covered by somebody's deadline.
    Other,
}

/// A publish that has not returned.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) id: PublishId,
    pub(crate) sent: Sent,
    pub(crate) attempt: Attempt,
    /// The subscription that was confirmed when it began.
    pub(crate) epoch: Option<u64>,
    pub(crate) deadline: Timestamp,
    /// Its echo was met before it returned.
    pub(crate) echoed: bool,
}

/// A numbered frame that is sealed: it never changes, and is resent until it is accepted.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) number: u64,
    pub(crate) compared: Bytes,
    /// Targets in it.
    pub(crate) targets: u64,
    /// The last try at publishing it.
    pub(crate) attempt: Attempt,
    /// The place in the outbox that is reached once it is accepted, 0 for none.
    pub(crate) place: u64,
    pub(crate) kind: Kind,
    /// It stands for a frame that was given up.
    pub(crate) replacement: bool,
}

/// Which try at publishing a frame this is, and in its upper bits a number that the sender draws with each
/// subscription. Two processes that share an identity do not share that one: what both publish under one number is
/// told apart by it even where the bytes are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attempt(pub(crate) u32);

impl Attempt {
    /// A million tries are weeks of them.
    const COUNT_BITS: u32 = 20;

    /// No try yet, of a frame that is sealed now.
    pub(crate) fn none(rng: &mut fastrand::Rng) -> Self {
        Self(rng.u32(..) << Self::COUNT_BITS)
    }

    /// The next try.
    pub(crate) fn next(self) -> Self {
        let count = self.0 & ((1 << Self::COUNT_BITS) - 1);
        Self(if count + 1 < 1 << Self::COUNT_BITS { self.0 + 1 } else { self.0 })
    }

    /// Whether both are tries of one process at frames that it sealed on one subscription.
    pub(crate) fn same_process(self, other: Self) -> bool {
        self.0 >> Self::COUNT_BITS == other.0 >> Self::COUNT_BITS
            || mutation::active(Mutation::TwinsNotToldApart)
    }
}

/// What a numbered frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Targets,
    Beacon,
    Goodbye,
}

/// The numbered frame that is being published. There is at most one: the next is sealed when it was accepted,
/// so a number exists only if all before it were accepted.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) sealed: Option<Sealed>,
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) retry_at: Option<Timestamp>,
    pub(crate) failures: u32,
}

/// Own frames that were accepted, kept to answer requests and to recognise late echoes.
#[derive(Debug)]
pub(crate) struct OwnFrames {
    frames: BTreeMap<u64, Sealed>,
    bytes: usize,
    /// Kept for far longer than the frames: an echo that nobody recognises would pass for a clone's frame.
    digests: BTreeMap<u64, (u64, Attempt)>,
    max_frames: usize,
    max_bytes: usize,
}

impl OwnFrames {
    const MAX_DIGESTS: usize = 65_536;

    pub(crate) fn new(config: &Config) -> Self {
        Self {
            frames: BTreeMap::new(),
            bytes: 0,
            digests: BTreeMap::new(),
            max_frames: config.max_own_frames,
            max_bytes: config.max_own_bytes,
        }
    }

    pub(crate) fn insert(&mut self, sealed: Sealed) {
        self.digests.insert(sealed.number, (digest(&sealed.compared), sealed.attempt));
        if self.digests.len() > Self::MAX_DIGESTS {
            self.digests.pop_first();
        }
        self.bytes += sealed.compared.len();
        if let Some(old) = self.frames.insert(sealed.number, sealed) {
            self.bytes -= old.compared.len();
        }
        while self.frames.len() > self.max_frames
            || (self.bytes > self.max_bytes && self.frames.len() > 1)
        {
            let Some((_, oldest)) = self.frames.pop_first() else {
                break;
            };
            self.bytes -= oldest.compared.len();
        }
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Sealed> {
        self.frames.get(&number)
    }
}

/// An own frame whose publish returned `Ok` on this subscription and whose echo has not been met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Echo {
    Numbered(u64),
    Sync(u64),
}

/// Own echoes that must come before a fence that is sent later returns.
///
/// *Invariant:* publishing and subscribing go through one sequencer. A frame whose publish began after the
/// subscription was confirmed and returned `Ok` stands in the stream before the answer to any fence sent
/// later; if it does not, the two reach different servers, and nothing that was proved holds.
#[derive(Debug, Default)]
pub(crate) struct Echoes {
    expected: VecDeque<(Echo, u64)>,
}

impl Echoes {
    /// More are not watched: a backlog of that size is on its way to a time-out anyway.
    const MOST: usize = 16_384;

    pub(crate) fn expect(&mut self, echo: Echo, before_token: u64) {
        if self.expected.len() < Self::MOST {
            self.expected.push_back((echo, before_token));
        }
    }

    pub(crate) fn met(&mut self, echo: Echo) {
        if let Some(place) = self.expected.iter().position(|(expected, _)| *expected == echo) {
            self.expected.remove(place);
        }
    }

    /// The echoes that should have been met before this fence.
    pub(crate) fn missing(&self, token: u64) -> Vec<Echo> {
        let overdue = self.expected.iter().filter(|(_, before_token)| *before_token <= token);
        overdue.map(|(echo, _)| *echo).collect()
    }

    pub(crate) fn clear(&mut self) {
        self.expected.clear();
    }
}

/// Everything a replica publishes under its identity.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) id: NodeId,
    /// The number of the last sealed frame.
    pub(crate) last_sealed: u64,
    /// The highest number that the broker accepted.
    pub(crate) accepted: u64,
    pub(crate) head: Head,
    pub(crate) own: OwnFrames,
    /// Own numbers that were accepted and must be published again, since their echo is missing.
    pub(crate) resend: BTreeSet<u64>,
    pub(crate) echoes: Echoes,
    pub(crate) control: Control,
    /// Frame fences travel beside everything else: one that waited behind an answer would come too late.
    pub(crate) fence: Fence,
    pub(crate) next_publish: PublishId,
}

impl Publisher {
    pub(crate) fn new(id: NodeId, config: &Config) -> Self {
        Self {
            id,
            last_sealed: 0,
            accepted: 0,
            head: Head::default(),
            own: OwnFrames::new(config),
            resend: BTreeSet::new(),
            echoes: Echoes::default(),
            control: Control::new(config),
            fence: Fence::default(),
            next_publish: 1,
        }
    }

    /// Whether we sealed this frame under this number; `false` also if that is too long ago to tell.
    pub(crate) fn has_sealed(&self, number: u64, received: &Received) -> bool {
        let attempt = Attempt(received.header.attempt);
        match &self.head.sealed {
            Some(sealed) if sealed.number == number => {
                sealed.compared == received.compared && sealed.attempt.same_process(attempt)
            }
            _ if mutation::active(Mutation::LateEchoIsAClone) => false,
            _ => self.own.digests.get(&number).is_some_and(|(known, sealed)| {
                *known == digest(&received.compared) && sealed.same_process(attempt)
            }),
        }
    }

    /// Becomes a new node: numbers begin again, and nothing of the old identity is resent.
    pub(crate) fn reincarnate(&mut self, id: NodeId, config: &Config) {
        self.id = id;
        self.last_sealed = 0;
        self.accepted = 0;
        self.own = OwnFrames::new(config);
        self.resend.clear();
        self.echoes.clear();
    }

    /// The subscription ended: control frames were for it. Those in flight are no longer waited for.
    pub(crate) fn subscription_ended(&mut self) -> impl Iterator<Item = PublishId> {
        self.echoes.clear();
        self.control.clear();
        let fence = std::mem::take(&mut self.fence).in_flight;
        self.control.in_flight.take().into_iter().chain(fence).map(|in_flight| in_flight.id)
    }
}

/// Control frames that wait, one in flight at a time.
#[derive(Debug)]
pub(crate) struct Control {
    waiting: VecDeque<(Sent, Bytes)>,
    bytes: usize,
    max_bytes: usize,
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) retry_at: Option<Timestamp>,
    pub(crate) failures: u32,
}

impl Control {
    fn new(config: &Config) -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            max_bytes: 2 * config.max_answer_bytes,
            in_flight: None,
            retry_at: None,
            failures: 0,
        }
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether this many more bytes may wait.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.bytes.saturating_add(bytes) <= self.max_bytes
    }

    /// Queues a frame. Our own `Sync` goes first and always has room; of others, what is too much is not
    /// sent, and somebody's deadline covers that.
    pub(crate) fn push(&mut self, sent: Sent, frame: Bytes) {
        let first = matches!(sent, Sent::Sync(_));
        if !first && !self.has_room(frame.len()) {
            return;
        }
        self.bytes += frame.len();
        if first {
            self.waiting.push_front((sent, frame));
        } else {
            self.waiting.push_back((sent, frame));
        }
    }

    pub(crate) fn pop(&mut self) -> Option<(Sent, Bytes)> {
        let next = self.waiting.pop_front()?;
        self.bytes -= next.1.len();
        Some(next)
    }

    fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
        self.retry_at = None;
        self.failures = 0;
    }
}

/// The frame fence that is outstanding, where the transport has no fences of its own.
#[derive(Debug, Default)]
pub(crate) struct Fence {
    /// To be published, now or at `retry_at`.
    pub(crate) waiting: Option<u64>,
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) retry_at: Option<Timestamp>,
    pub(crate) failures: u32,
}
