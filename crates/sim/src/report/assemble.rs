//! From what many runs handed back to one report.

mod curves;
mod figures;
mod timeline;

use std::collections::BTreeMap;

use crate::attempt::Attempt;
use crate::measure::{Counts, Split};
use crate::oracle::Violation;
use crate::plan::Plan;
use crate::report::nines::{nines, nines_seen, wilson_upper};
use crate::report::{Comparison, Guarantee, Outcome, Report, Speed, StaleReads, Verdict};
use crate::run::Coverage;

/// A run that went wrong.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// Which of the batches it belongs to.
    pub(crate) batch: usize,
    pub(crate) seed: u64,
    pub(crate) violation: Violation,
}

/// The run that the timeline shows.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) batch: usize,
    pub(crate) plan: Plan,
    /// The lines of its trace, if they were kept.
    pub(crate) lines: Option<String>,
    rows: Vec<crate::report::NodeRow>,
    commits_ms: Vec<f64>,
    failure: Option<Failure>,
}

/// Takes in runs, in the order of their seeds.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    runs: u64,
    failed: u64,
    shown: Option<Shown>,
    guarantees: Vec<Guarantee>,
    each: Split,
    last: Split,
    never: u64,
    stale: Split,
    stale_reads: StaleReads,
    totals: Totals,
    coverage: Coverage,
    /// Whether an empty cell is a failure.
    must_cover: bool,
    digests: Vec<u64>,
}

/// Sums over all runs.
#[derive(Debug, Default)]
struct Totals {
    counts: Counts,
    recoveries_ms: Vec<f64>,
    states: BTreeMap<&'static str, u64>,
    simulated_s: f64,
    node_seconds: f64,
}

impl Assembly {
    /// As if runs had reached this, and nothing else had come of them.
    #[cfg(test)]
    pub(crate) fn covering(coverage: Coverage) -> Self {
        Self { runs: 1, coverage, ..Self::default() }
    }

    /// Takes in a run.
    pub(crate) fn absorb(&mut self, batch: usize, plan: Plan, attempt: Attempt) {
        self.runs += 1;
        self.totals.simulated_s += plan.duration_ms as f64 / 1e3;
        self.totals.node_seconds += plan.duration_ms as f64 / 1e3 * plan.topology.nodes as f64;
        let Attempt { outcome, violation } = attempt;
        let failure = violation.map(|violation| Failure { batch, seed: plan.seed, violation });
        self.failed += u64::from(failure.is_some());
        let mut shown =
            Shown { batch, plan, lines: None, rows: Vec::new(), commits_ms: Vec::new(), failure };
        if let Some(mut outcome) = outcome {
            shown.rows = std::mem::take(&mut outcome.rows);
            shown.commits_ms = std::mem::take(&mut outcome.commits_ms);
            shown.lines = outcome.lines.take();
            self.merge(&outcome);
        }
        if self.shown.as_ref().is_none_or(|before| severity(&shown) > severity(before)) {
            self.shown = Some(shown);
        }
    }

    fn merge(&mut self, outcome: &crate::run::Outcome) {
        self.digests.push(outcome.digest);
        for row in &outcome.guarantees {
            match self.guarantees.iter_mut().find(|it| it.id == row.id) {
                Some(sum) => {
                    sum.checked += row.checked;
                    sum.broken += row.broken;
                    if sum.first.is_none() {
                        sum.first.clone_from(&row.first);
                    }
                }
                None => self.guarantees.push(row.clone()),
            }
        }
        let measures = &outcome.measures;
        self.each.merge(&measures.latencies.each);
        self.last.merge(&measures.latencies.last);
        self.never += measures.latencies.never;
        self.stale.merge(&measures.staleness.stale);
        self.stale_reads.reads += measures.staleness.reads;
        self.stale_reads.stale += measures.staleness.stale_reads;
        let largest_ms = measures.staleness.largest_ns as f64 / 1e6;
        self.stale_reads.largest_ms = self.stale_reads.largest_ms.max(largest_ms);
        self.coverage.merge(&outcome.coverage);
        self.totals.add(outcome);
    }

    /// The run that is shown: the first of the worst.
    pub(crate) fn shown(&self) -> Option<&Shown> {
        self.shown.as_ref()
    }

