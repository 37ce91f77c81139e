//! One totally ordered broker.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::time::Timestamp;

/// What a subscription brings, and when it arrives.
#[derive(Clone, Debug)]
pub(super) enum Arrival {
    Frame(Bytes),
    Fenced(u64),
}

/// A confirmed subscription, as the broker sees it.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    pub(super) queue: VecDeque<(Timestamp, Arrival)>,
    /// This many frames are silently lost.
    pub(super) lose: u32,
    /// Frames lost so far.
    pub(super) lost: Vec<Bytes>,
}

impl Subscription {
    pub(super) fn push(&mut self, at: Timestamp, arrival: Arrival) {
        if let Arrival::Frame(frame) = &arrival
            && self.lose > 0
        {
            self.lose -= 1;
            self.lost.push(frame.clone());
            return;
        }
        // One stream: nothing overtakes.
        let at = self.queue.back().map_or(at, |(last, _)| at.max(*last));
        self.queue.push_back((at, arrival));
    }
}

/// The broker: who is subscribed, and which life it is in.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) life: u64,
    pub(super) up: bool,
    pub(super) subscriptions: Vec<Option<Subscription>>,
    /// Accepted frames, for late duplicates.
    pub(super) accepted: Vec<Bytes>,
}

impl Broker {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            life: 1,
            up: true,
            subscriptions: (0..nodes).map(|_| None).collect(),
            accepted: Vec::new(),
        }
    }

    pub(super) fn accept(&mut self, frame: &Bytes, mut arrives: impl FnMut() -> Timestamp) {
        self.accepted.push(frame.clone());
        for subscription in self.subscriptions.iter_mut().flatten() {
            subscription.push(arrives(), Arrival::Frame(frame.clone()));
        }
    }
}
