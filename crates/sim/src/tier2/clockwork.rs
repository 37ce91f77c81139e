//! When a node moves: its processes, its wakes, its deadlines.

use std::collections::VecDeque;

use super::network::ToNode;
use super::node::{self, Participant};
use super::queue::Happening;
use super::world::World;
use crate::history::Event;
use crate::rng::Seeds;

/// The first message, if it has arrived by now.
fn take_due(inbox: &mut VecDeque<(u64, ToNode)>, now: u64) -> Option<(u64, ToNode)> {
    inbox.front().is_some_and(|(at, _)| *at <= now).then(|| inbox.pop_front()).flatten()
}

impl World<'_> {
    pub(super) fn start(&mut self, node: usize, life: u64) {
        self.start_as(node, life, Seeds::of(self.plan.seed, node, life));
    }

    /// Starts a process that draws from this stream.
    pub(super) fn start_as(&mut self, node: usize, life: u64, seeds: Seeds) {
        if self.nodes[node].participant.is_some() || self.nodes[node].life >= life {
            return;
        }
        let look_every = if self.watched { 1 } else { 200 };
        let of = &self.nodes[node];
        let participant = node::start(
            &self.plan.topology,
            &self.terms,
            node,
            &of.clock,
            seeds,
            &self.history,
            look_every,
        );
        let Ok(participant) = participant else { return };
        self.nodes[node].life = life;
        self.nodes[node].participant = Some(participant);
        self.record(&Event::Started { node });
        if self.terms.naive {
            self.naive_subscribe(node);
        }
        self.wake_now(node);
    }

    /// The process ends, and the broker sees its connections close.
    pub(super) fn stop(&mut self, node: usize) {
        let Some(counters) =
            self.nodes[node].participant.is_some().then(|| self.nodes[node].counters())
        else {
            return;
        };
        if let Some(counters) = counters {
            self.retired = Some(self.retired.map_or(counters, |it| it.plus(counters)));
        }
        let origin = self.nodes[node].origin();
        self.nodes[node].stop();
        self.broker.subscribers[node] = None;
        self.record(&Event::Stopped { node, origin });
    }

    pub(super) fn wake_now(&mut self, node: usize) {
        self.wake_at(node, self.now);
    }

    pub(super) fn wake_at(&mut self, node: usize, at: u64) {
        let at = at.max(self.now);
        if at < self.nodes[node].wake_at {
            self.nodes[node].wake_at = at;
            self.queue.push(at, Happening::Wake { node });
        }
    }

    pub(super) fn wake(&mut self, node: usize) {
        let of = &mut self.nodes[node];
        if of.wake_at > self.now {
            return;
        }
        of.wake_at = u64::MAX;
        if !of.is_running() {
            return;
        }
        self.deliver_due(node);
        self.move_node(node);
        self.follow_or_not(node);
        let arrival = self.nodes[node].path.inbox.front().map_or(u64::MAX, |(at, _)| *at);
        self.wake_by(node, arrival.min(self.deadline(node)));
        if self.watched {
            self.look(node);
        }
    }

    /// Handles what is due, and does what the node then asks for.
    pub(super) fn move_node(&mut self, node: usize) {
        loop {
            self.carry_out(node);
            let of = &mut self.nodes[node];
            let Some(Participant::Real { manual, .. }) = &mut of.participant else { break };
            manual.wake(false);
            let due = manual.next_deadline().is_some_and(|deadline| deadline <= of.clock.now());
            if due {
                manual.handle_timeout();
            }
            if !self.carry_out(node) && !due {
                break;
            }
            if due {
                // Once at a time: a deadline that stays due is due at the next wake.
                break;
            }
        }
        self.carry_out(node);
        self.complete(node);
    }

    /// Hands over what has arrived. To a follower as of the time of each arrival.
    pub(super) fn deliver_due(&mut self, node: usize) {
        self.take_from_stream(node);
        let (now, follows) = (self.now, self.nodes[node].follows.is_some());
        while let Some((at, message)) = take_due(&mut self.nodes[node].path.inbox, now) {
            if follows {
                self.time.set(at);
            }
            self.deliver(node, message);
            if follows {
                self.carry_out(node);
            }
        }
        self.time.set(now);
    }

    /// Never at this very moment again: what is due now was done.
    pub(super) fn wake_by(&mut self, node: usize, at: u64) {
        if at < u64::MAX {
            self.wake_at(node, at.max(self.now + 1));
        }
    }

    /// When the node has something to do by itself; `u64::MAX` for never.
    pub(super) fn deadline(&self, node: usize) -> u64 {
        let of = &self.nodes[node];
        let Some(Participant::Real { manual, .. }) = &of.participant else { return u64::MAX };
        manual.next_deadline().map_or(u64::MAX, |it| of.clock.true_at(it))
    }
}
