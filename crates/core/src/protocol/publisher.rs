//! What a replica publishes: numbered frames one after the other, control frames beside them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::config::Config;
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
    /// Any other control frame: its loss is covered by somebody's deadline.
    Other,
}

/// A publish that has not returned.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) id: PublishId,
    pub(crate) sent: Sent,
    pub(crate) attempt: u32,
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
    /// How often it has been published.
    pub(crate) attempts: u32,
    /// The place in the outbox that is reached once it is accepted, 0 for none.
    pub(crate) place: u64,
    pub(crate) kind: Kind,
    /// It stands for a frame that was given up.
    pub(crate) replacement: bool,
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
    max_frames: usize,
    max_bytes: usize,
}

impl OwnFrames {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            frames: BTreeMap::new(),
            bytes: 0,
            max_frames: config.max_own_frames,
            max_bytes: config.max_own_bytes,
        }
    }

    pub(crate) fn insert(&mut self, sealed: Sealed) {
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
    pub(crate) control: VecDeque<(Sent, Bytes)>,
    pub(crate) control_in_flight: Option<InFlight>,
    pub(crate) next_publish: PublishId,
}

impl Publisher {
    /// Control frames that may wait; of more the newest are not sent, and somebody's deadline covers that.
    const MAX_CONTROL: usize = 4_096;

    pub(crate) fn new(id: NodeId, config: &Config) -> Self {
        Self {
            id,
            last_sealed: 0,
            accepted: 0,
            head: Head::default(),
            own: OwnFrames::new(config),
            resend: BTreeSet::new(),
            echoes: Echoes::default(),
            control: VecDeque::new(),
            control_in_flight: None,
            next_publish: 1,
        }
    }

    /// Room for this many more control frames.
    pub(crate) fn control_room(&self) -> usize {
        Self::MAX_CONTROL.saturating_sub(self.control.len())
    }

    pub(crate) fn queue_control(&mut self, sent: Sent, frame: Bytes) {
        if self.control_room() > 0 {
            self.control.push_back((sent, frame));
        }
    }

    /// The compared bytes that we sealed under this number, as far as we remember.
    pub(crate) fn sealed(&self, number: u64) -> Option<&Sealed> {
        let head = self.head.sealed.as_ref().filter(|sealed| sealed.number == number);
        head.or_else(|| self.own.get(number))
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

    /// The subscription ended: control frames were for it. The one in flight, if any, is no longer waited for.
    pub(crate) fn subscription_ended(&mut self) -> Option<InFlight> {
        self.echoes.clear();
        self.control.clear();
        self.control_in_flight.take()
    }
}
