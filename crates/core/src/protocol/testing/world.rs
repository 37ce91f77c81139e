//! The world of a property test: nodes, broker, source, and the operations that a schedule is made of.

mod judging;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::broker::{Arrival, Broker, Subscription};
use super::model_cache::{Key, ModelCache, key_target, tag_of};
use super::oracle::{Met, Oracle};
use crate::node_id::NodeId;
use crate::protocol::wire::{Body, Codec};
use crate::protocol::{Config, Outbox, Output, PublishId, Replica};
use crate::time::Timestamp;
use crate::transport::{SequencerId, TransportErrorKind};

/// One step of a schedule.
#[derive(Clone, Debug)]
pub(in crate::protocol) enum Op {
    /// Commit a row through a node and invalidate it, by key or by its tag.
    Write {
        node: usize,
        key: Key,
        by_tag: bool,
    },
    /// Read through a node: a hit, or a load that takes a while.
    Read {
        node: usize,
        key: Key,
    },
    Advance {
        ms: u64,
    },
    /// The subscription of a node breaks.
    Break {
        node: usize,
    },
    /// The broker restarts and forgets who was subscribed.
    RestartBroker,
    /// The broker is away for a while.
    Outage {
        ms: u64,
    },
    /// The next frames to this node are lost silently.
    Lose {
        node: usize,
        frames: u32,
    },
    /// The next publish of a node returns an error; it is accepted at once, later, or never.
    Ambiguous {
        node: usize,
        accepted_after_ms: Option<u64>,
    },
    /// A frame that was accepted once is accepted again.
    LateDuplicate {
        back: usize,
    },
    /// The process is killed and started again.
    RestartNode {
        node: usize,
    },
    /// The process (or machine) stands still; the broker goes on.
    Suspend {
        node: usize,
        ms: u64,
    },
    /// A foreign publisher invalidates a row that it has changed.
    Anonymous {
        key: Key,
    },
    /// The same in a newer version of the protocol, which nobody here can read.
    Unreadable {
        key: Key,
    },
}

/// What differs between the properties.
#[derive(Clone, Debug)]
pub(in crate::protocol) struct Tuning {
    pub(in crate::protocol) nodes: usize,
    pub(in crate::protocol) within: Duration,
    pub(in crate::protocol) native_fences: bool,
    pub(in crate::protocol) tiny_tables: bool,
    /// The longest that anything travels one way.
    pub(in crate::protocol) latency_us: u64,
    pub(in crate::protocol) seed: u64,
}

enum Event {
    Subscribed {
        node: usize,
        life: u64,
    },
    Accept {
        node: usize,
        life: u64,
        id: PublishId,
        frame: Bytes,
    },
    /// The same without an answer: a zombie.
    AcceptLate {
        frame: Bytes,
    },
    Published {
        node: usize,
        life: u64,
        id: PublishId,
        ok: bool,
    },
    Fill {
        node: usize,
        life: u64,
    },
    BrokerUp,
}

pub(in crate::protocol) struct Node {
    pub(in crate::protocol) replica: Replica,
    pub(super) cache: ModelCache,
    outbox: Arc<Outbox>,
    met: Met,
    /// Distinguishes the lives of the process.
    life: u64,
    suspended_until: Timestamp,
    ambiguous: Option<Option<u64>>,
    /// Place in the outbox → what was committed.
    places: Vec<(u64, Key, u64)>,
    cancelled: Vec<PublishId>,
}

pub(in crate::protocol) struct World {
    tuning: Tuning,
    now: Timestamp,
    rng: fastrand::Rng,
    broker: Broker,
    pub(in crate::protocol) nodes: Vec<Node>,
    events: BTreeMap<(Timestamp, u64), Event>,
    sequence: u64,
    oracle: Oracle,
    hits: u64,
    pub(in crate::protocol) violations: Vec<String>,
}

const TINY_ORIGINS: usize = 3;
const NAMESPACE: &str = "world";

impl World {
    pub(in crate::protocol) fn new(tuning: Tuning) -> Self {
        let now = Timestamp::from_nanos(1_000_000_000);
        let mut rng = fastrand::Rng::with_seed(tuning.seed);
        let nodes = (0..tuning.nodes).map(|_| start(&tuning, rng.u64(..), 0, now)).collect();
        let broker = Broker::new(tuning.nodes);
        let mut world = Self {
            tuning,
            now,
            rng,
            broker,
            nodes,
            events: BTreeMap::new(),
            sequence: 0,
            oracle: Oracle::default(),
            hits: 0,
            violations: Vec::new(),
        };
        world.run_for(Duration::from_millis(5));
        world
    }

