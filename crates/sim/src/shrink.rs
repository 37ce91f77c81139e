//! Makes a failing plan smaller, as long as the same guarantee is the first to break.
//!
//! Parts are left out in halves, quarters, and so on, as in A. Zeller and R. Hildebrandt, "Simplifying and isolating
//! failure-inducing input" (2002): first faults and operations, then nodes; then times become shorter. It goes round
//! until nothing more can go. Nothing is drawn at random: the same plan shrinks to the same plan.

use crate::oracle::Violation;
use crate::plan::{Fault, Op, Plan};

/// A smaller plan, and what breaks under it.
#[derive(Clone, Debug)]
pub(crate) struct Shrunk {
    pub(crate) plan: Plan,
    pub(crate) violation: Violation,
    /// How many plans were run for it.
    pub(crate) runs: usize,
}

/// Shrinks a plan that breaks something, with `most_runs` runs at most. `run` says what a plan breaks first, `told`
/// hears of every plan that is smaller than the one before, and how many were run for it.
pub(crate) fn shrink(
    plan: Plan,
    violation: Violation,
    most_runs: usize,
    run: &mut dyn FnMut(&Plan) -> Option<Violation>,
    told: &mut dyn FnMut(&Plan, usize),
) -> Shrunk {
    let mut it = Shrinker { best: Shrunk { plan, violation, runs: 0 }, most_runs, run, told };
    loop {
        let before = it.best.plan.clone();
        it.leave_out_what_came_later();
        it.leave_out_entries();
        it.leave_out_nodes();
        it.simplify_topology();
        it.shorten_faults();
        it.shorten_run();
        let stuck = it.best.plan == before && !it.leave_out_pairs();
        if stuck || it.spent() {
            return it.best;
        }
    }
}

/// With more entries than this there are too many pairs.
const MOST_PAIRED: usize = 40;

/// One thing in a plan.
#[derive(Clone)]
enum Entry {
    Fault(Fault),
    Op(Op),
}

struct Shrinker<'a> {
    best: Shrunk,
    most_runs: usize,
    run: &'a mut dyn FnMut(&Plan) -> Option<Violation>,
    told: &'a mut dyn FnMut(&Plan, usize),
}

