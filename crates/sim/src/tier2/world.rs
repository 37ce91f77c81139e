//! The world of the discrete-event tier, and its clockwork.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use twox_hash::XxHash3_64;
use unstale::Counters;
use unstale::simulation::Request;
use unstale::transport::{SequencerId, TransportErrorKind};

use super::broker::{Broker, Subscriber};
use super::naive;
use super::network::{ToNode, error};
use super::node::{self, Participant, SimNode, Subscription};
use super::queue::{Attempt, Happening, Queue, ToBroker};
use crate::app::{SharedHistory, Source, lock};
use crate::clock::{MachineClock, TrueTime};
use crate::frames;
use crate::history::{Event, History, Trace};
use crate::measure::{Measures, Phases};
use crate::oracle::Terms;
use crate::plan::{Mode, Plan};
use crate::rng::{Seeds, stream, stream_of};
use crate::run::{Board, Coverage, Options, Outcome};
use crate::value::Aim;

/// What a transport gives an attempt.
const ATTEMPT_NS: u64 = 3_000_000_000;
/// Conditions are looked at this often.
const SAMPLE_NS: u64 = 10_000_000;
/// With more nodes than this only samples are looked at.
const MOST_WATCHED: usize = 64;
/// The last part of a run, in which it is seen whether the caches serve.
pub(crate) const LAST_MS: u64 = 1_500;

pub(super) struct World<'p> {
    pub(super) plan: &'p Plan,
    pub(super) terms: Terms,
    pub(super) time: TrueTime,
    pub(super) now: u64,
    pub(super) history: SharedHistory,
    pub(super) queue: Queue,
    pub(super) nodes: Vec<SimNode>,
    pub(super) broker: Broker,
    pub(super) source: Source,
    /// What reached the broker while it stood still.
    pub(super) stalled: Vec<(usize, u64, ToBroker)>,
    pub(super) latency: fastrand::Rng,
    pub(super) loads: fastrand::Rng,
    pub(super) chance: fastrand::Rng,
    pub(super) rates: fastrand::Rng,
    /// When the last primary was demoted.
    pub(super) demoted_at: u64,
    pub(super) jitters_us: Vec<u64>,
    /// Whether every event is looked at, or only samples.
    pub(super) watched: bool,
    pub(super) board: Board,
    pub(super) coverage: Coverage,
    /// Of processes that have ended.
    pub(super) retired: Option<Counters>,
    sampled: Counters,
    /// Whether a process was cloned: what twins say under one number is told apart, and the log finds only one of
    /// the two again.
    pub(super) cloned: bool,
}

/// Runs a plan.
pub(crate) fn run(plan: &Plan, options: Options) -> Outcome {
    let mut world = World::new(plan, options);
    world.schedule();
    let end = plan.duration_ms * 1_000_000;
    while let Some((at, happening)) = world.queue.pop() {
        if at > end {
            break;
        }
        world.now = at;
        world.time.set(at);
        world.happen(happening);
    }
    world.finish()
}

/// The first message, if it has arrived by now.
fn take_due(inbox: &mut VecDeque<(u64, ToNode)>, now: u64) -> Option<(u64, ToNode)> {
    inbox.front().is_some_and(|(at, _)| *at <= now).then(|| inbox.pop_front()).flatten()
}

