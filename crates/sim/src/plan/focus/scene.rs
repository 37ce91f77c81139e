//! One sequence as it is written down.

use crate::plan::faults::{Fault, FaultKind};
use crate::plan::{Action, Means, Op, Topology};

/// What happens, by milliseconds since it begins. Nodes are the scene's own: the seed draws who they are.
pub(super) struct Scene<'a> {
    pub(super) rng: &'a mut fastrand::Rng,
    /// Which of the scenes of its plan it is.
    pub(super) number: u64,
    begin_ms: u64,
    nodes: Vec<usize>,
    keys: u64,
    faults: Vec<Fault>,
    ops: Vec<Op>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        rng: &'a mut fastrand::Rng,
        topology: &Topology,
        number: u64,
        begin_ms: u64,
    ) -> Self {
        let mut nodes: Vec<_> = (0..topology.nodes).collect();
        rng.shuffle(&mut nodes);
        let keys = topology.keys;
        Self { rng, number, begin_ms, nodes, keys, faults: Vec::new(), ops: Vec::new() }
    }

    pub(super) fn end(self) -> (Vec<Fault>, Vec<Op>) {
        (self.faults, self.ops)
    }

    /// The scene's first, second … node.
    pub(super) fn node(&self, place: usize) -> usize {
        self.nodes[place % self.nodes.len()]
    }

    /// All of them but these.
    pub(super) fn others(&self, without: &[usize]) -> Vec<usize> {
        let mut others: Vec<_> =
            self.nodes.iter().copied().filter(|node| !without.contains(node)).collect();
        others.sort_unstable();
        others
    }

    /// The first `count` rows of the scene; those of the next scene are others.
    pub(super) fn rows(&self, count: u64) -> Vec<u64> {
        (0..count).map(|place| (self.number * 4 + place) % self.keys).collect()
    }

    pub(super) fn fault(&mut self, after_ms: u64, kind: FaultKind) {
        self.faults.push(Fault { at_ms: self.begin_ms + after_ms, kind });
    }

    pub(super) fn cut(&mut self, after_ms: u64, nodes: &[usize]) {
        let mut nodes = nodes.to_vec();
        nodes.sort_unstable();
        self.fault(after_ms, FaultKind::Cut { nodes });
    }

    /// Nothing reaches the node or comes from it for so long; then all of it does.
    pub(super) fn hold(&mut self, after_ms: u64, node: usize, for_ms: u64) {
        self.fault(after_ms, FaultKind::Hold { node, for_ms });
    }

    pub(super) fn pause(&mut self, after_ms: u64, nodes: &[usize], for_ms: u64) {
        for node in nodes {
            self.fault(after_ms, FaultKind::Pause { node: *node, for_ms });
        }
    }

    pub(super) fn lose_to(&mut self, after_ms: u64, nodes: &[usize], frames: u32) {
        for node in nodes {
            self.fault(after_ms, FaultKind::LoseTo { node: *node, frames });
        }
    }

    pub(super) fn crash(&mut self, after_ms: u64, node: usize, for_ms: u64) {
        self.fault(after_ms, FaultKind::Crash { node, for_ms });
    }

    /// A foreign publisher changes this row and says so, without a number.
    pub(super) fn anonymous(&mut self, after_ms: u64, key: u64) {
        self.fault(after_ms, FaultKind::Anonymous { key });
    }

    pub(super) fn write(&mut self, after_ms: u64, node: usize, key: u64) {
        self.write_by(after_ms, node, key, Means::Key);
    }

    pub(super) fn write_by(&mut self, after_ms: u64, node: usize, key: u64, by: Means) {
        self.act(after_ms, node, Action::Write { key, by });
    }

    /// Reads the row through both caches.
    pub(super) fn read(&mut self, after_ms: u64, node: usize, key: u64) {
        self.act(after_ms, node, Action::Read { key });
        self.act(after_ms, node, Action::ReadLasting { key });
    }

    pub(super) fn read_page(&mut self, after_ms: u64, node: usize, key: u64) {
        self.act(after_ms, node, Action::ReadPage { key });
    }

    fn act(&mut self, after_ms: u64, node: usize, what: Action) {
        self.ops.push(Op { at_ms: self.begin_ms + after_ms, node, what });
    }
}