impl Shrinker<'_> {
    fn spent(&self) -> bool {
        self.best.runs >= self.most_runs
    }

    /// Takes this plan if it breaks the same.
    fn accept(&mut self, plan: Plan) -> bool {
        if self.spent() || plan == self.best.plan {
            return false;
        }
        self.best.runs += 1;
        let Some(violation) = (self.run)(&plan) else { return false };
        if violation.guarantee != self.best.violation.guarantee {
            return false;
        }
        self.best.plan = plan;
        self.best.violation = violation;
        (self.told)(&self.best.plan, self.best.runs);
        true
    }

    /// What begins after the violation has no part in it.
    fn leave_out_what_came_later(&mut self) {
        let at_ms = self.best.violation.at_ns / 1_000_000;
        if at_ms == 0 {
            return;
        }
        let mut plan = self.best.plan.clone();
        plan.faults.retain(|fault| fault.at_ms <= at_ms);
        plan.workload.retain(|op| op.at_ms <= at_ms);
        self.accept(plan);
    }

    fn leave_out_entries(&mut self) {
        let mut size = self.best.plan.entries().div_ceil(2);
        while size > 0 && !self.spent() {
            let mut from = 0;
            while from < self.best.plan.entries() && !self.spent() {
                let mut entries = entries(&self.best.plan);
                entries.drain(from..(from + size).min(entries.len()));
                if !self.accept(with_entries(&self.best.plan, entries)) {
                    from += size;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }

    /// Two that need each other and nothing else does: where one of a pair changes when everything after it happens,
    /// the other may change it back. Whether any went.
    fn leave_out_pairs(&mut self) -> bool {
        let count = self.best.plan.entries();
        if count > MOST_PAIRED {
            return false;
        }
        let pairs =
            (0..count).flat_map(|first| (first + 1..count).map(move |second| (first, second)));
        for (first, second) in pairs {
            let mut entries = entries(&self.best.plan);
            entries.remove(second);
            entries.remove(first);
            if self.accept(with_entries(&self.best.plan, entries)) {
                return true;
            }
        }
        false
    }

    fn leave_out_nodes(&mut self) {
        for node in (0..self.best.plan.topology.nodes).rev() {
            if self.best.plan.topology.nodes > 1 {
                self.accept(self.best.plan.without_node(node));
            }
        }
    }

    fn simplify_topology(&mut self) {
        let simplifications: [fn(&mut Plan); 5] = [
            |plan| plan.topology.nested = false,
            |plan| plan.topology.tiny_tables = false,
            |plan| plan.topology.authenticated = false,
            |plan| plan.topology.drift_ppm.clear(),
            |plan| plan.topology.latency_max_us = plan.topology.latency_min_us,
        ];
        for simplify in simplifications {
            let mut plan = self.best.plan.clone();
            simplify(&mut plan);
            self.accept(plan);
        }
    }

    /// Halves how long each fault lasts, and how often it happens, as long as that changes nothing.
    fn shorten_faults(&mut self) {
        for index in 0..self.best.plan.faults.len() {
            while self.halve(index, |fault| {
                let for_ms = fault.kind.lasts_mut()?;
                let half = *for_ms / 2;
                (std::mem::replace(for_ms, half) > 1).then_some(())
            }) {}
            while self.halve(index, |fault| {
                let count = fault.kind.count_mut()?;
                let half = count.div_ceil(2);
                (std::mem::replace(count, half) > 1).then_some(())
            }) {}
        }
    }

    /// `change` says nothing where there is nothing to halve.
    fn halve(&mut self, index: usize, change: impl Fn(&mut Fault) -> Option<()>) -> bool {
        let mut plan = self.best.plan.clone();
        plan.faults.get_mut(index).and_then(change).is_some() && self.accept(plan)
    }

    fn shorten_run(&mut self) {
        let plan = &self.best.plan;
        let first_ms =
            plan.faults.iter().map(|it| it.at_ms).chain(plan.workload.iter().map(|it| it.at_ms));
        let mut by_ms = first_ms.min().unwrap_or(0);
        while by_ms > 20 && !self.accept(self.best.plan.earlier(by_ms)) {
            by_ms /= 2;
        }
        // The time to converge stays what it was: with less of it anything fails.
        let mut plan = self.best.plan.clone();
        let quiet_ms = plan.duration_ms.saturating_sub(plan.heal_ms);
        plan.heal_ms = plan.heal_ms.min(plan.last_ms() + 1);
        plan.duration_ms = plan.heal_ms + quiet_ms;
        self.accept(plan);
        if !self.best.violation.is_liveness() {
            let mut plan = self.best.plan.clone();
            let at_ms = self.best.violation.at_ns.div_ceil(1_000_000);
            plan.duration_ms = plan.duration_ms.min(at_ms.max(1));
            plan.heal_ms = plan.heal_ms.min(plan.duration_ms);
            self.accept(plan);
        }
    }
}

fn entries(plan: &Plan) -> Vec<Entry> {
    let faults = plan.faults.iter().cloned().map(Entry::Fault);
    faults.chain(plan.workload.iter().cloned().map(Entry::Op)).collect()
}

fn with_entries(plan: &Plan, entries: Vec<Entry>) -> Plan {
    let mut plan = Plan { faults: Vec::new(), workload: Vec::new(), ..plan.clone() };
    for entry in entries {
        match entry {
            Entry::Fault(fault) => plan.faults.push(fault),
            Entry::Op(op) => plan.workload.push(op),
        }
    }
    plan
}

#[cfg(test)]
mod tests;