    pub(in crate::protocol) fn hits(&self) -> u64 {
        self.hits
    }

    pub(in crate::protocol) fn run(&mut self, ops: &[Op]) {
        for op in ops {
            self.op(op);
            self.run_for(Duration::ZERO);
        }
    }

    fn op(&mut self, op: &Op) {
        let count = self.nodes.len();
        match *op {
            Op::Advance { ms } => self.run_for(Duration::from_millis(ms)),
            Op::Write { node, key, by_tag } => self.write(node % count, key, by_tag),
            Op::Read { node, key } => self.read(node % count, key),
            Op::Break { node } => self.end_subscription(node % count),
            Op::RestartBroker => self.broker_down(Duration::from_millis(1)),
            Op::Outage { ms } => self.broker_down(Duration::from_millis(ms)),
            Op::Lose { node, frames } => {
                if let Some(subscription) = &mut self.broker.subscriptions[node % count] {
                    subscription.lose += frames;
                }
            }
            Op::Ambiguous { node, accepted_after_ms } => {
                self.nodes[node % count].ambiguous = Some(accepted_after_ms);
            }
            Op::LateDuplicate { back } => {
                let accepted = &self.broker.accepted;
                if let Some(place) = accepted.len().checked_sub(1 + back % accepted.len().max(1)) {
                    let frame = accepted[place].clone();
                    self.accept(&frame);
                }
            }
            Op::RestartNode { node } => {
                let node = node % count;
                self.broker.subscriptions[node] = None;
                let (seed, life) = (self.rng.u64(..), self.nodes[node].life + 1);
                for (_, key, version) in std::mem::take(&mut self.nodes[node].places) {
                    self.oracle.orphan(key, version);
                }
                self.nodes[node] = start(&self.tuning, seed, life, self.now);
            }
            Op::Suspend { node, ms } => {
                let until = self.now.after(Duration::from_millis(ms));
                let node = &mut self.nodes[node % count];
                node.suspended_until = node.suspended_until.max(until);
            }
            Op::Anonymous { key } => self.publish_foreign(key, |compared| compared),
            Op::Unreadable { key } => self.publish_foreign(key, |mut compared| {
                compared[0] += 1;
                compared
            }),
        }
    }

    /// Commits a row and publishes its invalidation without a number.
    fn publish_foreign(&mut self, key: Key, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        if self.broker.up {
            let version = self.oracle.commit(key);
            let codec = Codec::new(NAMESPACE.into(), None);
            let body = Body::Targets([key_target(key)].into_iter().collect());
            let compared = change(codec.compared(None, &body).to_vec());
            self.accept(&codec.frame(&compared, 0));
            self.oracle.completed(key, version, None, self.now);
        }
    }

    fn write(&mut self, node: usize, key: Key, by_tag: bool) {
        let version = self.oracle.commit(key);
        let target = if by_tag { tag_of(key) } else { key_target(key) };
        let node = &mut self.nodes[node];
        node.cache.invalidate(&target);
        let place = node.outbox.push([target]);
        node.places.push((place, key, version));
        if self.now >= node.suspended_until {
            node.replica.wake(false, self.now);
        }
    }

