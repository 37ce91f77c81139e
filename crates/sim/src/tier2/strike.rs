//! What faults do in the discrete-event tier.

use unstale::transport::TransportErrorKind;

use super::network::ToNode;
use super::queue::Happening;
use super::stream::FOUL_NS;
use super::world::World;
use crate::frames;
use crate::history::Event;
use crate::plan::{FaultKind, Means};
use crate::rng::{Seeds, stream_of};
use crate::value::{tag_name, tag_of};

/// How long a dying primary still answers.
const DYING_NS: u64 = 30_000_000;

impl World<'_> {
    pub(super) fn strike(&mut self, index: usize) {
        let kind = self.plan.faults[index].kind.clone();
        let lasts_ns = kind.lasts_ms() * 1_000_000;
        let count = self.nodes.len();
        self.gather_all();
        self.fair_from = self.fair_from.max(self.now + lasts_ns + FOUL_NS);
        match &kind {
            FaultKind::Partition { nodes, .. } => {
                for node in nodes {
                    self.block(*node % count, true, true);
                }
            }
            FaultKind::PartitionOneway { node, to_broker, .. } => {
                self.block(*node % count, *to_broker, !*to_broker);
            }
            FaultKind::Hold { node, .. } => self.block(*node % count, true, true),
            FaultKind::Delay { node, latency_ms, .. } => {
                self.nodes[*node % count].path.delays_us.push(latency_ms * 1_000);
            }
            FaultKind::Jitter { most_ms, .. } => self.jitters_us.push(most_ms * 1_000),
            FaultKind::Cut { nodes } => {
                for node in nodes {
                    self.cut(*node % count, TransportErrorKind::Unreachable);
                }
            }
            FaultKind::BrokerRestart { .. } => {
                self.broker.down += 1;
                self.cut_all();
                self.broker.succeed();
                self.broker.demoted = None;
            }
            FaultKind::BrokerStall { .. } => self.broker.stalled += 1,
            FaultKind::Failover { lost } => {
                if self.broker.down == 0 && self.broker.dying.is_none() {
                    self.broker.dying = Some(*lost);
                    self.queue.push(self.now + DYING_NS, Happening::Switch);
                }
            }
            FaultKind::Demotion => {
                if self.broker.down > 0 || self.broker.dying.is_some() {
                    return;
                }
                if self.plan.topology.native_fences {
                    self.broker.demoted = Some(self.broker.primary);
                    self.demoted_at = self.now;
                } else {
                    // A fence that is a frame would come back by way of the successor, and prove nothing. A
                    // broker where that can be has fences of its own, or it closes the connections.
                    self.broker.demoted = None;
                    self.cut_all();
                }
                self.broker.succeed();
            }
            FaultKind::LoseTo { node, frames } => self.broker.lose_to[*node % count] += frames,
            FaultKind::LoseAccepted { frames } => self.broker.lose_accepted += frames,
            FaultKind::Ambiguous { node, frames, accepted_after_ms } => {
                let ambiguous = &mut self.broker.ambiguous[*node % count];
                ambiguous.extend((0..*frames).map(|_| *accepted_after_ms));
            }
            // The broker of this tier keeps no subscriptions: all that is left of it is the end.
            FaultKind::SubscriptionExpiry { node } | FaultKind::SharedSubscription { node, .. } => {
                self.cut(*node % count, TransportErrorKind::Unreachable);
            }
            FaultKind::CutPublishing { node } => self.cut_publishing(*node % count),
            FaultKind::Reject { node, frames } => self.broker.rejects[*node % count] += frames,
            FaultKind::LoseAnswers { node, .. } => self.broker.lose_answers[*node % count] += 1,
            FaultKind::OtherLanes => {
                if !self.plan.topology.authenticated && self.broker.down == 0 {
                    let mut rng =
                        stream_of(self.plan.seed, "other lanes", self.plan.ordinal(index));
                    self.accept(&frames::beacon_of_another(&mut rng), 0);
                }
            }
            FaultKind::Duplicate { back } => {
                if let Some((frame, from)) = self.broker.remembered(*back) {
                    self.accept(&frame, from);
                }
            }
            FaultKind::SlowSubscriber { node, .. } => {
                self.nodes[*node % count].path.not_reading += 1;
            }
            FaultKind::Crash { node, .. } => {
                let node = *node % count;
                self.stop(node);
                let life = self.nodes[node].life + 1;
                self.queue.push(self.now + lasts_ns, Happening::Start { node, life });
            }
            FaultKind::Clone { node, of } => self.clone_node(*node % count, *of % count),
            FaultKind::Pause { node, .. } | FaultKind::Suspend { node, .. } => {
                self.nodes[*node % count].standing += 1;
            }
            FaultKind::Garbage { bytes } => {
                let mut rng = stream_of(self.plan.seed, "garbage", self.plan.ordinal(index));
                let frame = frames::garbage(&mut rng, *bytes);
                self.accept(&frame, 0);
            }
            FaultKind::NewerVersion { key } => self.foreign(*key, true),
            FaultKind::Anonymous { key } => self.foreign(*key, false),
            FaultKind::WrongCredentials { .. } => {
                self.broker.refusing += 1;
                self.cut_all();
            }
            FaultKind::SlowSource { latency_ms, .. } => self.source.set_slow(*latency_ms, true),
            FaultKind::FailingSource { .. } => self.source.set_failing(true),
            FaultKind::Burst { node, writes } => {
                let mut rng = stream_of(self.plan.seed, "burst", self.plan.ordinal(index));
                for _ in 0..*writes {
                    let key = rng.u64(..self.plan.topology.keys);
                    let by = if rng.u32(0..4) == 0 { Means::Tag } else { Means::Key };
                    self.write(*node % count, key, by);
                }
            }
        }
        if kind.lasts_ms() > 0 {
            self.queue.push(self.now + lasts_ns, Happening::Relent { kind });
        }
    }

    pub(super) fn relent(&mut self, kind: &FaultKind) {
        let count = self.nodes.len();
        match kind {
            FaultKind::Partition { nodes, .. } => {
                for node in nodes {
                    self.unblock(*node % count, true, true, false);
                }
            }
            FaultKind::PartitionOneway { node, to_broker, .. } => {
                self.unblock(*node % count, *to_broker, !*to_broker, false);
            }
            FaultKind::Hold { node, .. } => self.unblock(*node % count, true, true, true),
            FaultKind::Delay { node, latency_ms, .. } => {
                self.nodes[*node % count].path.remove_delay(latency_ms * 1_000);
            }
            FaultKind::Jitter { most_ms, .. } => {
                if let Some(place) = self.jitters_us.iter().position(|us| *us == most_ms * 1_000) {
                    self.jitters_us.remove(place);
                }
            }
            FaultKind::BrokerRestart { .. } => self.broker.down -= 1,
            FaultKind::BrokerStall { .. } => {
                self.broker.stalled -= 1;
                if self.broker.stalled == 0 {
                    for (node, life, message) in std::mem::take(&mut self.stalled) {
                        self.reach_broker(node, life, message);
                    }
                }
            }
            FaultKind::SlowSubscriber { node, .. } => {
                self.nodes[*node % count].path.not_reading -= 1;
                self.flush(*node % count);
            }
            FaultKind::Pause { node, .. } => self.go_on(*node % count),
            FaultKind::Suspend { node, for_ms } => {
                let node = *node % count;
                self.nodes[node].clock.was_suspended(for_ms * 1_000_000);
                self.record(&Event::Resumed { node });
                let (life, within) =
                    (self.nodes[node].life, self.drawn("watchdog", node, 0).u64(..50_000_000));
                self.queue.push(self.now + within, Happening::Watchdog { node, life });
                self.go_on(node);
            }
            FaultKind::LoseAnswers { node, .. } => {
                let losing = &mut self.broker.lose_answers[*node % count];
                *losing = losing.saturating_sub(1);
            }
            FaultKind::WrongCredentials { .. } => self.broker.refusing -= 1,
            FaultKind::SlowSource { latency_ms, .. } => self.source.set_slow(*latency_ms, false),
            FaultKind::FailingSource { .. } => self.source.set_failing(false),
            _ => {}
        }
    }

    fn block(&mut self, node: usize, out: bool, inward: bool) {
        let path = &mut self.nodes[node].path;
        path.blocked_out += u32::from(out);
        path.blocked_in += u32::from(inward);
    }

    /// `keeps`: what was sent meanwhile arrives now. Else that depends: a connection may have been forgotten by
    /// whatever stands between, and then nobody gets an error.
    fn unblock(&mut self, node: usize, out: bool, inward: bool, keeps: bool) {
        let path = &mut self.nodes[node].path;
        path.blocked_out -= u32::from(out);
        path.blocked_in -= u32::from(inward);
        // Without a bound a dead connection is noticed after 20 s only: longer than a run has.
        let can_die = !keeps && self.terms.within.is_some();
        let dies = can_die && self.drawn("dead connections", node, 0).bool();
        if dies && self.terms.naive {
            // It would stay deaf for ever; a kind library notices at once.
            self.nodes[node].path.held_out.clear();
            self.nodes[node].path.take_held_in();
            self.cut(node, TransportErrorKind::Unreachable);
        } else if dies {
            let of = &mut self.nodes[node];
            of.path.held_out.clear();
            of.path.take_held_in();
            of.dead_connections = of.next_connection;
        }
        self.flush(node);
    }

    /// The broker closes a node's connections.
    fn cut(&mut self, node: usize, kind: TransportErrorKind) {
        let dead = self.nodes[node].dead_connections;
        if let Some(cut) = self.broker.subscribers[node].take()
            && cut.connection > dead
        {
            self.send_in(node, ToNode::Closed { connection: cut.connection, kind });
        }
        self.cut_publishing(node);
    }

    /// The broker closes the connection on which a node publishes.
    fn cut_publishing(&mut self, node: usize) {
        let of = &self.nodes[node];
        let (connection, kind) = (of.publishing, TransportErrorKind::Unreachable);
        if connection > of.dead_connections {
            self.send_in(node, ToNode::Closed { connection, kind });
        }
    }

    fn cut_all(&mut self) {
        for node in 0..self.nodes.len() {
            self.cut(node, TransportErrorKind::Unreachable);
        }
    }

    /// The dying primary is gone; another one takes over.
    pub(super) fn switch(&mut self) {
        self.broker.dying = None;
        self.broker.demoted = None;
        self.cut_all();
        self.broker.succeed();
    }

    /// A process starts again with another one's random numbers.
    fn clone_node(&mut self, node: usize, of: usize) {
        if node == of {
            return;
        }
        self.stop(node);
        let life = self.nodes[node].life + 1;
        self.cloned = true;
        let copied = Seeds::name(of, self.nodes[of].life);
        let seeds = Seeds { copied, ..Seeds::of(self.plan.seed, node, life) };
        self.start_as(node, life, seeds);
    }

    /// A foreign publisher changes a row and says so.
    fn foreign(&mut self, key: u64, newer: bool) {
        let broker = &self.broker;
        let heard = broker.down == 0 && broker.dying.is_none() && broker.lose_accepted == 0;
        if self.plan.topology.authenticated || self.terms.naive || !heard {
            return;
        }
        let key = key % self.plan.topology.keys;
        let version = self.commit(None, key);
        let tag = tag_name(tag_of(key));
        let frame = if newer { frames::newer_version(&tag) } else { frames::anonymous(&tag) };
        self.accept(&frame, 0);
        self.record(&Event::Completed { key, version });
    }

    pub(super) fn go_on(&mut self, node: usize) {
        let of = &mut self.nodes[node];
        of.standing -= 1;
        of.wake_at = u64::MAX;
        self.wake_now(node);
    }

    pub(super) fn watchdog(&mut self, node: usize, life: u64) {
        let of = &mut self.nodes[node];
        if of.life != life {
            return;
        }
        let suspended = of.clock.resynchronize();
        if let Some(super::node::Participant::Real { manual, .. }) = &mut of.participant {
            manual.wake(suspended > std::time::Duration::from_millis(20));
        }
        self.move_node(node);
        self.wake_now(node);
    }
}
