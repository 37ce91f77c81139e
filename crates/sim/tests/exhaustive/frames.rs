//! What travels: numbered frames, control frames, and what a replay carries.

/// A moment: how many numbered frames the broker had accepted. Between two acceptances nothing that an entry
/// could miss comes into being, so finer moments would tell nothing apart.
pub(crate) type Moment = u8;

/// The most nodes of a configuration.
pub(crate) const NODES: usize = 3;

/// For each origin the highest number known, 0 for an origin that is not listed.
pub(crate) type Known = [u8; NODES];

/// One attempt at a numbered frame. Which one it is stands outside of what is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Numbered {
    pub(crate) origin: u8,
    pub(crate) number: u8,
    pub(crate) attempt: u8,
    /// The version of the key that it announces: every older one is stale. 0: a beacon.
    pub(crate) version: u8,
    /// A slice of the sender's vector, in a beacon.
    pub(crate) slice: Known,
}

/// A place in the stream: (origin, number, attempt). The digest is left out, since sealed frames never change;
/// that they do not is a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) origin: u8,
    pub(crate) number: u8,
    pub(crate) attempt: u8,
}

impl Numbered {
    pub(crate) fn mark(&self) -> Mark {
        Mark { origin: self.origin, number: self.number, attempt: self.attempt }
    }
}

/// What a replay carries for one number: the frame if it has a version, else only that it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Replayed {
    pub(crate) origin: u8,
    pub(crate) number: u8,
    pub(crate) version: u8,
}

/// What is published.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Frame {
    Numbered(Numbered),
    Sync {
        from: u8,
        nonce: u8,
        mark: Option<Mark>,
        sequencer: u8,
        accepted: u8,
    },
    /// Part of an answer, or a reply to a request (answer 0).
    Replay {
        from: u8,
        answer: u8,
        entries: Vec<Replayed>,
    },
    Synced {
        from: u8,
        answer: u8,
        parts: u8,
        witnessed: bool,
        nonces: Vec<u8>,
        vector: Known,
        /// Not on the wire: which places of the order the witness lost silently on this subscription. What it
        /// cannot know it lost, it cannot replay.
        lost: u16,
    },
    /// A set of missing numbers for each origin.
    Request {
        from: u8,
        missing: [u16; NODES],
    },
    /// A fence of a node on itself, native or as a frame.
    Fence {
        owner: u8,
        token: u8,
    },
}

impl Frame {
    pub(crate) fn is_numbered(&self) -> bool {
        matches!(self, Frame::Numbered(_))
    }

    /// Whether meeting it does anything at this node. What does nothing is not put into its stream.
    pub(crate) fn concerns(&self, me: u8, nonce: Option<u8>) -> bool {
        match self {
            Frame::Numbered(_) => true,
            Frame::Sync { from, nonce: asked, .. } => *from != me || nonce == Some(*asked),
            Frame::Replay { from, .. }
            | Frame::Synced { from, .. }
            | Frame::Request { from, .. } => *from != me,
            Frame::Fence { owner, .. } => *owner == me,
        }
    }
}

/// The bit of a number or of a place in the order.
pub(crate) fn bit(at: impl Into<u32>) -> u16 {
    1 << at.into()
}
