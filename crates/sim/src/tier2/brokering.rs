//! What the broker does with what reaches it.

use std::ops::Range;

use bytes::Bytes;
use unstale::transport::{SequencerId, TransportErrorKind};

use super::broker::{Broker, Subscriber};
use super::network::{Frame, ToNode};
use super::queue::{Happening, ToBroker};
use super::stream::FOUL_NS;
use super::world::World;
use crate::frames;
use crate::history::Event;

/// When a demoted server passes on what its successor accepts, since it was demoted: its link breaks once.
const PASSES_ON_NS: [Range<u64>; 2] = [250_000_000..1_180_000_000, 1_320_000_000..u64::MAX];

impl World<'_> {
    pub(super) fn reach_broker(&mut self, node: usize, life: u64, message: ToBroker) {
        if self.broker.stalled > 0 {
            self.stalled.push((node, life, message));
            return;
        }
        let dead = self.nodes[node].life == life;
        let dead_below = if dead { self.nodes[node].dead_connections } else { 0 };
        match message {
            ToBroker::Subscribe { connection } if connection > dead_below && dead => {
                self.broker_subscribe(node, connection);
            }
            ToBroker::Fence { connection, token } if connection > dead_below && dead => {
                self.broker_fence(node, connection, token);
            }
            // A process may be dead when what it sent arrives.
            ToBroker::Publish { connection, id, frame } if connection > dead_below => {
                self.broker_publish(node, life, connection, id, &frame);
            }
            _ => {}
        }
    }

    pub(super) fn broker_subscribe(&mut self, node: usize, connection: u64) {
        let refused = if self.broker.down > 0 || self.broker.dying.is_some() {
            Some(TransportErrorKind::Unreachable)
        } else {
            (self.broker.refusing > 0).then_some(TransportErrorKind::Unauthorized)
        };
        if let Some(kind) = refused {
            self.send_in(node, ToNode::Refused { connection, kind });
            return;
        }
        let server = self.broker.primary;
        self.broker.subscribers[node] = Some(Subscriber { connection, server });
        let sequencer: SequencerId = Broker::identity(server);
        self.send_in(node, ToNode::Confirmed { connection, sequencer, server });
    }

    pub(super) fn broker_fence(&mut self, node: usize, connection: u64, token: u64) {
        let subscriber = self.broker.subscribers[node].filter(|it| it.connection == connection);
        let Some(subscriber) = subscriber else {
            let kind = TransportErrorKind::Unreachable;
            self.send_in(node, ToNode::Closed { connection, kind });
            return;
        };
        if self.broker.dying.is_some() {
            return;
        }
        if subscriber.server != self.broker.primary {
            self.broker.subscribers[node] = None;
            let kind = TransportErrorKind::Demoted;
            self.send_in(node, ToNode::Closed { connection, kind });
            return;
        }
        self.send_in(node, ToNode::Fenced { connection, token });
    }

    pub(super) fn broker_publish(
        &mut self,
        node: usize,
        life: u64,
        connection: u64,
        id: u64,
        frame: &Bytes,
    ) {
        let alive = self.nodes[node].life == life;
        let server = self.nodes[node].server_of(connection, self.broker.primary);
        let kind = if self.broker.down > 0 {
            Some(TransportErrorKind::Unreachable)
        } else if server.1 && self.broker.refusing > 0 {
            Some(TransportErrorKind::Unauthorized)
        } else if server.0 != self.broker.primary && self.broker.demoted != Some(server.0) {
            Some(TransportErrorKind::Unreachable)
        } else {
            None
        };
        let result = match kind {
            Some(kind) => Err(kind),
            None if server.0 != self.broker.primary => {
                // It says OK, and tells its own subscribers; asked for its role, it says that it is a replica.
                self.spread(frame, node, server.0);
                Err(TransportErrorKind::Demoted)
            }
            None if self.broker.rejects[node] > 0 => {
                self.broker.rejects[node] -= 1;
                Err(TransportErrorKind::Rejected)
            }
            None => match self.broker.ambiguous[node].pop_front() {
                Some(accepted_after) => {
                    self.ambiguous(node, frame, accepted_after);
                    Err(TransportErrorKind::Unreachable)
                }
                None if self.confirms() => {
                    self.accept(frame, node);
                    Ok(server.0)
                }
                None => return,
            },
        };
        if alive {
            self.send_in(node, ToNode::Published { id, result });
        }
    }

    /// Whether the broker still answers.
    pub(super) fn confirms(&mut self) -> bool {
        match &mut self.broker.dying {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    pub(super) fn ambiguous(&mut self, node: usize, frame: &Bytes, accepted_after_ms: Option<u64>) {
        match accepted_after_ms {
            None => {}
            Some(0) => self.accept(frame, node),
            Some(ms) => {
                let zombie = Happening::Zombie { from: node, frame: frame.clone() };
                self.queue.push(self.now + ms * 1_000_000, zombie);
            }
        }
    }

    /// The primary accepts a frame: everybody who is subscribed there gets it, in this order.
    pub(super) fn accept(&mut self, frame: &Bytes, from: usize) {
        if self.broker.down > 0 {
            return;
        }
        self.record(&Event::Accepted { bytes: frame.len() });
        self.broker.remember(frame, from);
        if self.terms.listed_for.is_some() {
            for origin in frames::listed(frame) {
                self.record(&Event::Listed { by: from, origin });
            }
        }
        let lost = self.broker.dying.is_some() || {
            let lose = self.broker.lose_accepted > 0;
            self.broker.lose_accepted -= u32::from(lose);
            lose
        };
        if lost {
            self.lose(frame, from, true);
            return;
        }
        self.spread(frame, from, self.broker.primary);
        // Once it follows its successor, a demoted primary passes on what that one accepts.
        if let Some(demoted) = self.broker.demoted
            && PASSES_ON_NS.iter().any(|it| it.contains(&(self.now - self.demoted_at)))
        {
            self.spread(frame, from, demoted);
        }
    }

    pub(super) fn spread(&mut self, frame: &Bytes, from: usize, server: u64) {
        let (is_numbered, is_replay) =
            (frames::numbered(frame).is_some(), frames::is_replay(frame));
        let sent = Frame::new(frame);
        if self.stream.continues(&sent) && server == self.broker.primary {
            // What comes back to its origin lets that one go on.
            self.gather(from);
            if self.apart.len() < self.nodes.len() {
                self.stream.push(self.now, sent.clone());
            }
        } else {
            self.gather_all();
        }
        let apart: Vec<_> = self.apart.iter().copied().collect();
        for to in apart {
            let Some(subscriber) = self.broker.subscribers[to].filter(|it| it.server == server)
            else {
                continue;
            };
            if subscriber.connection <= self.nodes[to].dead_connections {
                continue;
            }
            if is_numbered && self.broker.lose_to[to] > 0 {
                self.broker.lose_to[to] -= 1;
                self.lose(frame, from, false);
                continue;
            }
            if is_replay && self.broker.lose_answers[to] > 0 {
                continue;
            }
            let connection = subscriber.connection;
            self.send_in(to, ToNode::Frame { connection, frame: sent.clone() });
        }
    }

    pub(super) fn lose(&mut self, frame: &Bytes, from: usize, to_all: bool) {
        if let Some((origin, number)) = frames::numbered(frame) {
            let names = frames::may_name(frame);
            self.record(&Event::Lost { from, origin, number, to_all, names });
            self.fair_from = self.fair_from.max(self.now + FOUL_NS);
            self.gather_all();
        }
    }
}
