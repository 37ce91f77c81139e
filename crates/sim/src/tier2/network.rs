//! The way between a node and the broker.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use unstale::simulation::{ManualNode, Opened};
use unstale::transport::{SequencerId, TransportError, TransportErrorKind};

use super::queue::ToBroker;

/// A frame that is sent to many: whoever reads it first opens it for all of them. They have the same keys.
#[derive(Clone, Debug)]
pub(super) struct Frame(Arc<(Bytes, OnceLock<Opened>)>);

impl Frame {
    pub(super) fn new(bytes: &Bytes) -> Self {
        Self(Arc::new((bytes.clone(), OnceLock::new())))
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.0.0
    }

    pub(super) fn opened(&self, by: &ManualNode) -> &Opened {
        self.0.1.get_or_init(|| by.open(self.bytes()))
    }
}

/// What the broker sends to a node.
#[derive(Clone, Debug)]
pub(super) enum ToNode {
    Confirmed {
        connection: u64,
        sequencer: SequencerId,
        server: u64,
    },
    Refused {
        connection: u64,
        kind: TransportErrorKind,
    },
    Frame {
        connection: u64,
        frame: Frame,
    },
    Fenced {
        connection: u64,
        token: u64,
    },
    /// `Ok` says which server took it.
    Published {
        id: u64,
        result: Result<u64, TransportErrorKind>,
    },
    /// A connection was closed by the broker.
    Closed {
        connection: u64,
        kind: TransportErrorKind,
    },
}

pub(super) fn error(kind: TransportErrorKind) -> TransportError {
    kind.error(match kind {
        TransportErrorKind::Demoted => "not the primary any more",
        TransportErrorKind::Unauthorized => "wrong password",
        TransportErrorKind::Lagged => "cut off: too slow",
        _ => "the connection broke",
    })
}

/// A node's way to the broker and back. What travels keeps its order in each direction.
#[derive(Debug, Default)]
pub(super) struct Path {
    /// Faults that block what the node sends.
    pub(super) blocked_out: u32,
    /// Faults that block what the node should receive.
    pub(super) blocked_in: u32,
    /// Extra latencies of faults that are on.
    pub(super) delays_us: Vec<u64>,
    /// The node does not read.
    pub(super) not_reading: u32,
    pub(super) last_out: u64,
    pub(super) last_in: u64,
    /// Sent while blocked: lost, unless the connection outlives the fault.
    pub(super) held_out: Vec<ToBroker>,
    pub(super) held_in: Vec<ToNode>,
    pub(super) held_in_bytes: usize,
    /// What has been sent and has an arrival.
    pub(super) inbox: VecDeque<(u64, ToNode)>,
}

impl Path {
    pub(super) fn blocks_in(&self) -> bool {
        self.blocked_in > 0 || self.not_reading > 0
    }

    /// Nothing is wrong with it.
    pub(super) fn is_free(&self) -> bool {
        !self.blocks_in() && self.blocked_out == 0 && self.delays_us.is_empty()
    }

    /// What the broker sent arrives, in its order. Says when.
    pub(super) fn arrives(&mut self, at: u64, message: ToNode) -> u64 {
        self.last_in = at.max(self.last_in + 1);
        self.inbox.push_back((self.last_in, message));
        self.last_in
    }

    pub(super) fn delay_ns(&self) -> u64 {
        self.delays_us.iter().copied().max().unwrap_or(0) * 1_000
    }

    pub(super) fn remove_delay(&mut self, latency_us: u64) {
        if let Some(place) = self.delays_us.iter().position(|us| *us == latency_us) {
            self.delays_us.remove(place);
        }
    }

    pub(super) fn hold_in(&mut self, message: ToNode) {
        if let ToNode::Frame { frame, .. } = &message {
            self.held_in_bytes += frame.bytes().len() + 64;
        }
        self.held_in.push(message);
    }

    pub(super) fn take_held_in(&mut self) -> Vec<ToNode> {
        self.held_in_bytes = 0;
        std::mem::take(&mut self.held_in)
    }

    /// Everything on the way is gone: the process or all its connections are.
    pub(super) fn forget(&mut self) {
        self.held_out.clear();
        self.inbox.clear();
        self.take_held_in();
    }
}