    /// The first failure of the worst kind.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.shown.as_ref().and_then(|shown| shown.failure.as_ref())
    }

    /// From now on every cell of the coverage table has to be reached: what was not met was not tested.
    pub(crate) fn demand_coverage(&mut self) {
        self.must_cover = true;
    }

    /// Cells that had to be reached and were not.
    fn missing_cells(&self) -> usize {
        if self.must_cover { self.coverage.table().missing().count() } else { 0 }
    }

    /// How it ended.
    pub(crate) fn outcome(&self) -> Outcome {
        match self.failure() {
            None if self.missing_cells() > 0 => Outcome::Liveness,
            None => Outcome::Held,
            Some(failure) if failure.violation.is_liveness() => Outcome::Liveness,
            Some(_) => Outcome::Broken,
        }
    }

    /// One number that says whether two assemblies saw the same.
    pub(crate) fn digest(&self) -> u64 {
        let bytes: Vec<u8> = self.digests.iter().flat_map(|digest| digest.to_le_bytes()).collect();
        twox_hash::XxHash3_64::oneshot(&bytes)
    }

    /// All of it, but for what only the caller knows: title, configuration, how to repeat it, time on the wall.
    pub(crate) fn report(&self, wall_s: f64) -> Report {
        let totals = &self.totals;
        let per_s = |what: f64| if wall_s > 0.0 { what / wall_s } else { 0.0 };
        let stale = &self.stale_reads;
        Report {
            verdict: Verdict {
                outcome: self.outcome(),
                headline: self.headline(),
                runs: self.runs,
            },
            guarantees: self.guarantees.clone(),
            timeline: self.shown.as_ref().map(timeline::of).unwrap_or_default(),
            measures: curves::all(&self.each, &self.last, &self.stale, self.never),
            stale_reads: StaleReads {
                nines: nines_seen(stale.stale, stale.reads),
                nines_at_least: nines(wilson_upper(stale.stale, stale.reads)),
                ..stale.clone()
            },
            figures: figures::all(totals),
            coverage: self.coverage.table(),
            speed: Speed {
                simulated_s: totals.simulated_s,
                wall_s,
                ratio: per_s(totals.simulated_s),
                node_seconds_per_s: per_s(totals.node_seconds),
            },
            ..Report::default()
        }
    }

    /// A row of a comparison of modes.
    pub(crate) fn comparison(&self, mode: &str) -> Comparison {
        let counts = &self.totals.counts;
        let latency = self.each.whole();
        let latency_ms = |percentile| latency.value_at_percentile(percentile) as f64 / 1e3;
        Comparison {
            mode: mode.to_owned(),
            reads: counts.reads,
            hit_ratio: if counts.reads == 0 {
                0.0
            } else {
                counts.hits as f64 / counts.reads as f64
            },
            stale: self.stale_reads.stale,
            largest_staleness_ms: self.stale_reads.largest_ms,
            latency_p50_ms: latency_ms(50.0),
            latency_p999_ms: latency_ms(99.9),
            never: self.never,
        }
    }

    fn headline(&self) -> String {
        let runs = if self.runs == 1 { "1 run".to_owned() } else { format!("{} runs", self.runs) };
        match (self.failure(), self.missing_cells()) {
            (None, 0) => format!("all guarantees held in {runs}"),
            (None, missing) => format!(
                "all guarantees held in {runs}, but of the {} cells of the coverage table {missing} stayed empty",
                self.coverage.table().cells()
            ),
            (Some(failure), _) => {
                format!("{} of {runs} failed; the first: {}", self.failed, failure.sentence())
            }
        }
    }
}

impl Failure {
    /// Which guarantee, when, between whom.
    pub(crate) fn sentence(&self) -> String {
        let Violation { guarantee, at_ns, nodes, .. } = &self.violation;
        let seed = self.seed;
        if guarantee == crate::attempt::PANIC {
            return format!("the run of seed {seed} panicked");
        }
        let whom: Vec<_> = nodes.iter().map(|node| format!("node {node}")).collect();
        let whom = if whom.is_empty() { "all nodes".to_owned() } else { whom.join(" and ") };
        let at_s = *at_ns as f64 / 1e9;
        format!("{guarantee} was broken at {at_s:.6} s of seed {seed}, by {whom}")
    }
}

/// A broken promise outweighs one that was not kept in time.
fn severity(shown: &Shown) -> u8 {
    match &shown.failure {
        None => 0,
        Some(failure) if failure.violation.is_liveness() => 1,
        Some(_) => 2,
    }
}

impl Totals {
    fn add(&mut self, outcome: &crate::run::Outcome) {
        let counts = &outcome.measures.counts;
        let sum = &mut self.counts;
        sum.commits += counts.commits;
        sum.frames += counts.frames;
        sum.frame_bytes += counts.frame_bytes;
        sum.reads += counts.reads;
        sum.hits += counts.hits;
        sum.loads += counts.loads;
        sum.drops += counts.drops;
        sum.reload_storm = sum.reload_storm.max(counts.reload_storm);
        self.recoveries_ms.push(counts.recovery_ns as f64 / 1e6);
        for (name, count) in outcome.counters.entries() {
            if crate::run::STATES.contains(&name) {
                *self.states.entry(name).or_default() += count;
            }
        }
    }
}

#[cfg(test)]
mod tests;
