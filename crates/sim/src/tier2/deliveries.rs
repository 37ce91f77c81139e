//! What reaches a node.

use twox_hash::XxHash3_64;
use unstale::transport::TransportErrorKind;

use super::naive;
use super::network::{Frame, ToNode};
use super::node::{Participant, Subscription};
use super::world::World;
use crate::app::lock;
use crate::frames;
use crate::history::Event;
use crate::value::Aim;

impl World<'_> {
    pub(super) fn deliver(&mut self, node: usize, message: ToNode) {
        let current = self.nodes[node].subscription;
        let is_current = |connection: u64| current.is_some_and(|it| it.connection == connection);
        match message {
            ToNode::Confirmed { connection, sequencer, server } if is_current(connection) => {
                self.nodes[node].subscription =
                    Some(Subscription { connection, server: Some(server) });
                if let Some(Participant::Real { manual, .. }) = &mut self.nodes[node].participant {
                    manual.subscribed(Some(sequencer));
                }
            }
            ToNode::Refused { connection, kind } | ToNode::Closed { connection, kind } => {
                if is_current(connection) {
                    self.nodes[node].subscription = None;
                    self.subscription_ended(node, kind);
                } else if self.nodes[node].publishing == connection {
                    self.nodes[node].publishing = 0;
                    let ids: Vec<_> = self.nodes[node].publishes.iter().copied().collect();
                    for id in ids {
                        self.published(node, id, Err(kind));
                    }
                }
            }
            ToNode::Frame { connection, frame } if is_current(connection) => {
                self.deliver_frame(node, &frame);
            }
            ToNode::Fenced { connection, token } if is_current(connection) => {
                if let Some(Participant::Real { manual, .. }) = &mut self.nodes[node].participant {
                    manual.fenced(token);
                }
            }
            ToNode::Published { id, result } => self.publish_answered(node, id, result),
            ToNode::Confirmed { .. } | ToNode::Frame { .. } | ToNode::Fenced { .. } => {}
        }
    }

    /// A publish counts only where the subscription is; and a publishing connection that finds another primary ends
    /// a subscription at the old one.
    pub(super) fn publish_answered(
        &mut self,
        node: usize,
        id: u64,
        result: Result<u64, TransportErrorKind>,
    ) {
        let subscribed_at = self.nodes[node].subscription.and_then(|it| it.server);
        match (result, subscribed_at) {
            (Ok(server), Some(subscribed_at)) if server != subscribed_at => {
                self.nodes[node].subscription = None;
                self.published(node, id, Err(TransportErrorKind::Demoted));
                self.subscription_ended(node, TransportErrorKind::Demoted);
            }
            (result, _) => self.published(node, id, result.map(drop)),
        }
    }

    pub(super) fn deliver_frame(&mut self, node: usize, frame: &Frame) {
        if self.watched
            && let Some((origin, number)) = frames::numbered(frame.bytes())
        {
            self.record(&Event::Arrived { to: node, origin, number });
        }
        let again = self.met_again(node, frame);
        if again {
            self.carry_out(node);
        }
        match &mut self.nodes[node].participant {
            Some(Participant::Real { manual, watcher, .. }) => {
                let before = watcher.effects();
                manual.opened(frame.opened(manual));
                if self.terms.listed_for.is_some() && frames::has_other_lanes(frame.bytes()) {
                    self.record(&Event::OtherLanes { node });
                }
                if again {
                    self.carry_out(node);
                    let after = match &self.nodes[node].participant {
                        Some(Participant::Real { watcher, .. }) => watcher.effects(),
                        _ => before,
                    };
                    self.record(&Event::MetAgain { node, changed: after != before });
                }
            }
            Some(Participant::Naive(naive)) => {
                if let Some(key) = naive::read(frame.bytes()) {
                    let aims = [crate::value::CacheName::Rows, crate::value::CacheName::Lasting];
                    for cache in aims {
                        naive.apply(Aim::Key(cache, key));
                        lock(&self.history)
                            .record(&Event::Applied { node, aim: Aim::Key(cache, key) });
                    }
                }
            }
            None => {}
        }
    }

    /// Whether the node has met exactly this frame on this subscription, and must recognise it.
    pub(super) fn met_again(&mut self, node: usize, frame: &Frame) -> bool {
        let forgets = self.plan.topology.tiny_tables || self.cloned;
        if !self.watched || forgets || frames::numbered(frame.bytes()).is_none() {
            return false;
        }
        !self.nodes[node].met.insert(XxHash3_64::oneshot(frame.bytes()))
    }
}
