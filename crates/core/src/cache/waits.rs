//! Which load waits for which: finds the one that would close a cycle.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::FixedState;

use crate::shim::lock;
use crate::shim::sync::Mutex;

/// Identifies one running load of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LoadId(u64);

/// An edge for every load that waits for another: its nested loads, and those it has joined. Loads that
/// nobody waits for, which is nearly all, never enter it.
#[derive(Debug)]
pub(crate) struct WaitGraph {
    edges: Mutex<HashMap<LoadId, Vec<LoadId>, FixedState>>,
    next: AtomicU64,
}

impl Default for WaitGraph {
    fn default() -> Self {
        Self {
            edges: Mutex::new(HashMap::with_hasher(FixedState::with_seed(0))),
            next: AtomicU64::new(0),
        }
    }
}

impl WaitGraph {
    pub(crate) fn next_load(&self) -> LoadId {
        LoadId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Notes that `waiter` waits for `load` until the result is dropped. `None`: `load` already waits for
    /// `waiter`, directly or not, and neither would ever go on.
    pub(crate) fn wait(&self, waiter: LoadId, load: LoadId) -> Option<Waiting<'_>> {
        let mut edges = lock(&self.edges);
        let mut open = vec![load];
        let mut met = vec![load];
        while let Some(next) = open.pop() {
            if next == waiter {
                return None;
            }
            for &further in edges.get(&next).into_iter().flatten() {
                if !met.contains(&further) {
                    met.push(further);
                    open.push(further);
                }
            }
        }
        edges.entry(waiter).or_default().push(load);
        Some(Waiting { graph: self, waiter, load })
    }
}

#[cfg(test)]
impl WaitGraph {
    pub(crate) fn assert_empty(&self) {
        assert_eq!(lock(&self.edges).len(), 0, "loads still wait");
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
        let mut edges = lock(&self.graph.edges);
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
        assert_eq!(lock(&graph.edges).len(), 1);
    }
}
