//! What a node asks of its transport, and what comes of it.

use bytes::Bytes;
use unstale::simulation::Request;
use unstale::transport::TransportErrorKind;

use super::network::error;
use super::node::{Participant, Subscription};
use super::queue::{Attempt, Happening, ToBroker};
use super::world::{SAMPLE_NS, World};
use crate::history::Event;

/// What a transport gives an attempt.
const ATTEMPT_NS: u64 = 3_000_000_000;

impl World<'_> {
    /// Returns whether it asked for anything.
    pub(super) fn carry_out(&mut self, node: usize) -> bool {
        let mut any = false;
        loop {
            let Some(Participant::Real { manual, .. }) = &mut self.nodes[node].participant else {
                return any;
            };
            let Some(request) = manual.poll_request() else { return any };
            any = true;
            match request {
                Request::Subscribe => self.subscribe(node),
                Request::Unsubscribe => self.nodes[node].subscription = None,
                Request::Publish { id, frame } => self.publish(node, id, frame),
                Request::CancelPublish(id) => {
                    self.nodes[node].publishes.remove(&id);
                    self.nodes[node].publishing = 0;
                }
                Request::Fence(token) => {
                    if let Some(subscription) = self.nodes[node].subscription {
                        let connection = subscription.connection;
                        self.send_out(node, ToBroker::Fence { connection, token });
                    }
                }
            }
        }
    }

    pub(super) fn subscribe(&mut self, node: usize) {
        let connection = self.nodes[node].open_connection();
        self.nodes[node].subscription = Some(Subscription { connection, server: None });
        self.nodes[node].met.clear();
        self.send_out(node, ToBroker::Subscribe { connection });
        self.time_out(node, Attempt::Subscribe { connection });
    }

    pub(super) fn naive_subscribe(&mut self, node: usize) {
        if self.nodes[node].subscription.is_none() {
            self.subscribe(node);
        }
    }

    pub(super) fn publish(&mut self, node: usize, id: u64, frame: Bytes) {
        if self.nodes[node].publishing == 0 {
            self.nodes[node].publishing = self.nodes[node].open_connection();
        }
        let connection = self.nodes[node].publishing;
        self.nodes[node].publishes.insert(id);
        self.send_out(node, ToBroker::Publish { connection, id, frame });
        self.time_out(node, Attempt::Publish { id });
    }

    pub(super) fn time_out(&mut self, node: usize, attempt: Attempt) {
        let life = self.nodes[node].life;
        self.queue.push(self.now + ATTEMPT_NS, Happening::TimedOut { node, life, attempt });
    }

    pub(super) fn timed_out(&mut self, node: usize, life: u64, attempt: Attempt) {
        let of = &mut self.nodes[node];
        if of.life != life || !of.awaits(attempt) {
            return;
        }
        self.catch_up(node);
        let of = &mut self.nodes[node];
        if !of.awaits(attempt) {
            return;
        }
        if of.standing > 0 {
            // It notices when it goes on.
            self.queue.push(self.now + SAMPLE_NS, Happening::TimedOut { node, life, attempt });
            return;
        }
        match attempt {
            Attempt::Subscribe { .. } => {
                of.subscription = None;
                self.subscription_ended(node, TransportErrorKind::Unreachable);
            }
            Attempt::Publish { id } => {
                of.publishing = 0;
                self.published(node, id, Err(TransportErrorKind::Unreachable));
            }
        }
        self.wake_now(node);
    }

    pub(super) fn subscription_ended(&mut self, node: usize, kind: TransportErrorKind) {
        self.nodes[node].met.clear();
        self.record(&Event::Unsubscribed { node });
        match &mut self.nodes[node].participant {
            Some(Participant::Real { manual, .. }) => manual.subscription_ended(&error(kind)),
            // What the usual client library does: it connects again.
            Some(Participant::Naive(_)) => self.naive_subscribe(node),
            None => {}
        }
    }

    pub(super) fn published(
        &mut self,
        node: usize,
        id: u64,
        result: Result<(), TransportErrorKind>,
    ) {
        if !self.nodes[node].publishes.remove(&id) {
            return;
        }
        if result.is_err() {
            self.nodes[node].publishing = 0;
        }
        match &mut self.nodes[node].participant {
            Some(Participant::Real { manual, .. }) => manual.published(id, result.map_err(error)),
            Some(Participant::Naive(_)) => self.naive_published(node, id, result.is_ok()),
            None => {}
        }
    }
}
