//! What a run hands back, whatever the tier.

use std::collections::BTreeMap;

use unstale::Counters;

use crate::history::History;
use crate::measure::Measures;
use crate::oracle::Violation;
use crate::plan::{FaultKind, Plan};
use crate::report::{Guarantee, NodeRow, Span};

/// How a plan is run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Whether the lines of the trace are kept, beside their digest.
    pub(crate) lines: bool,
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Equal for equal plans.
    pub(crate) digest: u64,
    pub(crate) lines: Option<String>,
    pub(crate) guarantees: Vec<Guarantee>,
    pub(crate) violation: Option<Violation>,
    pub(crate) measures: Measures,
    pub(crate) rows: Vec<NodeRow>,
    pub(crate) commits_ms: Vec<f64>,
    pub(crate) coverage: Coverage,
    /// What all nodes have counted.
    pub(crate) counters: Counters,
}

impl Outcome {
    pub(crate) fn new(
        mut history: History,
        board: Board,
        coverage: Coverage,
        counters: Counters,
    ) -> Self {
        let guarantees = history.findings().map(|(id, name, findings)| Guarantee {
            id: id.to_owned(),
            name: name.to_owned(),
            checked: findings.checked,
            broken: findings.broken,
            first: findings.first.as_ref().map(|violation| violation.what.clone()),
        });
        Self {
            guarantees: guarantees.collect(),
            violation: history.first_violation().cloned(),
            digest: history.trace.digest(),
            lines: history.trace.take_lines(),
            measures: history.measures,
            rows: board.rows,
            commits_ms: board.commits_ms,
            coverage,
            counters,
        }
    }
}

/// The conditions of all nodes over time.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) rows: Vec<NodeRow>,
    pub(crate) commits_ms: Vec<f64>,
    pub(crate) known: Vec<Option<Counters>>,
}

impl Board {
    pub(crate) fn new(nodes: usize) -> Self {
        let row = |node| NodeRow { name: format!("node {node}"), ..NodeRow::default() };
        Self {
            rows: (0..nodes).map(row).collect(),
            commits_ms: Vec::new(),
            known: vec![None; nodes],
        }
    }

    /// A node's condition at this time, and what it has counted.
    pub(crate) fn sample(&mut self, node: usize, at: u64, state: &str, counters: Option<Counters>) {
        let at_ms = at as f64 / 1e6;
        let row = &mut self.rows[node];
        match row.spans.last_mut() {
            Some(last) if last.state == state => last.to_ms = at_ms,
            last => {
                let from_ms = last.map_or(0.0, |last| {
                    last.to_ms = at_ms;
                    at_ms
                });
                row.spans.push(Span { from_ms, to_ms: at_ms, state: state.to_owned() });
            }
        }
        let before = std::mem::replace(&mut self.known[node], counters);
        match (before, counters) {
            (Some(before), Some(now)) if now.subscriptions >= before.subscriptions => {
                self.note(node, at_ms, "clear", now.clears > before.clears);
                self.note(node, at_ms, "replay", now.replayed > before.replayed);
                self.note(node, at_ms, "gap", now.gaps > before.gaps);
            }
            (None, Some(_)) => self.note(node, at_ms, "restart", at_ms > 1_000.0),
            _ => {}
        }
    }

    pub(crate) fn note(&mut self, node: usize, at_ms: f64, kind: &str, happened: bool) {
        if happened {
            let mark = crate::report::Mark { at_ms, kind: kind.to_owned(), detail: String::new() };
            self.rows[node].marks.push(mark);
        }
    }
}

/// Fault kinds against protocol states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coverage {
    pub(crate) counts: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
}

/// The states that a coverage table has a column for, as the counters name them.
pub(crate) const STATES: [&str; 14] = [
    "publish_failures",
    "subscription_failures",
    "gaps",
    "requests",
    "replayed",
    "gaps_dropped",
    "answers",
    "syncs_witnessed",
    "syncs_adopted",
    "syncs_alone",
    "duplicates",
    "unreadable_clears",
    "outbox_collapses",
    "clears",
];

/// Kinds of fault that storms do not draw, or not over every transport. One with other lanes has a focus of its own, in
/// which nothing else goes wrong, and an oracle of its own; those of kept subscriptions are drawn over Azure only.
pub(crate) const ALONE: [&str; 3] = ["other-lanes", "subscription-expiry", "shared-subscription"];

/// What a fault does shows up to this long after it.
const AFTER_MS: u64 = 2_000;

impl Coverage {
    /// Adds what was counted since the last look to the faults that are on.
    pub(crate) fn credit(&mut self, plan: &Plan, now_ms: u64, before: &Counters, now: &Counters) {
        let on = |at: u64, end: u64| at <= now_ms && now_ms <= end + AFTER_MS;
        let grown: Vec<_> = now
            .entries()
            .zip(before.entries())
            .filter(|((name, now), (_, before))| now > before && STATES.contains(name))
            .map(|((name, now), (_, before))| (name, now - before))
            .collect();
        if grown.is_empty() {
            return;
        }
        let mut credited = Vec::new();
        for fault in plan.faults.iter().filter(|it| on(it.at_ms, it.ends_ms())) {
            let name = fault.kind.name();
            if !credited.contains(&name) {
                credited.push(name);
                let row = self.counts.entry(name).or_default();
                grown.iter().for_each(|(state, by)| *row.entry(state).or_default() += by);
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (fault, row) in &other.counts {
            let mine = self.counts.entry(fault).or_default();
            row.iter().for_each(|(state, by)| *mine.entry(state).or_default() += by);
        }
    }

    pub(crate) fn table(&self) -> crate::report::Coverage {
        let count = |fault: &str, state: &str| {
            self.counts.get(fault).and_then(|row| row.get(state)).copied().unwrap_or(0)
        };
        crate::report::Coverage {
            faults: FaultKind::NAMES.iter().map(|name| (*name).to_owned()).collect(),
            states: STATES.iter().map(|name| (*name).to_owned()).collect(),
            counts: FaultKind::NAMES
                .iter()
                .map(|fault| STATES.iter().map(|state| count(fault, state)).collect())
                .collect(),
        }
    }
}
