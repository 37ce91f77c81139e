//! What the processes of a simulated world have in common, and what only the simulation may look at.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use unstale::{Counters, Node, NodeId};

use super::machine::Gate;
use crate::app::{Caches, SharedHistory, Source, lock};
use crate::clock::{MachineClock, TrueTime};
use crate::history::{Event, Place};
use crate::oracle::Terms;
use crate::plan::{Action, Plan};
use crate::rng::Seeds;
use crate::value::CacheName;

/// What a process is told to do from outside.
#[derive(Clone, Copy, Debug)]
pub(super) enum Command {
    Do(Action),
    /// Reads everything in a cache once, to fill it.
    Fill(CacheName),
    /// Reads it again: hits are expected.
    Reread(CacheName),
}

/// One node, over all lives of its process.
pub(super) struct Slot {
    pub(super) clock: Arc<MachineClock>,
    pub(super) gate: Arc<Gate>,
    /// Closed: the subscription is not read.
    pub(super) reading: Arc<Gate>,
    life: AtomicU64,
    /// Of which process the next life is a copy.
    copied: Mutex<Option<u64>>,
    process: Mutex<Option<Process>>,
}

/// A process that runs.
#[derive(Clone)]
pub(super) struct Process {
    pub(super) node: Node,
    pub(super) caches: Caches,
    pub(super) commands: mpsc::UnboundedSender<Command>,
}

pub(super) struct Universe {
    pub(super) plan: Plan,
    pub(super) terms: Terms,
    pub(super) time: TrueTime,
    pub(super) history: SharedHistory,
    source: Mutex<Source>,
    pub(super) slots: Vec<Slot>,
    /// Of processes that have ended.
    retired: Mutex<Counters>,
    /// Who published under which identity.
    origins: Mutex<BTreeMap<NodeId, usize>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Universe {
    pub(super) fn new(
        plan: &Plan,
        terms: Terms,
        time: TrueTime,
        clocks: Vec<Arc<MachineClock>>,
        history: SharedHistory,
    ) -> Self {
        let slot = |clock| Slot {
            clock,
            gate: Arc::default(),
            reading: Arc::default(),
            life: AtomicU64::new(0),
            copied: Mutex::new(None),
            process: Mutex::new(None),
        };
        Self {
            plan: plan.clone(),
            terms,
            time,
            history,
            source: Mutex::default(),
            slots: clocks.into_iter().map(slot).collect(),
            retired: Mutex::default(),
            origins: Mutex::default(),
        }
    }

    pub(super) fn record(&self, event: &Event<'_>) -> Place {
        lock(&self.history).record(event)
    }

    pub(super) fn source(&self) -> MutexGuard<'_, Source> {
        locked(&self.source)
    }

    pub(super) fn note_origin(&self, origin: NodeId, node: usize) {
        locked(&self.origins).insert(origin, node);
    }

    /// The node that published under this identity.
    pub(super) fn origin(&self, origin: NodeId) -> usize {
        locked(&self.origins).get(&origin).copied().unwrap_or(0)
    }

    /// A new life of a node's process: what it draws its random numbers from.
    pub(super) fn begin_life(&self, node: usize) -> Seeds {
        let slot = &self.slots[node];
        let life = slot.life.fetch_add(1, Ordering::Relaxed) + 1;
        let seeds = Seeds::of(self.plan.seed, node, life);
        match locked(&slot.copied).take() {
            Some(copied) => Seeds { copied, ..seeds },
            None => seeds,
        }
    }

    /// The next life of a node's process is a copy of what another one runs now.
    pub(super) fn copy_next(&self, node: usize, of: usize) {
        let life = self.slots[of].life.load(Ordering::Relaxed);
        *locked(&self.slots[node].copied) = Some(Seeds::name(of, life));
    }

    pub(super) fn set_process(&self, node: usize, process: Process) {
        *locked(&self.slots[node].process) = Some(process);
    }

    pub(super) fn process(&self, node: usize) -> Option<Process> {
        locked(&self.slots[node].process).clone()
    }

    /// The run is over.
    pub(super) fn forget_process(&self, node: usize) {
        *locked(&self.slots[node].process) = None;
    }

    /// The process is gone, and what it held with it.
    pub(super) fn end_process(&self, node: usize) {
        let Some(process) = locked(&self.slots[node].process).take() else { return };
        let mut retired = locked(&self.retired);
        *retired = retired.plus(process.node.counters());
        drop(retired);
        drop(process);
        self.record(&Event::Stopped { node, origin: None });
    }

    pub(super) fn tell(&self, node: usize, command: Command) {
        if let Some(process) = self.process(node) {
            // A process that has just ended hears nothing any more.
            let _gone = process.commands.send(command);
        }
    }

    /// A new version of a row, and who else holds an older one.
    pub(super) fn commit(&self, by: Option<usize>, key: u64) -> u64 {
        let version = self.source().commit(key);
        let others = (0..self.slots.len()).filter(|node| Some(*node) != by);
        let holders: Vec<_> = others
            .filter(|node| {
                self.process(*node).is_some_and(|it| it.caches.holds_older(key, version))
            })
            .collect();
        self.record(&Event::Committed { by, key, version, holders: &holders });
        version
    }

    /// What all nodes have counted, those that are gone included.
    pub(super) fn counters(&self) -> Counters {
        let running = (0..self.slots.len()).filter_map(|node| self.process(node));
        running.fold(*locked(&self.retired), |sum, process| sum.plus(process.node.counters()))
    }
}
