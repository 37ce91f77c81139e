//! The world of the turmoil tiers, and its clockwork.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use unstale::Counters;

use super::brokers::{Brokers, RedisPair, host_of};
use super::hub::HubServer;
use super::links::Links;
use super::own::Own;
use super::process::{self, LAST_CACHES};
use super::servicebus::ServiceBus;
use super::strike::Later;
use super::universe::{Command, Universe};
use crate::clock::{MachineClock, TrueTime};
use crate::history::{Event, History, Trace};
use crate::measure::{Measures, Phases};
use crate::oracle::Terms;
use crate::plan::{LAST_MS, Plan};
use crate::rng::stream_of;
use crate::run::{Board, Coverage, Options, Outcome};
use crate::tier2::state_name;
use crate::tiers::TransportKind;

const TICK: Duration = Duration::from_millis(1);
const SAMPLE_MS: u64 = 10;
/// Caches are looked into this often, and whenever a horizon moves.
const LOOK_MS: u64 = 5;

pub(super) struct World<'a> {
    pub(super) universe: Arc<Universe>,
    pub(super) brokers: Brokers,
    pub(super) sim: turmoil::Sim<'a>,
    pub(super) links: Links,
    /// Nodes on each host.
    pub(super) packed: usize,
    agenda: BTreeMap<(u64, u64), Later>,
    added: u64,
    board: Board,
    coverage: Coverage,
    sampled: Counters,
}

/// What carries the frames.
pub(crate) enum Carrier {
    Kind(TransportKind),
    Own(Arc<Own>),
}

/// Runs a plan, with the nodes on so many hosts.
pub(crate) fn run(plan: &Plan, carrier: Carrier, hosts: usize, options: Options) -> Outcome {
    let mut world = World::new(plan, carrier, hosts, options);
    world.go();
    world.finish()
}

