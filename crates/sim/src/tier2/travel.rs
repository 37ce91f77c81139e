//! The way to the broker and back.

use unstale::transport::TransportErrorKind;

use super::network::ToNode;
use super::queue::{Happening, ToBroker};
use super::world::World;

impl World<'_> {
    /// What a message takes; `x`: a random number from 0 to 1.
    pub(super) fn travel_ns(&self, node: usize, x: f64) -> u64 {
        let (min, max) = (self.plan.topology.latency_min_us, self.plan.topology.latency_max_us);
        let jitter = self.jitters_us.iter().copied().max();
        let most = jitter.unwrap_or(0).max(max);
        // Mostly near the least.
        let us = min as f64 + (most - min) as f64 * x * x * x;
        (us * 1_000.0) as u64 + self.nodes[node].path.delay_ns()
    }

    pub(super) fn send_out(&mut self, node: usize, message: ToBroker) {
        if self.nodes[node].path.blocked_out > 0 {
            self.nodes[node].path.held_out.push(message);
            return;
        }
        let x = self.latency.f64();
        let arrival = self.now + self.travel_ns(node, x);
        let path = &mut self.nodes[node].path;
        path.last_out = arrival.max(path.last_out + 1);
        let (at, life) = (path.last_out, self.nodes[node].life);
        self.queue.push(at, Happening::ToBroker { node, life, message });
    }

    pub(super) fn send_in(&mut self, node: usize, message: ToNode) {
        if self.nodes[node].path.blocks_in() {
            let is_frame = matches!(message, ToNode::Frame { .. });
            self.nodes[node].path.hold_in(message);
            let full = self.nodes[node].path.held_in_bytes > self.plan.topology.broker_buffer_bytes;
            if is_frame
                && full
                && let Some(cut) = self.broker.subscribers[node].take()
            {
                let kind = TransportErrorKind::Unreachable;
                let closed = ToNode::Closed { connection: cut.connection, kind };
                self.nodes[node].path.hold_in(closed);
            }
            return;
        }
        self.take_from_stream(node);
        let x = self.latency.f64();
        let arrival = self.now + self.travel_ns(node, x);
        let at = self.nodes[node].path.arrives(arrival, message);
        self.wake_at(node, at);
    }

    /// What was held is on its way now.
    pub(super) fn flush(&mut self, node: usize) {
        if self.nodes[node].path.blocked_out == 0 {
            for message in std::mem::take(&mut self.nodes[node].path.held_out) {
                self.send_out(node, message);
            }
        }
        if !self.nodes[node].path.blocks_in() {
            for message in self.nodes[node].path.take_held_in() {
                self.send_in(node, message);
            }
        }
    }
}