impl<'p> World<'p> {
    fn new(plan: &'p Plan, options: Options) -> Self {
        let time = TrueTime::default();
        let clocks: Vec<_> = (0..plan.topology.nodes)
            .map(|node| {
                let offset = stream_of(plan.seed, "clock", node as u64).u64(..1_000_000_000_000);
                let drift = plan.topology.drift_ppm.get(node).copied().unwrap_or(0);
                let offset = std::time::Duration::from_nanos(offset);
                Arc::new(MachineClock::new(time.clone(), offset, drift))
            })
            .collect();
        let terms =
            Terms { within: plan.topology.mode.within(), naive: plan.topology.mode == Mode::Naive };
        let measures = Measures::new(Phases::of(plan));
        let trace = Trace::new(options.lines);
        let history = History::new(time.clone(), clocks.clone(), terms, measures, trace);
        let count = plan.topology.nodes;
        Self {
            plan,
            terms,
            time,
            now: 0,
            history: Arc::new(Mutex::new(history)),
            queue: Queue::default(),
            nodes: clocks.into_iter().map(SimNode::new).collect(),
            broker: Broker::new(count),
            source: Source::default(),
            stalled: Vec::new(),
            latency: stream(plan.seed, "latency"),
            loads: stream(plan.seed, "loads"),
            chance: stream(plan.seed, "chance"),
            rates: stream(plan.seed, "rates"),
            demoted_at: 0,
            jitters_us: Vec::new(),
            watched: count <= MOST_WATCHED && plan.rates.is_none(),
            board: Board::new(count),
            coverage: Coverage::default(),
            retired: None,
            sampled: Counters::default(),
            cloned: false,
        }
    }

    pub(super) fn record(&self, event: &Event<'_>) -> crate::history::Place {
        lock(&self.history).record(event)
    }

