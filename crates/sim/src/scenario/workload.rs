//! What the application does, as a user says it.

use crate::plan::{Action, LAST_MS, Means, Op, Plan};
use crate::rng::{skewed, stream};

/// What the application does in a scenario, by rates. Some rows are read and written more often than others, and one
/// in four writes invalidates by tag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Workload {
    /// Reads per second of each node; 20 by default. At most 1,000.
    pub reads_per_s: f64,
    /// Writes per second, over all nodes; 4 by default. At most 1,000. They end with the faults.
    pub writes_per_s: f64,
    /// Rows of the data source; 8 by default.
    pub keys: u64,
}

impl Default for Workload {
    fn default() -> Self {
        Self { reads_per_s: 20.0, writes_per_s: 4.0, keys: 8 }
    }
}

/// A workload in either form.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Rates(Workload),
    Listed(Vec<Op>),
}

/// Before this nodes are still starting.
const FIRST_WRITE_MS: u64 = 300;

impl Work {
    /// Puts it in the place of the workload that was drawn.
    pub(super) fn put(&self, plan: &mut Plan) {
        plan.rates = None;
        match self {
            Self::Rates(workload) => {
                plan.topology.keys = workload.keys.max(1);
                plan.workload = workload.listed(plan);
            }
            Self::Listed(ops) => {
                let last = ops.iter().map(|op| key_of(op.what)).max().unwrap_or(0);
                plan.topology.keys = last + 1;
                plan.workload.clone_from(ops);
                plan.workload.sort_by_key(|op| op.at_ms);
            }
        }
    }
}

fn key_of(action: Action) -> u64 {
    match action {
        Action::Read { key }
        | Action::ReadLasting { key }
        | Action::ReadPage { key }
        | Action::Write { key, .. } => key,
    }
}

impl Workload {
    fn listed(&self, plan: &Plan) -> Vec<Op> {
        let mut rng = stream(plan.seed, "scenario workload");
        let topology = &plan.topology;
        let mut ops = Vec::new();
        for node in 0..topology.nodes {
            for at_ms in 20..plan.duration_ms.saturating_sub(LAST_MS) {
                if rng.f64() < self.reads_per_s / 1e3 {
                    let key = skewed(&mut rng, topology.keys);
                    let what = match rng.u32(0..10) {
                        0..=5 => Action::Read { key },
                        6..=7 if topology.nested => Action::ReadPage { key },
                        _ => Action::ReadLasting { key },
                    };
                    ops.push(Op { at_ms, node, what });
                }
            }
        }
        for at_ms in FIRST_WRITE_MS..plan.heal_ms {
            if rng.f64() < self.writes_per_s / 1e3 {
                let key = skewed(&mut rng, topology.keys);
                let by = if rng.u32(0..4) == 0 { Means::Tag } else { Means::Key };
                let node = rng.usize(..topology.nodes);
                ops.push(Op { at_ms, node, what: Action::Write { key, by } });
            }
        }
        ops.sort_by_key(|op| op.at_ms);
        ops
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Request;

    #[test]
    fn rates_are_kept() {
        let mut plan = Plan::draw(&Request { nodes: Some(4), ..Request::default() }, 1);
        let workload = Workload { reads_per_s: 10.0, writes_per_s: 5.0, keys: 3 };
        Work::Rates(workload).put(&mut plan);
        let (writes, reads): (Vec<_>, Vec<_>) =
            plan.workload.iter().partition(|op| matches!(op.what, Action::Write { .. }));
        let wanted = 10.0 * 4.0 * (plan.duration_ms - LAST_MS) as f64 / 1e3;
        assert!((reads.len() as f64 / wanted - 1.0).abs() < 0.2, "{} of {wanted}", reads.len());
        let wanted = 5.0 * plan.heal_ms as f64 / 1e3;
        assert!((writes.len() as f64 / wanted - 1.0).abs() < 0.4, "{} of {wanted}", writes.len());
        assert!(plan.workload.iter().all(|op| key_of(op.what) < 3));
        assert!(plan.workload.is_sorted_by_key(|op| op.at_ms));
    }

    #[test]
    fn a_list_is_taken_as_it_is() {
        let mut plan = Plan::draw(&Request::default(), 1);
        let op = |at_ms, key| Op { at_ms, node: 0, what: Action::Read { key } };
        Work::Listed(vec![op(900, 6), op(400, 2)]).put(&mut plan);
        assert_eq!(plan.workload, [op(400, 2), op(900, 6)]);
        assert_eq!(plan.topology.keys, 7);
    }
}
