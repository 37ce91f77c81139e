//! What faults do to real nodes over a simulated network.

use std::sync::Arc;

use super::brokers::{Brokers, CHANNEL, RedisPair, node_of};
use super::links::Block;
use super::servicebus::ServiceBus;
use super::universe::Command;
use super::world::World;
use crate::frames;
use crate::history::Event;
use crate::plan::{Action, FaultKind, Means};
use crate::rng::stream_of;
use crate::value::{tag_name, tag_of};

/// What is still to be done of a fault.
#[derive(Clone, Debug)]
pub(super) enum Later {
    Relent(FaultKind),
    /// The dying primary is gone.
    Switch,
    /// The old primary comes back, as a replica of the new one.
    Return {
        server: usize,
    },
    ReleaseZombies,
    /// A demoted server follows the primary from now on.
    Follow {
        server: usize,
    },
}

/// A demoted server hears nothing of its successor before this.
const FOLLOW_NS: u64 = 250_000_000;

const DYING_NS: u64 = 30_000_000;
const RETURN_NS: u64 = 400_000_000;

impl World<'_> {
    pub(super) fn strike(&mut self, index: usize, kind: &FaultKind) {
        let count = self.universe.slots.len();
        match kind {
            FaultKind::Partition { nodes, .. } => {
                let block = self.survivable(Block::Both);
                self.block_all(nodes, block, true);
            }
            FaultKind::PartitionOneway { node, to_broker, .. } => {
                let block = self.survivable(if *to_broker { Block::Out } else { Block::In });
                self.block_all(&[*node], block, true);
            }
            FaultKind::Hold { node, .. } => self.block_all(&[*node], Block::Hold, true),
            FaultKind::Delay { node, latency_ms, .. } => {
                let host = self.host(*node % count);
                self.links.delay(&self.sim, &host, *latency_ms, true);
            }
            FaultKind::Jitter { most_ms, .. } => self.links.jitter(&self.sim, *most_ms, true),
            FaultKind::Crash { node, .. } => self.crash(*node % count),
            FaultKind::Clone { node, of } => {
                let (node, of) = (*node % count, *of % count);
                if node != of && self.universe.process(node).is_some() {
                    self.universe.copy_next(node, of);
                    self.crash(node);
                    self.sim.bounce(self.host(node));
                }
            }
            FaultKind::Pause { node, .. } | FaultKind::Suspend { node, .. } => {
                self.universe.slots[*node % count].gate.close();
            }
            FaultKind::SlowSubscriber { node, .. } => {
                self.universe.slots[*node % count].reading.close();
            }
            FaultKind::SlowSource { latency_ms, .. } => {
                self.universe.source().set_slow(*latency_ms, true);
            }
            FaultKind::FailingSource { .. } => self.universe.source().set_failing(true),
            FaultKind::Burst { node, writes } => self.burst(index, *node % count, *writes),
            FaultKind::OtherLanes => {
                let mut rng = stream_of(
                    self.universe.plan.seed,
                    "other lanes",
                    self.universe.plan.ordinal(index),
                );
                self.publish_foreign(frames::beacon_of_another(&mut rng));
            }
            FaultKind::NewerVersion { key } => self.foreign(*key, true),
            FaultKind::Anonymous { key } => self.foreign(*key, false),
            FaultKind::Garbage { bytes } => {
                let mut rng = stream_of(
                    self.universe.plan.seed,
                    "garbage",
                    self.universe.plan.ordinal(index),
                );
                self.publish_foreign(frames::garbage(&mut rng, *bytes));
            }
            FaultKind::Cut { .. }
            | FaultKind::BrokerRestart { .. }
            | FaultKind::BrokerStall { .. }
            | FaultKind::Failover { .. }
            | FaultKind::Demotion
            | FaultKind::LoseTo { .. }
            | FaultKind::LoseAccepted { .. }
            | FaultKind::Ambiguous { .. }
            | FaultKind::CutPublishing { .. }
            | FaultKind::Reject { .. }
            | FaultKind::LoseAnswers { .. }
            | FaultKind::Duplicate { .. }
            | FaultKind::WrongCredentials { .. }
            | FaultKind::SubscriptionExpiry { .. }
            | FaultKind::SharedSubscription { .. } => self.strike_broker(kind),
        }
        if kind.lasts_ms() > 0 {
            self.later(kind.lasts_ms() * 1_000_000, Later::Relent(kind.clone()));
        }
    }

    fn strike_broker(&mut self, kind: &FaultKind) {
        match self.brokers.clone() {
            Brokers::Redis(pair) => self.strike_redis(kind, &pair),
            Brokers::Hub(hub) => self.strike_hub(kind, &hub),
            Brokers::Bus(bus) => self.strike_bus(kind, &bus),
            // Nothing is known of it but that it is a process: see `own::STRUCK`.
            Brokers::Own(own) => {
                if let FaultKind::BrokerRestart { .. } = kind {
                    own.hosts().into_iter().for_each(|host| self.sim.crash(host));
                }
            }
        }
    }

    fn strike_redis(&mut self, kind: &FaultKind, pair: &Arc<RedisPair>) {
        let count = self.universe.slots.len();
        match kind {
            FaultKind::Cut { nodes } => {
                for node in nodes {
                    pair.servers.iter().for_each(|it| {
                        it.kill_peer(&self.host(*node % count));
                    });
                }
            }
            FaultKind::BrokerRestart { .. } => {
                pair.primary().set_up(false);
                pair.primary().restart();
            }
            FaultKind::BrokerStall { .. } => pair.primary().stall(true),
            FaultKind::Failover { lost } => {
                pair.primary().lose_next_accepted(usize::try_from(*lost).unwrap_or(0));
                self.later(DYING_NS, Later::Switch);
            }
            FaultKind::Demotion => {
                let (old, new) = pair.switch();
                new.promote();
                old.replicate_from(new);
                old.set_link_broken(true);
                let server = usize::from(old.name() == pair.servers[1].name());
                self.later(FOLLOW_NS, Later::Follow { server });
            }
            // Which of a peer's connections publishes the server does not say.
            FaultKind::CutPublishing { node } => pair.servers.iter().for_each(|it| {
                it.kill_peer(&self.host(*node % count));
            }),
            FaultKind::Reject { node, frames } => {
                let text = "ERR Protocol error: invalid bulk length";
                let frames = usize::try_from(*frames).unwrap_or(0);
                pair.primary().refuse_next_publishes(&self.host(*node % count), frames, text);
            }
            FaultKind::LoseAnswers { node, .. } => pair.servers.iter().for_each(|it| {
                it.lose_all_like(&self.host(*node % count), Some(frames::is_replay));
            }),
            FaultKind::LoseTo { node, frames: lost } => {
                let like = |frame: &[u8]| frames::numbered(frame).is_some();
                pair.primary().lose_next_like(
                    &self.host(*node % count),
                    usize::try_from(*lost).unwrap_or(0),
                    like,
                );
            }
            FaultKind::LoseAccepted { frames } => {
                pair.primary().lose_next_accepted(usize::try_from(*frames).unwrap_or(0));
            }
            FaultKind::Ambiguous { node, frames, accepted_after_ms } => {
                let (host, frames) =
                    (self.host(*node % count), usize::try_from(*frames).unwrap_or(0));
                match accepted_after_ms {
                    Some(0) => pair.primary().break_after_publish(&host, frames),
                    Some(ms) => {
                        pair.primary().delay_next_publish(&host, frames);
                        self.later(ms * 1_000_000, Later::ReleaseZombies);
                    }
                    None => pair.primary().refuse_next_publishes(&host, frames, "OOM not now"),
                }
            }
            FaultKind::Duplicate { back } => {
                pair.primary().accept_again(*back);
            }
            FaultKind::WrongCredentials { .. } => {
                for server in &pair.servers {
                    server.set_password(Some("another one".to_owned()));
                    server.kill_all();
                }
            }
            _ => {}
        }
    }

    fn strike_hub(&mut self, kind: &FaultKind, hub: &super::hub::HubServer) {
        let count = self.universe.slots.len();
        match kind {
            FaultKind::Cut { nodes } => nodes.iter().for_each(|node| hub.cut(*node % count)),
            FaultKind::BrokerRestart { .. } => {
                hub.succeed();
                hub.set_down(true);
            }
            FaultKind::BrokerStall { .. } => hub.stall(true),
            // A hub has no successor: what is lost is lost, and then it is another hub.
            FaultKind::Failover { lost } => {
                hub.lose_accepted(*lost);
                self.later(DYING_NS, Later::Switch);
            }
            FaultKind::Demotion => hub.succeed(),
            FaultKind::LoseTo { node, frames } => hub.lose_to(*node % count, *frames),
            FaultKind::LoseAccepted { frames } => hub.lose_accepted(*frames),
            FaultKind::Ambiguous { node, frames, accepted_after_ms } => {
                hub.ambiguous(*node % count, *frames, *accepted_after_ms);
            }
            FaultKind::CutPublishing { node } => hub.cut(*node % count),
            FaultKind::Reject { node, frames } => hub.reject(*node % count, *frames),
            FaultKind::LoseAnswers { node, .. } => hub.lose_answers(*node % count, true),
            FaultKind::Duplicate { back } => hub.again(*back),
            // It asks for none: for its nodes that is as if it were away.
            FaultKind::WrongCredentials { .. } => hub.set_down(true),
            _ => {}
        }
    }

    fn strike_bus(&mut self, kind: &FaultKind, bus: &ServiceBus) {
        let count = self.universe.slots.len();
        match kind {
            FaultKind::Cut { nodes } => {
                nodes.iter().for_each(|node| bus.cut(&self.host(*node % count)));
            }
            FaultKind::BrokerRestart { .. } => {
                bus.restart();
                bus.set_down(true);
            }
            FaultKind::BrokerStall { .. } => bus.stall(true),
            FaultKind::Failover { lost } => {
                bus.lose_accepted(*lost);
                self.later(DYING_NS, Later::Switch);
            }
            FaultKind::Demotion => bus.detach_all(),
            FaultKind::LoseTo { node, frames } => bus.lose_to(*node % count, *frames),
            FaultKind::LoseAccepted { frames } => bus.lose_accepted(*frames),
            FaultKind::Ambiguous { node, frames, accepted_after_ms } => {
                bus.ambiguous(*node % count, *frames, *accepted_after_ms);
            }
            FaultKind::CutPublishing { node } => bus.cut_publishing(&self.host(*node % count)),
            FaultKind::Reject { node, frames } => bus.reject(*node % count, *frames),
            FaultKind::LoseAnswers { node, .. } => bus.lose_answers(*node % count, true),
            FaultKind::Duplicate { back } => bus.again(*back),
            FaultKind::WrongCredentials { .. } => bus.set_wrong_credentials(true),
            FaultKind::SubscriptionExpiry { node } => bus.expire(*node % count),
            FaultKind::SharedSubscription { node, for_ms } => bus.share(*node % count, *for_ms),
            _ => {}
        }
    }

    pub(super) fn do_later(&mut self, what: &Later) {
        match (what, self.brokers.clone()) {
            (Later::Relent(kind), _) => self.relent(kind),
            (Later::Switch, Brokers::Redis(pair)) => {
                let (old, new) = pair.switch();
                let server = usize::from(old.name() == pair.servers[1].name());
                old.lose_next_accepted(0);
                old.set_up(false);
                old.restart();
                new.promote();
                old.replicate_from(new);
                self.later(RETURN_NS, Later::Return { server });
            }
            (Later::Switch, Brokers::Hub(hub)) => hub.succeed(),
            (Later::Switch, Brokers::Bus(bus)) => bus.restart(),
            (Later::Return { server }, Brokers::Redis(pair)) => pair.servers[*server].set_up(true),
            (Later::ReleaseZombies, Brokers::Redis(pair)) => {
                pair.servers.iter().for_each(|server| {
                    server.release_zombies();
                });
            }
            (Later::Follow { server }, Brokers::Redis(pair)) => {
                pair.servers[*server].set_link_broken(false);
            }
            (
                Later::Return { .. } | Later::ReleaseZombies | Later::Follow { .. },
                Brokers::Hub(_) | Brokers::Bus(_),
            )
            | (_, Brokers::Own(_)) => {}
        }
    }

    fn relent(&mut self, kind: &FaultKind) {
        let count = self.universe.slots.len();
        match kind {
            FaultKind::Partition { nodes, .. } => {
                let block = self.survivable(Block::Both);
                self.block_all(nodes, block, false);
            }
            FaultKind::PartitionOneway { node, to_broker, .. } => {
                let block = self.survivable(if *to_broker { Block::Out } else { Block::In });
                self.block_all(&[*node], block, false);
            }
            FaultKind::Hold { node, .. } => self.block_all(&[*node], Block::Hold, false),
            FaultKind::Delay { node, latency_ms, .. } => {
                let host = self.host(*node % count);
                self.links.delay(&self.sim, &host, *latency_ms, false);
            }
            FaultKind::Jitter { most_ms, .. } => self.links.jitter(&self.sim, *most_ms, false),
            FaultKind::Crash { node, .. } => {
                if !self.sim.is_host_running(self.host(*node % count)) {
                    self.sim.bounce(self.host(*node % count));
                }
            }
            FaultKind::Pause { node, .. } => self.universe.slots[*node % count].gate.open(),
            FaultKind::Suspend { node, for_ms } => {
                let node = *node % count;
                self.universe.slots[node].clock.was_suspended(for_ms * 1_000_000);
                self.universe.record(&Event::Resumed { node });
                self.universe.slots[node].gate.open();
            }
            FaultKind::SlowSubscriber { node, .. } => {
                self.universe.slots[*node % count].reading.open();
            }
            FaultKind::SlowSource { latency_ms, .. } => {
                self.universe.source().set_slow(*latency_ms, false);
            }
            FaultKind::FailingSource { .. } => self.universe.source().set_failing(false),
            _ => match self.brokers.clone() {
                Brokers::Redis(pair) => match kind {
                    FaultKind::BrokerRestart { .. } => {
                        pair.servers.iter().for_each(|it| it.set_up(true));
                    }
                    FaultKind::BrokerStall { .. } => {
                        pair.servers.iter().for_each(|it| it.stall(false));
                    }
                    FaultKind::WrongCredentials { .. } => {
                        pair.servers.iter().for_each(|it| it.set_password(None));
                    }
                    FaultKind::LoseAnswers { node, .. } => {
                        pair.servers
                            .iter()
                            .for_each(|it| it.lose_all_like(&self.host(*node % count), None));
                    }
                    _ => {}
                },
                Brokers::Hub(hub) => match kind {
                    FaultKind::BrokerRestart { .. } | FaultKind::WrongCredentials { .. } => {
                        hub.set_down(false);
                    }
                    FaultKind::BrokerStall { .. } => hub.stall(false),
                    FaultKind::LoseAnswers { node, .. } => hub.lose_answers(*node % count, false),
                    _ => {}
                },
                Brokers::Bus(bus) => match kind {
                    FaultKind::BrokerRestart { .. } => bus.set_down(false),
                    FaultKind::BrokerStall { .. } => bus.stall(false),
                    FaultKind::WrongCredentials { .. } => bus.set_wrong_credentials(false),
                    FaultKind::LoseAnswers { node, .. } => bus.lose_answers(*node % count, false),
                    _ => {}
                },
                Brokers::Own(own) => {
                    if let FaultKind::BrokerRestart { .. } = kind {
                        for host in own.hosts() {
                            if !self.sim.is_host_running(host.clone()) {
                                self.sim.bounce(host);
                            }
                        }
                    }
                }
            },
        }
    }

    /// A connection that lost anything stays silent. Without a bound that is noticed after 20 s only, longer than a
    /// run has: then nothing is lost, and all of it comes late.
    fn survivable(&self, block: Block) -> Block {
        if self.universe.terms.within.is_some() { block } else { Block::Hold }
    }

    /// Takes back what was ordered and has not struck yet.
    pub(super) fn heal(&self) {
        match &self.brokers {
            Brokers::Redis(pair) => pair.servers.iter().for_each(crate::redis::Server::heal),
            Brokers::Hub(hub) => hub.heal(),
            Brokers::Bus(bus) => bus.heal(),
            Brokers::Own(_) => {}
        }
    }

    fn block_all(&mut self, nodes: &[usize], block: Block, on: bool) {
        let count = self.universe.slots.len();
        let mut hosts: Vec<_> = nodes.iter().map(|node| self.host(*node % count)).collect();
        hosts.dedup();
        for host in hosts {
            self.links.block(&self.sim, &host, block, on);
        }
    }

    /// Everything that runs on the node's host ends.
    fn crash(&mut self, node: usize) {
        let host = self.host(node);
        let Some(first) = node_of(&host) else { return };
        for node in first..(first + self.packed).min(self.universe.slots.len()) {
            self.universe.end_process(node);
        }
        self.sim.crash(host);
    }

    fn burst(&self, index: usize, node: usize, writes: u32) {
        let mut rng =
            stream_of(self.universe.plan.seed, "burst", self.universe.plan.ordinal(index));
        for _ in 0..writes {
            let key = rng.u64(..self.universe.plan.topology.keys);
            let by = if rng.u32(0..4) == 0 { Means::Tag } else { Means::Key };
            self.universe.tell(node, Command::Do(Action::Write { key, by }));
        }
    }

    /// A foreign publisher changes a row and says so.
    fn foreign(&self, key: u64, newer: bool) {
        if self.universe.plan.topology.authenticated {
            return;
        }
        let heard = match &self.brokers {
            Brokers::Redis(pair) => pair.primary().is_up(),
            Brokers::Hub(hub) => !hub.is_down(),
            Brokers::Bus(bus) => !bus.is_down(),
            Brokers::Own(_) => false,
        };
        if !heard {
            return;
        }
        let key = key % self.universe.plan.topology.keys;
        let version = self.universe.commit(None, key);
        let tag = tag_name(tag_of(key));
        let frame = if newer { frames::newer_version(&tag) } else { frames::anonymous(&tag) };
        self.publish_foreign(frame);
        self.universe.record(&Event::Completed { key, version });
    }

    fn publish_foreign(&self, frame: bytes::Bytes) {
        match &self.brokers {
            Brokers::Redis(pair) => pair.primary().publish_foreign(CHANNEL, frame),
            Brokers::Hub(hub) => {
                hub.publish_now(&frame);
            }
            Brokers::Bus(bus) => bus.publish_now(frame),
            Brokers::Own(_) => {}
        }
    }
}