    fn schedule(&mut self) {
        let ns = |ms: u64| ms * 1_000_000;
        let mut starts = stream(self.plan.seed, "starts");
        let most = ns(self.plan.topology.start_within_ms).max(1);
        for node in 0..self.plan.topology.nodes {
            self.queue.push(starts.u64(..most), Happening::Start { node, life: 1 });
        }
        for (index, fault) in self.plan.faults.iter().enumerate() {
            self.queue.push(ns(fault.at_ms), Happening::Strike { index });
        }
        for (index, op) in self.plan.workload.iter().enumerate() {
            // Not all at the full millisecond, where faults begin.
            let within =
                XxHash3_64::oneshot_with_seed(self.plan.seed, &index.to_le_bytes()) % 1_000_000;
            self.queue.push(ns(op.at_ms) + within, Happening::Op { index });
        }
        self.schedule_rates();
        self.queue.push(ns(self.plan.heal_ms), Happening::Heal);
        self.queue.push(SAMPLE_NS, Happening::Sample);
        if self.plan.duration_ms >= self.plan.heal_ms + LAST_MS {
            self.queue.push(ns(self.plan.duration_ms - LAST_MS), Happening::Settle);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wake { node } => self.wake(node),
            Happening::ToBroker { node, life, message } => self.reach_broker(node, life, message),
            Happening::TimedOut { node, life, attempt } => self.timed_out(node, life, attempt),
            Happening::Zombie { from, frame } => self.accept(&frame, from),
            Happening::ReadSource { node, life, load } => self.read_source(node, life, load),
            Happening::EndLoad { node, life, load } => self.end_load(node, life, load),
            Happening::Op { index } => self.op(index),
            Happening::Rate { node, write } => self.rate(node, write),
            Happening::Strike { index } => self.strike(index),
            Happening::Relent { kind } => self.relent(&kind),
            Happening::Switch => self.switch(),
            Happening::Start { node, life } => self.start(node, life),
            Happening::Watchdog { node, life } => self.watchdog(node, life),
            Happening::Sample => self.sample(),
            Happening::Heal => {
                self.record(&Event::Healed);
            }
            Happening::Settle => self.settle(),
            Happening::Reread { node, life, cache } => self.reread(node, life, cache),
        }
    }

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
        self.nodes[node].stop();
        self.broker.subscribers[node] = None;
        self.record(&Event::Stopped { node });
    }

    // Time.

    pub(super) fn wake_now(&mut self, node: usize) {
        self.wake_at(node, self.now);
    }

    fn wake_at(&mut self, node: usize, at: u64) {
        let at = at.max(self.now);
        if at < self.nodes[node].wake_at {
            self.nodes[node].wake_at = at;
            self.queue.push(at, Happening::Wake { node });
        }
    }

    fn wake(&mut self, node: usize) {
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
        let of = &self.nodes[node];
        let mut next = of.path.inbox.front().map_or(u64::MAX, |(at, _)| *at);
        if let Some(Participant::Real { manual, .. }) = &of.participant {
            next = next.min(manual.next_deadline().map_or(u64::MAX, |it| of.clock.true_at(it)));
        }
        if next < u64::MAX {
            // Never at this very moment again: what is due now was done.
            self.wake_at(node, next.max(self.now + 1));
        }
        if self.watched {
            self.look(node);
        }
    }

    /// Looks into a node's caches.
    pub(super) fn look(&self, node: usize) {
        let found = match &self.nodes[node].participant {
            Some(Participant::Real { caches, .. }) => caches.found(),
            Some(Participant::Naive(naive)) => naive.found(),
            None => return,
        };
        self.record(&Event::Scanned { node, found: &found });
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

    fn deliver_due(&mut self, node: usize) {
        let now = self.now;
        while let Some((_, message)) = take_due(&mut self.nodes[node].path.inbox, now) {
            self.deliver(node, message);
        }
    }

    // What a node asks of its transport.

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

    fn subscribe(&mut self, node: usize) {
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

    fn time_out(&mut self, node: usize, attempt: Attempt) {
        let life = self.nodes[node].life;
        self.queue.push(self.now + ATTEMPT_NS, Happening::TimedOut { node, life, attempt });
    }

    fn timed_out(&mut self, node: usize, life: u64, attempt: Attempt) {
        let of = &mut self.nodes[node];
        if of.life != life || !of.awaits(attempt) {
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

    // The way there and back.

    fn travel_ns(&mut self, node: usize) -> u64 {
        let (min, max) = (self.plan.topology.latency_min_us, self.plan.topology.latency_max_us);
        let jitter = self.jitters_us.iter().copied().max();
        let most = jitter.unwrap_or(0).max(max);
        // Mostly near the least.
        let x = self.latency.f64();
        let us = min as f64 + (most - min) as f64 * x * x * x;
        (us * 1_000.0) as u64 + self.nodes[node].path.delay_ns()
    }

    pub(super) fn send_out(&mut self, node: usize, message: ToBroker) {
        if self.nodes[node].path.blocked_out > 0 {
            self.nodes[node].path.held_out.push(message);
            return;
        }
        let arrival = self.now + self.travel_ns(node);
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
        let arrival = self.now + self.travel_ns(node);
        let path = &mut self.nodes[node].path;
        path.last_in = arrival.max(path.last_in + 1);
        let at = path.last_in;
        path.inbox.push_back((at, message));
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

    // The broker.

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

    fn broker_subscribe(&mut self, node: usize, connection: u64) {
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

    fn broker_fence(&mut self, node: usize, connection: u64, token: u64) {
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

    fn broker_publish(&mut self, node: usize, life: u64, connection: u64, id: u64, frame: &Bytes) {
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
    fn confirms(&mut self) -> bool {
        match &mut self.broker.dying {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    fn ambiguous(&mut self, node: usize, frame: &Bytes, accepted_after_ms: Option<u64>) {
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
        let lost = self.broker.dying.is_some() || {
            let lose = self.broker.lose_accepted > 0;
            self.broker.lose_accepted -= u32::from(lose);
            lose
        };
        if lost {
            self.lose(frame, from);
            return;
        }
        self.spread(frame, from, self.broker.primary);
        // Once it follows its successor, a demoted primary passes on what that one accepts.
        if let Some(demoted) = self.broker.demoted
            && self.now > self.demoted_at + 100_000_000
        {
            self.spread(frame, from, demoted);
        }
    }

    fn spread(&mut self, frame: &Bytes, from: usize, server: u64) {
        let is_numbered = frames::numbered(frame).is_some();
        for to in 0..self.nodes.len() {
            let Some(subscriber) = self.broker.subscribers[to].filter(|it| it.server == server)
            else {
                continue;
            };
            if subscriber.connection <= self.nodes[to].dead_connections {
                continue;
            }
            if is_numbered && self.broker.lose_to[to] > 0 {
                self.broker.lose_to[to] -= 1;
                self.lose(frame, from);
                continue;
            }
            let connection = subscriber.connection;
            self.send_in(to, ToNode::Frame { connection, frame: frame.clone() });
        }
    }

    fn lose(&self, frame: &Bytes, from: usize) {
        if let Some((origin, number)) = frames::numbered(frame) {
            self.record(&Event::Lost { from, origin, number });
        }
    }

    // What reaches a node.

    fn deliver(&mut self, node: usize, message: ToNode) {
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
    fn publish_answered(&mut self, node: usize, id: u64, result: Result<u64, TransportErrorKind>) {
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

    fn deliver_frame(&mut self, node: usize, frame: &Bytes) {
        if self.watched
            && let Some((origin, number)) = frames::numbered(frame)
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
                manual.frame(frame);
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
                if let Some(key) = naive::read(frame) {
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
    fn met_again(&mut self, node: usize, frame: &Bytes) -> bool {
        let forgets = self.plan.topology.tiny_tables || self.cloned;
        if !self.watched || forgets || frames::numbered(frame).is_none() {
            return false;
        }
        !self.nodes[node].met.insert(XxHash3_64::oneshot(frame))
    }

    // Looking.

    fn sample(&mut self) {
        self.queue.push(self.now + SAMPLE_NS, Happening::Sample);
        let healing = self.now >= self.plan.heal_ms * 1_000_000;
        if self.watched {
            for node in 0..self.nodes.len() {
                let state = self.nodes[node].state();
                self.board.sample(node, self.now, state, self.nodes[node].counters());
                if healing && state != "live" {
                    self.record(&Event::Condition { node, state });
                }
            }
        }
        if self.now.is_multiple_of(10 * SAMPLE_NS) && self.watched {
            let counters = self.counters();
            self.coverage.credit(self.plan, self.now / 1_000_000, &self.sampled, &counters);
            self.sampled = counters;
            for (node, of) in self.nodes.iter().enumerate() {
                let Some(Participant::Real { manual, .. }) = &of.participant else { continue };
                for (table, size, limit) in manual.sizes() {
                    self.record(&Event::Size { node, table, size, limit });
                }
            }
        }
    }

    /// What all nodes have counted, those that are gone included.
    pub(super) fn counters(&self) -> Counters {
        let all = self.nodes.iter().filter_map(SimNode::counters).chain(self.retired);
        all.reduce(Counters::plus).unwrap_or_default()
    }

    fn finish(mut self) -> Outcome {
        let counters = self.counters();
        let converges = self.plan.duration_ms >= self.plan.heal_ms + LAST_MS;
        let allowed = 2 + self.plan.faults.iter().map(|it| it.kind.clears_allowed()).sum::<u64>();
        for node in 0..self.nodes.len() {
            if let Some(of) =
                self.nodes[node].counters().filter(|_| !self.plan.topology.tiny_tables)
            {
                self.record(&Event::Clears { node, clears: of.clears, allowed });
            }
            let (found, live) = match &self.nodes[node].participant {
                Some(Participant::Real { caches, .. }) => {
                    (caches.found(), self.nodes[node].state() == "live")
                }
                Some(Participant::Naive(naive)) => (naive.found(), true),
                None => continue,
            };
            if converges || self.plan.faults.is_empty() {
                self.record(&Event::Final { node, found: &found, live });
            }
        }
        let mut board = std::mem::replace(&mut self.board, Board::new(0));
        board.commits_ms.clone_from(&lock(&self.history).measures.commits_ms);
        let coverage = std::mem::take(&mut self.coverage);
        // Nodes hold the history too.
        self.nodes.clear();
        let history = Arc::into_inner(self.history)
            .map(|it| it.into_inner().unwrap_or_else(PoisonError::into_inner));
        match history {
            Some(history) => Outcome::new(history, board, coverage, counters),
            None => unreachable!("the nodes are gone, and nobody else has it"),
        }
    }
}
