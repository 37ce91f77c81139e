//! What the broker sends to all nodes for whom nothing is about to change: each frame once, and not once a node.
//!
//! Such a node *follows*: it takes the frames of the stream, each with an arrival of its own, when something else
//! happens to it, and is then in the state in which it would be had it looked at each frame as it came. So only those
//! frames go this way after which nobody does anything before its next deadline: the next number of an origin, if it is
//! not the node's own. Anything else [gathers](World::gather_all) all nodes: they get their frames one by one, until
//! nothing is about to change again. In foul weather, and in runs that are watched, nobody follows.

use std::collections::{BTreeMap, VecDeque};

use twox_hash::XxHash3_64;
use unstale::{NodeId, State};

use super::network::{Frame, ToNode};
use super::node::Participant;
use super::world::World;
use crate::frames;

/// After a fault, and after a loss, it is foul for so long.
pub(super) const FOUL_NS: u64 = 10_000_000_000;

/// The frames, and when the broker accepted them.
#[derive(Debug)]
pub(super) struct Stream {
    seed: u64,
    frames: VecDeque<(u64, Frame)>,
    /// The place of the first of them.
    first: u64,
    /// The highest number of each origin.
    numbers: BTreeMap<NodeId, u64>,
}

impl Stream {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, frames: VecDeque::new(), first: 0, numbers: BTreeMap::new() }
    }

    fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    fn get(&self, place: u64) -> Option<&(u64, Frame)> {
        self.frames.get(usize::try_from(place.checked_sub(self.first)?).ok()?)
    }

    /// Whether this is the next frame of its origin.
    pub(super) fn continues(&mut self, frame: &Frame) -> bool {
        let Some((origin, number)) = frames::numbered(frame.bytes()) else { return false };
        let last = self.numbers.entry(origin).or_default();
        let is_next = number == *last + 1;
        *last = number.max(*last);
        is_next
    }

    pub(super) fn push(&mut self, at: u64, frame: Frame) {
        self.frames.push_back((at, frame));
    }

    /// A number from 0 to 1 for the way of a frame to a node.
    fn chance(&self, place: u64, node: usize) -> f64 {
        let mixed = (place << 20) ^ node as u64;
        let drawn = XxHash3_64::oneshot_with_seed(self.seed, &mixed.to_le_bytes());
        (drawn >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl World<'_> {
    /// Hands a follower what has arrived. To be called before anything else happens to a node.
    pub(super) fn catch_up(&mut self, node: usize) {
        if self.nodes[node].follows.is_some() {
            self.deliver_due(node);
            self.follow_or_not(node);
            self.wake_by(node, self.deadline(node));
        }
    }

    /// Follows from now on, or does not.
    pub(super) fn follow_or_not(&mut self, node: usize) {
        let (may, follows) = (self.may_follow(node), self.nodes[node].follows.is_some());
        if may && !follows {
            self.nodes[node].follows = Some(self.stream.end());
            self.apart.remove(&node);
        } else if follows && !may {
            self.leave_stream(node);
        }
    }

    fn may_follow(&self, node: usize) -> bool {
        if self.watched || self.now < self.fair_from || self.broker.lose_to[node] > 0 {
            return false;
        }
        let of = &self.nodes[node];
        let Some(Participant::Real { manual, .. }) = &of.participant else { return false };
        let subscribed = self.broker.subscribers[node].is_some_and(|it| {
            it.server == self.broker.primary
                && it.connection > of.dead_connections
                && of.subscription.is_some_and(|mine| mine.connection == it.connection)
        });
        subscribed && of.path.is_free() && manual.status().state == State::Live
    }

    /// The node gets each frame as it comes from now on.
    pub(super) fn gather(&mut self, node: usize) {
        if self.nodes[node].follows.is_some() {
            self.deliver_due(node);
            self.leave_stream(node);
        }
    }

    pub(super) fn gather_all(&mut self) {
        if self.apart.len() < self.nodes.len() {
            (0..self.nodes.len()).for_each(|node| self.gather(node));
        }
    }

    fn leave_stream(&mut self, node: usize) {
        self.take_from_stream(node);
        self.nodes[node].follows = None;
        self.apart.insert(node);
        // What has not arrived yet.
        self.wake_now(node);
    }

    /// Puts what was sent to a follower on its way.
    pub(super) fn take_from_stream(&mut self, node: usize) {
        let Some(mut place) = self.nodes[node].follows else { return };
        let Some(subscriber) = self.broker.subscribers[node] else { return };
        let connection = subscriber.connection;
        while let Some((at, frame)) = self.stream.get(place) {
            let message = ToNode::Frame { connection, frame: frame.clone() };
            let arrival = at + self.travel_ns(node, self.stream.chance(place, node));
            self.nodes[node].path.arrives(arrival, message);
            place += 1;
        }
        self.nodes[node].follows = Some(place);
    }

    /// Forgets what all have taken.
    pub(super) fn trim_stream(&mut self) {
        let places = self.nodes.iter().filter_map(|node| node.follows);
        let oldest = places.min().unwrap_or(self.stream.end());
        let taken = usize::try_from(oldest - self.stream.first).unwrap_or(0);
        self.stream.frames.drain(..taken);
        self.stream.first = oldest;
    }
}
