//! The broker: one order, and what goes wrong with it.

use std::collections::VecDeque;

use bytes::Bytes;
use unstale::transport::SequencerId;

/// Accepted frames that are remembered, to be accepted again.
const REMEMBERED: usize = 64;

/// A subscription, as the broker sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscriber {
    pub(super) connection: u64,
    pub(super) server: u64,
}

/// Which server orders the channel, who is subscribed, and what is wrong.
#[derive(Debug)]
pub(super) struct Broker {
    /// Counts servers, lives and promotions: who orders the channel now.
    pub(super) primary: u64,
    /// A server that was demoted and still answers.
    pub(super) demoted: Option<u64>,
    pub(super) down: u32,
    pub(super) stalled: u32,
    pub(super) refusing: u32,
    /// A failover is on: nothing is delivered, and so many publishes are still confirmed.
    pub(super) dying: Option<u32>,
    pub(super) lose_accepted: u32,
    pub(super) subscribers: Vec<Option<Subscriber>>,
    pub(super) lose_to: Vec<u32>,
    /// Faults that lose the parts of answers to each node.
    pub(super) lose_answers: Vec<u32>,
    /// Publishes of each node that are refused for good.
    pub(super) rejects: Vec<u32>,
    pub(super) ambiguous: Vec<VecDeque<Option<u64>>>,
    /// Frames, and who published them.
    accepted: VecDeque<(Bytes, usize)>,
}

impl Broker {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            primary: 1,
            demoted: None,
            down: 0,
            stalled: 0,
            refusing: 0,
            dying: None,
            lose_accepted: 0,
            subscribers: vec![None; nodes],
            lose_to: vec![0; nodes],
            lose_answers: vec![0; nodes],
            rejects: vec![0; nodes],
            ambiguous: vec![VecDeque::new(); nodes],
            accepted: VecDeque::new(),
        }
    }

    pub(super) fn identity(server: u64) -> SequencerId {
        SequencerId::new(format!("server {server}"))
    }

    pub(super) fn remember(&mut self, frame: &Bytes, from: usize) {
        self.accepted.push_back((frame.clone(), from));
        if self.accepted.len() > REMEMBERED {
            self.accepted.pop_front();
        }
    }

    /// The how-manieth last frame that was accepted.
    pub(super) fn remembered(&self, back: usize) -> Option<(Bytes, usize)> {
        self.accepted.len().checked_sub(back + 1).map(|place| self.accepted[place].clone())
    }

    /// Takes back what was ordered and has not struck yet.
    pub(super) fn heal(&mut self) {
        self.lose_accepted = 0;
        self.lose_to.fill(0);
        self.lose_answers.fill(0);
        self.rejects.fill(0);
        self.ambiguous.iter_mut().for_each(VecDeque::clear);
    }

    /// Somebody else orders the channel from now on.
    pub(super) fn succeed(&mut self) {
        self.primary += 1;
    }
}