impl World<'_> {
    fn new(plan: &Plan, carrier: Carrier, hosts: usize, options: Options) -> Self {
        let time = TrueTime::of_hosts();
        let clocks: Vec<_> = (0..plan.topology.nodes)
            .map(|node| {
                let offset = stream_of(plan.seed, "clock", node as u64).u64(..1_000_000_000_000);
                let drift = plan.topology.drift_ppm.get(node).copied().unwrap_or(0);
                Arc::new(MachineClock::new(time.clone(), Duration::from_nanos(offset), drift))
            })
            .collect();
        let terms = Terms::of(plan);
        let measures = Measures::new(Phases::of(plan));
        let history =
            History::new(time.clone(), clocks.clone(), terms, measures, Trace::new(options.lines));
        let history = Arc::new(Mutex::new(history));
        let universe = Arc::new(Universe::new(plan, terms, time, clocks, history));
        let brokers = match carrier {
            Carrier::Own(own) => Brokers::Own(own),
            Carrier::Kind(TransportKind::Redis) => {
                Brokers::Redis(Arc::new(RedisPair::new(&universe)))
            }
            Carrier::Kind(TransportKind::Memory) => {
                Brokers::Hub(HubServer::new(Arc::clone(&universe)))
            }
            Carrier::Kind(TransportKind::Azure) => {
                Brokers::Bus(ServiceBus::new(Arc::clone(&universe)))
            }
        };
        let most_ms = plan.topology.latency_max_us.div_ceil(1_000).max(1);
        let mut sim = turmoil::Builder::new()
            .simulation_duration(Duration::from_millis(plan.duration_ms) + Duration::from_secs(1))
            .tick_duration(TICK)
            .min_message_latency(Duration::from_millis(0))
            .max_message_latency(Duration::from_millis(most_ms))
            .tcp_capacity(4_096)
            .rng_seed(plan.seed)
            .epoch(std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
            .build();
        brokers.install(&mut sim);
        let packed = plan.topology.nodes.div_ceil(hosts.max(1)).max(1);
        for first in (0..plan.topology.nodes).step_by(packed) {
            let last = (first + packed).min(plan.topology.nodes);
            let (universe, brokers) = (Arc::clone(&universe), brokers.clone());
            sim.host(host_of(first), move || {
                let (universe, brokers) = (Arc::clone(&universe), brokers.clone());
                async move {
                    let mut running = Vec::new();
                    for node in first..last {
                        let process = process::run(Arc::clone(&universe), brokers.clone(), node);
                        running.push(tokio::task::spawn_local(process));
                    }
                    for process in running {
                        process.await??;
                    }
                    Ok(())
                }
            });
        }
        let nodes = plan.topology.nodes;
        Self {
            links: Links::new(brokers.hosts(), (0, most_ms)),
            universe,
            brokers,
            sim,
            packed,
            agenda: BTreeMap::new(),
            added: 0,
            board: Board::new(nodes),
            coverage: Coverage::default(),
            sampled: Counters::default(),
        }
    }

    /// The host that a node runs on, by its first node.
    pub(super) fn host(&self, node: usize) -> String {
        host_of(node / self.packed * self.packed)
    }

    pub(super) fn later(&mut self, after_ns: u64, what: Later) {
        self.added += 1;
        self.agenda.insert((self.universe.time.now() + after_ns, self.added), what);
    }

    fn go(&mut self) {
        let plan = self.universe.plan.clone();
        let mut faults = plan.faults.iter().enumerate().peekable();
        for ms in 0..plan.duration_ms {
            let now = ms * 1_000_000;
            self.universe.time.set(now);
            while let Some((key, what)) =
                self.agenda.first_key_value().map(|(key, it)| (*key, it.clone()))
                && key.0 <= now
            {
                self.agenda.remove(&key);
                self.do_later(&what);
            }
            while let Some((index, fault)) = faults.next_if(|(_, fault)| fault.at_ms <= ms) {
                self.strike(index, &fault.kind);
            }
            match &self.brokers {
                Brokers::Hub(hub) => hub.release_zombies(now),
                Brokers::Bus(bus) => bus.release_zombies(now),
                Brokers::Redis(_) | Brokers::Own(_) => {}
            }
            self.milestones(ms, &plan);
            if let Err(error) = self.sim.step() {
                let what = format!("a process failed: {error}");
                self.universe.record(&Event::Failed { what: &what });
                return;
            }
            self.universe.time.set(now + 1_000_000);
            self.look(ms, &plan);
        }
    }

    fn milestones(&self, ms: u64, plan: &Plan) {
        if ms == plan.heal_ms {
            self.heal();
            self.universe.record(&Event::Healed);
        }
        let settled = plan.duration_ms.saturating_sub(LAST_MS);
        if ms == settled {
            self.universe.record(&Event::Settled);
        }
        for node in 0..self.universe.slots.len() {
            for cache in LAST_CACHES {
                if ms == settled {
                    self.universe.tell(node, Command::Fill(cache));
                } else if ms == settled + 700 {
                    self.universe.tell(node, Command::Reread(cache));
                }
            }
        }
    }

    fn state(&self, node: usize) -> &'static str {
        let process = self.universe.process(node);
        match process {
            None => "down",
            Some(_) if self.universe.slots[node].gate.is_closed() => "paused",
            Some(process) => state_name(process.node.status().state),
        }
    }

    fn look(&mut self, ms: u64, plan: &Plan) {
        let nodes = self.universe.slots.len();
        if ms.is_multiple_of(LOOK_MS) && self.packed == 1 {
            // A process that stands still serves nothing.
            let runs = |node: &usize| !self.universe.slots[*node].gate.is_closed();
            for node in (0..nodes).filter(runs) {
                if let Some(process) = self.universe.process(node) {
                    let found = process.caches.found();
                    self.universe.record(&Event::Scanned { node, found: &found });
                }
            }
        }
        if ms.is_multiple_of(SAMPLE_MS) {
            for node in 0..nodes {
                let state = self.state(node);
                let counters = self.universe.process(node).map(|process| process.node.counters());
                self.board.sample(node, self.universe.time.now(), state, counters);
                if ms >= plan.heal_ms && state != "live" {
                    self.universe.record(&Event::Condition { node, state });
                }
            }
        }
        if ms.is_multiple_of(10 * SAMPLE_MS) {
            let counters = self.universe.counters();
            self.coverage.credit(plan, ms, &self.sampled, &counters);
            self.sampled = counters;
        }
    }

    fn finish(self) -> Outcome {
        let Self { universe, board, coverage, sim, brokers, .. } = self;
        let plan = &universe.plan;
        let counters = universe.counters();
        let converges = plan.duration_ms >= plan.heal_ms + LAST_MS || plan.faults.is_empty();
        let allowed = plan.clears_allowed();
        for node in 0..universe.slots.len() {
            let Some(process) = universe.process(node) else { continue };
            if !plan.topology.tiny_tables {
                let clears = process.node.counters().clears;
                universe.record(&Event::Clears { node, clears, allowed });
            }
            if converges {
                let live = process.node.status().state == unstale::State::Live;
                let found = process.caches.found();
                universe.record(&Event::Final { node, found: &found, live });
            }
        }
        for node in 0..universe.slots.len() {
            universe.forget_process(node);
        }
        drop(sim);
        drop(brokers);
        let commits_ms = crate::app::lock(&universe.history).measures.commits_ms.clone();
        let board = Board { commits_ms, ..board };
        let history = Arc::clone(&universe.history);
        drop(universe);
        match Arc::into_inner(history)
            .map(|it| it.into_inner().unwrap_or_else(PoisonError::into_inner))
        {
            Some(history) => Outcome::new(history, board, coverage, counters),
            None => unreachable!("the processes are gone, and nobody else has it"),
        }
    }
}
