//! The world of the discrete-event tier, and its clockwork.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use twox_hash::XxHash3_64;
use unstale::Counters;

use super::broker::Broker;
use super::node::SimNode;
use super::queue::{Happening, Queue, ToBroker};
use super::stream::Stream;
use crate::app::{SharedHistory, Source, lock};
use crate::clock::{MachineClock, TrueTime};
use crate::history::{Event, History, Trace};
use crate::measure::{Measures, Phases};
use crate::oracle::Terms;
use crate::plan::{LAST_MS, Plan};
use crate::rng::{stream, stream_of};
use crate::run::{Board, Coverage, Options, Outcome};

/// Conditions are looked at this often.
pub(super) const SAMPLE_NS: u64 = 10_000_000;
/// With more nodes than this only samples are looked at.
const MOST_WATCHED: usize = 64;

pub(super) struct World<'p> {
    pub(super) plan: &'p Plan,
    pub(super) terms: Terms,
    pub(super) time: TrueTime,
    pub(super) now: u64,
    pub(super) history: SharedHistory,
    pub(super) queue: Queue,
    pub(super) nodes: Vec<SimNode>,
    pub(super) broker: Broker,
    /// What followers take.
    pub(super) stream: Stream,
    /// Those who do not follow.
    pub(super) apart: BTreeSet<usize>,
    /// From when on it is fair weather, as far as is known.
    pub(super) fair_from: u64,
    pub(super) source: Source,
    /// Who has stored a row, and may hold it still.
    pub(super) stored: BTreeMap<u64, BTreeSet<usize>>,
    /// What reached the broker while it stood still.
    pub(super) stalled: Vec<(usize, u64, ToBroker)>,
    pub(super) latency: fastrand::Rng,
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
    pub(super) sampled: Counters,
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
        // Here no watchdog says that a node is connected.
        let terms = Terms { lasting_cap: None, ..Terms::of(plan) };
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
            stream: Stream::new(plan.seed),
            apart: (0..count).collect(),
            fair_from: 0,
            source: Source::default(),
            stored: BTreeMap::new(),
            stalled: Vec::new(),
            latency: stream(plan.seed, "latency"),
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

    /// The stream of a concern for what happens to this node now, `what` of several, whatever happened before: so a plan
    /// that is made smaller keeps the rest of what it draws.
    pub(super) fn drawn(&self, concern: &str, node: usize, what: u64) -> fastrand::Rng {
        let salt = stream_of(self.plan.seed, concern, (node as u64) << 32 | what).u64(..);
        stream_of(salt, concern, self.now)
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
                self.broker.heal();
                self.record(&Event::Healed);
            }
            Happening::Settle => self.settle(),
            Happening::Reread { node, life, cache } => self.reread(node, life, cache),
        }
    }
}
