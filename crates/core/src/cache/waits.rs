//! Which load waits for which: finds the one that would close a cycle.
//!
//! Permits to load are part of it. A load with a permit may have to end before one that queues for its turn
//! can begin, so no chain of waiting loads may lead from a permit to the queue: a load that would close such
//! a chain does not wait, and a load for which somebody with a permit waits does not queue.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::FixedState;

use crate::shim::lock;
use crate::shim::sync::Mutex;

/// Identifies one running load of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LoadId(u64);

/// An edge for every load that waits for another: its nested loads, and those it has joined. Loads that
/// nobody waits for, which is nearly all, never enter it where loads are not limited.
#[derive(Debug)]
pub(crate) struct WaitGraph {
    state: Mutex<State>,
    next: AtomicU64,
}

#[derive(Debug)]
struct State {
    edges: HashMap<LoadId, Vec<LoadId>, FixedState>,
    /// Loads that have a permit.
    permitted: HashSet<LoadId, FixedState>,
    /// Loads that wait for a permit.
    queued: HashSet<LoadId, FixedState>,
}

impl Default for WaitGraph {
    fn default() -> Self {
        let hasher = FixedState::with_seed(0);
        Self {
            state: Mutex::new(State {
                edges: HashMap::with_hasher(hasher.clone()),
                permitted: HashSet::with_hasher(hasher.clone()),
                queued: HashSet::with_hasher(hasher),
            }),
            next: AtomicU64::new(0),
        }
    }
}

impl WaitGraph {
    pub(crate) fn next_load(&self) -> LoadId {
        LoadId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Notes that `waiter` waits for `load` until the result is dropped. `None`: they, or loads that queue
    /// for a permit, might never go on.
    pub(crate) fn wait(&self, waiter: LoadId, load: LoadId) -> Option<Waiting<'_>> {
        let mut state = lock(&self.state);
        let closes = state.reaches(load, |met| met == waiter)
            || (state.reaches(load, |met| state.queued.contains(&met)) && state.is_held(waiter));
        if closes {
            return None;
        }
        state.edges.entry(waiter).or_default().push(load);
        Some(Waiting { graph: self, waiter, load })
    }

    /// Notes that `load` waits for a permit until the result is dropped. `None`: it runs under somebody's
    /// permit, or somebody who has one waits for it.
    pub(crate) fn queue(&self, load: LoadId) -> Option<Queued<'_>> {
        let mut state = lock(&self.state);
        if state.is_held(load) {
            return None;
        }
        state.queued.insert(load);
        Some(Queued { graph: self, load })
    }

    /// Notes that a load has given its permit back.
    pub(crate) fn release(&self, load: LoadId) {
        lock(&self.state).permitted.remove(&load);
    }
}

impl State {
    /// Whether `from` is, or waits for, directly or not, a load that is looked for.
    fn reaches(&self, from: LoadId, wanted: impl Fn(LoadId) -> bool) -> bool {
        let mut open = vec![from];
        let mut met = vec![from];
        while let Some(next) = open.pop() {
            if wanted(next) {
                return true;
            }
            for &further in self.edges.get(&next).into_iter().flatten() {
                if !met.contains(&further) {
                    met.push(further);
                    open.push(further);
                }
            }
        }
        false
    }

    /// Whether a load has a permit, or one that has waits for it.
    fn is_held(&self, load: LoadId) -> bool {
        #[expect(clippy::iter_over_hash_type, reason = "the order does not matter")]
        for &permitted in &self.permitted {
            if self.reaches(permitted, |met| met == load) {
                return true;
            }
        }
        false
    }
}

/// A load waits for a permit as long as this exists.
#[derive(Debug)]
pub(crate) struct Queued<'a> {
    graph: &'a WaitGraph,
    load: LoadId,
}

impl Queued<'_> {
    /// It has one, until [`WaitGraph::release`].
    pub(crate) fn granted(self) {
        lock(&self.graph.state).permitted.insert(self.load);
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        lock(&self.graph.state).queued.remove(&self.load);
    }
}

#[cfg(test)]
impl WaitGraph {
    pub(crate) fn assert_empty(&self) {
        let state = lock(&self.state);
        let left = (state.edges.len(), state.permitted.len(), state.queued.len());
        assert_eq!(left, (0, 0, 0), "loads still wait");
    }
}

/// One load waits for another as long as this exists.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    graph: &'a WaitGraph,
    waiter: LoadId,
    load: LoadId,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let edges = &mut lock(&self.graph.state).edges;
        if let Some(loads) = edges.get_mut(&self.waiter) {
            if let Some(place) = loads.iter().position(|load| *load == self.load) {
                loads.swap_remove(place);
            }
            if loads.is_empty() {
                edges.remove(&self.waiter);
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(feature = "model"))]
#[allow(clippy::unwrap_used, reason = "these are tests")]
mod tests {
    use super::*;

    #[test]
    fn the_load_that_closes_a_cycle_is_told() {
        let graph = WaitGraph::default();
        let [a, b, c] = [(); 3].map(|()| graph.next_load());
        assert!(graph.wait(a, a).is_none());
        let first = graph.wait(a, b).unwrap();
        let _second = graph.wait(b, c).unwrap();
        assert!(graph.wait(c, a).is_none());
        drop(first);
        drop(graph.wait(c, a).unwrap());
        assert_eq!(lock(&graph.state).edges.len(), 1);
    }

    #[test]
    fn no_chain_leads_from_a_permit_to_the_queue() {
        let graph = WaitGraph::default();
        let [holder, outer, other, queued] = [(); 4].map(|()| graph.next_load());
        graph.queue(holder).unwrap().granted();
        let queue = graph.queue(queued).unwrap();
        let _outer = graph.wait(outer, queued).unwrap();
        assert!(graph.wait(holder, queued).is_none());
        assert!(graph.wait(holder, outer).is_none());
        let waits = graph.wait(holder, other).unwrap();
        assert!(graph.wait(other, outer).is_none());
        assert!(graph.queue(other).is_none(), "somebody with a permit waits for it");
        drop(queue);
        drop(graph.wait(other, outer).unwrap());
        drop(waits);
        graph.release(holder);
        let _queue = graph.queue(other).unwrap();
        graph.wait(holder, other).unwrap();
    }
}