    fn read(&mut self, index: usize, key: Key) {
        let (now, within) = (self.now, self.tuning.within);
        self.note_losses(index);
        let node = &mut self.nodes[index];
        if now < node.suspended_until {
            return;
        }
        if node.cache.hit(key, within, now).is_some() {
            self.hits += 1;
            return;
        }
        node.cache.begin_load(key, self.oracle.version(key), now);
        let life = node.life;
        let takes = Duration::from_millis(self.rng.u64(0..8));
        self.schedule(takes, Event::Fill { node: index, life });
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now.after(after), self.sequence), event);
    }

    fn latency(&mut self) -> Duration {
        Duration::from_micros(self.rng.u64(50..self.tuning.latency_us))
    }

    fn accept(&mut self, frame: &Bytes) {
        let (now, rng, most) = (self.now, &mut self.rng, self.tuning.latency_us);
        self.broker.accept(frame, || now.after(Duration::from_micros(rng.u64(50..most))));
    }

    /// The broker goes away: all subscriptions end, and what was on its way is lost.
    fn broker_down(&mut self, back_after: Duration) {
        if !self.broker.up {
            return;
        }
        self.broker.up = false;
        self.broker.life += 1;
        for node in 0..self.nodes.len() {
            self.end_subscription(node);
        }
        self.schedule(back_after, Event::BrokerUp);
    }

    fn note_losses(&mut self, node: usize) {
        if let Some(subscription) = &mut self.broker.subscriptions[node] {
            let lost = subscription.lost.drain(..).filter_map(|frame| numbered(&frame));
            self.oracle.lose(lost);
        }
    }

    fn end_subscription(&mut self, node: usize) {
        self.note_losses(node);
        if self.broker.subscriptions[node].take().is_some() {
            let error = TransportErrorKind::Unreachable.error("broken");
            self.nodes[node].replica.subscription_ended(&error, self.now);
            self.collect(node);
        }
    }

    /// Lets simulated time pass.
    pub(in crate::protocol) fn run_for(&mut self, duration: Duration) {
        let end = self.now.after(duration);
        for node in 0..self.nodes.len() {
            self.collect(node);
        }
        while let Some(next) = self.next_moment().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.scan();
            while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= next)
            {
                let event = entry.remove();
                self.happen(event);
            }
            for node in 0..self.nodes.len() {
                self.drive(node);
            }
        }
        self.now = end;
        self.scan();
    }

    /// Judges everything that a read would hit now. Nothing changes between two events, so a look just before
    /// each sees every moment.
    fn scan(&mut self) {
        let (now, within) = (self.now, self.tuning.within);
        for index in 0..self.nodes.len() {
            self.note_losses(index);
            let node = &self.nodes[index];
            for (table, size, limit) in node.replica.sizes() {
                if size > limit {
                    self.violations
                        .push(format!("G8: node {index}: {table} holds {size} of {limit}"));
                }
            }
            if now < node.suspended_until {
                continue;
            }
            for key in node.cache.entries.keys() {
                let Some(hit) = node.cache.hit(*key, within, now) else { continue };
                let judged = self.oracle.judge_hit(*key, hit.version, within, &node.met, now);
                if let Err(violation) = judged {
                    self.violations.push(format!("node {index}: {violation}"));
                }
            }
        }
    }

    fn next_moment(&self) -> Option<Timestamp> {
        let nodes = self.nodes.iter().enumerate().filter_map(|(index, node)| {
            let subscription = self.broker.subscriptions[index].as_ref();
            let arrival = subscription.and_then(|it| it.queue.front()).map(|(at, _)| *at);
            let deadline = node.replica.next_deadline();
            Some(arrival.into_iter().chain(deadline).min()?.max(node.suspended_until))
        });
        self.events.keys().next().map(|(at, _)| *at).into_iter().chain(nodes).min()
    }

    /// What a driver does: first what the subscription yields, then what is due.
    fn drive(&mut self, index: usize) {
        let now = self.now;
        if now < self.nodes[index].suspended_until {
            return;
        }
        while let Some(subscription) = &mut self.broker.subscriptions[index] {
            let Some((_, arrival)) = subscription.queue.pop_front_if(|(at, _)| *at <= now) else {
                break;
            };
            let Node { replica, met, .. } = &mut self.nodes[index];
            match arrival {
                Arrival::Frame(frame) => {
                    if let Some(numbered) = numbered(&frame) {
                        met.arrive(numbered, now);
                    }
                    replica.frame(&frame, now);
                }
                Arrival::Fenced(token) => replica.fenced(token, now),
            }
            self.collect(index);
        }
        if self.nodes[index].replica.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.nodes[index].replica.handle_timeout(now);
            self.collect(index);
        }
    }

    fn collect(&mut self, index: usize) {
        while let Some(output) = self.nodes[index].replica.poll_output() {
            self.nodes[index].cache.carry_out(&output);
            let life = self.nodes[index].life;
            match output {
                Output::Subscribe => {
                    let latency = self.latency();
                    self.schedule(latency, Event::Subscribed { node: index, life });
                }
                Output::Unsubscribe => {
                    self.note_losses(index);
                    self.broker.subscriptions[index] = None;
                }
                Output::Publish { id, frame } => {
                    let latency = self.latency();
                    self.schedule(latency, Event::Accept { node: index, life, id, frame });
                }
                Output::CancelPublish(id) => self.nodes[index].cancelled.push(id),
                Output::Fence(token) => {
                    // The request and the answer travel; the broker puts it behind what it accepted.
                    let arrives = self.now.after(self.latency());
                    if let Some(subscription) = &mut self.broker.subscriptions[index] {
                        subscription.push(arrives, Arrival::Fenced(token));
                    }
                }
                Output::Accepted(place) => {
                    let node = &mut self.nodes[index];
                    let done = node.places.extract_if(.., |(wanted, _, _)| *wanted <= place);
                    let frame = Some(node.replica.last_accepted());
                    for (_, key, version) in done {
                        self.oracle.completed(key, version, frame, self.now);
                    }
                }
                _ => {}
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::BrokerUp => self.broker.up = true,
            Event::AcceptLate { frame } => {
                if self.broker.up {
                    self.accept(&frame);
                }
            }
            Event::Fill { node, life } => {
                if self.nodes[node].life == life {
                    self.nodes[node].cache.fill();
                }
            }
            Event::Subscribed { node, life } => self.subscribed(node, life),
            Event::Accept { node, life, id, frame } => self.accepted(node, life, id, &frame),
            Event::Published { node, life, id, ok } => {
                if self.nodes[node].life == life && !self.nodes[node].cancelled.contains(&id) {
                    let error = TransportErrorKind::Unreachable.error("broken");
                    let result = if ok { Ok(()) } else { Err(error) };
                    self.nodes[node].replica.published(id, result, self.now);
                    self.collect(node);
                }
            }
        }
    }

    fn subscribed(&mut self, node: usize, life: u64) {
        if self.nodes[node].life != life {
            return;
        }
        let replica = &mut self.nodes[node].replica;
        if self.broker.up {
            self.broker.subscriptions[node] = Some(Subscription::default());
            let sequencer = SequencerId::new(self.broker.life.to_le_bytes());
            replica.subscribed(Some(sequencer), self.rng.u64(..), self.now);
        } else {
            let error = TransportErrorKind::Unreachable.error("away");
            replica.subscription_ended(&error, self.now);
        }
        self.collect(node);
    }

    fn accepted(&mut self, node: usize, life: u64, id: PublishId, frame: &Bytes) {
        let ambiguous = self.nodes[node].ambiguous.take();
        let ok = match ambiguous {
            None => self.broker.up,
            Some(_) => false,
        };
        if let Some(Some(ms)) = ambiguous {
            self.schedule(Duration::from_millis(ms), Event::AcceptLate { frame: frame.clone() });
        } else if ok {
            self.accept(frame);
        }
        let latency = self.latency();
        self.schedule(latency, Event::Published { node, life, id, ok });
    }

    /// What every node holds, for comparing two runs.
    pub(in crate::protocol) fn contents(&self) -> Vec<BTreeMap<Key, u64>> {
        let versions = |node: &Node| {
            node.cache.entries.iter().map(|(key, entry)| (*key, entry.version)).collect()
        };
        self.nodes.iter().map(versions).collect()
    }

    /// How often a node dropped what it held.
    pub(in crate::protocol) fn drops(&self, node: usize) -> u64 {
        self.nodes[node].cache.drops
    }

    pub(in crate::protocol) fn tiny(&self) -> bool {
        self.tuning.tiny_tables
    }

    /// How many frames the broker has accepted.
    pub(in crate::protocol) fn frames_accepted(&self) -> usize {
        self.broker.accepted.len()
    }
}

/// Origin and number of a frame, if it has them.
fn numbered(frame: &Bytes) -> Option<(NodeId, u64)> {
    let received = Codec::new(NAMESPACE.into(), None).open(frame).ok()?;
    received.header.origin.filter(|(_, number)| *number > 0)
}

fn start(tuning: &Tuning, seed: u64, life: u64, now: Timestamp) -> Node {
    let mut config = Config::new(NAMESPACE.into(), tuning.within);
    config.native_fences = tuning.native_fences;
    if tuning.tiny_tables {
        config.max_log_frames = 8;
        config.max_log_bytes = 1_000;
        config.max_origins = TINY_ORIGINS;
        config.max_ranges = 2;
        config.max_own_frames = 4;
        config.max_own_bytes = 500;
        config.max_outbox_targets = 3;
        config.max_answer_bytes = 600;
        config.max_pending = 3;
        config.max_frame_bytes = 512;
    }
    let outbox = Arc::new(config.outbox());
    Node {
        replica: Replica::new(config, outbox.clone(), seed, now),
        cache: ModelCache::default(),
        met: Met::default(),
        outbox,
        life,
        suspended_until: Timestamp::ZERO,
        ambiguous: None,
        places: Vec::new(),
        cancelled: Vec::new(),
    }
}
