//! What a run says of itself: `report.json`, and the same as a page.

pub(crate) mod assemble;
pub mod html;
mod nines;
#[cfg(test)]
mod sample;

use serde::{Deserialize, Serialize};

/// Everything that a run measured and checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What was run, in a few words.
    pub title: String,
    /// How it ended.
    pub verdict: Verdict,
    /// The command that repeats the run.
    pub reproduce: String,
    /// The settings, as name and value.
    pub configuration: Vec<(String, String)>,
    /// One row for each guarantee.
    pub guarantees: Vec<Guarantee>,
    /// What happened when, and to whom. Of the first failing run, or else of the first run.
    pub timeline: Timeline,
    /// Distributions, each split into phases.
    pub measures: Vec<Measure>,
    /// How often, and by how much, a read was stale.
    pub stale_reads: StaleReads,
    /// Single figures: name, value with unit.
    pub figures: Vec<(String, String)>,
    /// Fault kinds against the protocol states that were reached under them.
    pub coverage: Coverage,
    /// How fast the simulation was.
    pub speed: Speed,
    /// The same plan in other modes, where that was asked for.
    pub comparison: Vec<Comparison>,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What the process's exit code says.
    pub outcome: Outcome,
    /// One sentence: "all guarantees held in 200 runs", or which broke, when, between whom.
    pub headline: String,
    /// Seeds that were run.
    pub runs: u64,
}

/// Held, or not, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every guarantee held.
    #[default]
    Held,
    /// A guarantee was broken.
    Broken,
    /// After the faults ended the nodes did not converge in time, or the run proved nothing.
    Liveness,
}

/// One guarantee: how often it was checked, and what broke it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Guarantee {
    /// `G1` … `G9`, or `NV` for non-vacuity.
    pub id: String,
    /// A few words.
    pub name: String,
    /// How many times something was compared.
    pub checked: u64,
    /// How many of these were wrong.
    pub broken: u64,
    /// The first that was wrong, in a sentence.
    pub first: Option<String>,
}

/// What happened when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// Which seed it shows.
    pub seed: u64,
    /// The length of the run.
    pub duration_ms: f64,
    /// When the faults ended.
    pub heal_ms: f64,
    /// One row for each node, in order.
    pub nodes: Vec<NodeRow>,
    /// Faults, as shaded times.
    pub shades: Vec<Shade>,
    /// Commits: when.
    pub commits_ms: Vec<f64>,
}

/// A node in the timeline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeRow {
    /// Its name.
    pub name: String,
    /// Its condition over time, without holes.
    pub spans: Vec<Span>,
    /// What happened to it at a moment.
    pub marks: Vec<Mark>,
}

/// A time during which a node's condition did not change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Its begin.
    pub from_ms: f64,
    /// Its end.
    pub to_ms: f64,
    /// `live`, `starting`, `suspect`, `disconnected`, `down` (no process), `paused`.
    pub state: String,
}

/// Something that happened at a moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// When.
    pub at_ms: f64,
    /// `clear`, `replay`, `gap`, `stale` (a read of a superseded value, within the bound), `violation`, `restart`.
    pub kind: String,
    /// In words.
    pub detail: String,
}

/// A time under a fault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shade {
    /// Its begin.
    pub from_ms: f64,
    /// Its end.
    pub to_ms: f64,
    /// The kind of fault, as plans name it.
    pub kind: String,
    /// Rows that it concerns; empty for all (the broker, say).
    pub nodes: Vec<usize>,
    /// In words.
    pub label: String,
}

/// A distribution.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// What was measured.
    pub name: String,
    /// What exactly that is, in a sentence.
    pub meaning: String,
    /// `ms`, or a count.
    pub unit: String,
    /// `healthy`, `faulty`, `healing`; those without a sample are left out.
    pub phases: Vec<PhaseCurve>,
    /// Pairs that never happened: an invalidation that a node never applied, since it dropped or lost the
    /// copy otherwise.
    pub never: u64,
}

/// A distribution in one phase of the runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseCurve {
    /// `healthy`, `faulty`, `healing`.
    pub phase: String,
    /// Samples.
    pub count: u64,
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The 99.9th percentile.
    pub p999: f64,
    /// The largest.
    pub max: f64,
    /// Percentile (0 to 100) and value, for a curve.
    pub points: Vec<(f64, f64)>,
}

/// How often, and by how much, a read was stale.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StaleReads {
    /// All reads.
    pub reads: u64,
    /// Reads of a value that a completed invalidation had superseded.
    pub stale: u64,
    /// 1 − stale / reads, as a number of nines.
    pub nines: f64,
    /// The same, at the lower end of the 95 % confidence interval (Wilson).
    pub nines_at_least: f64,
    /// The stalest.
    pub largest_ms: f64,
}

/// Fault kinds against protocol states.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// The rows.
    pub faults: Vec<String>,
    /// The columns.
    pub states: Vec<String>,
    /// How often a state was reached under a fault: a row for each fault.
    pub counts: Vec<Vec<u64>>,
}

impl Coverage {
    /// The cells that were never reached: fault and state.
    pub fn empty(&self) -> impl Iterator<Item = (&str, &str)> {
        let cells = self.faults.iter().enumerate().flat_map(move |(row, fault)| {
            let states = self.states.iter().enumerate();
            states.map(move |(column, state)| (row, column, fault.as_str(), state.as_str()))
        });
        cells
            .filter(|(row, column, ..)| self.count(*row, *column) == 0)
            .map(|(_, _, fault, state)| (fault, state))
    }

    /// Those that every night has to reach: not of faults that are only drawn by themselves, or over one transport only.
    pub fn missing(&self) -> impl Iterator<Item = (&str, &str)> {
        self.empty().filter(|(fault, _)| !crate::run::ALONE.contains(fault))
    }

    /// How many cells there are.
    pub fn cells(&self) -> usize {
        self.faults.len() * self.states.len()
    }

    /// How often this cell was reached; a row or column that is not there was not.
    fn count(&self, row: usize, column: usize) -> u64 {
        self.counts.get(row).and_then(|counts| counts.get(column)).copied().unwrap_or(0)
    }
}

/// How fast the simulation was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Simulated time, over all runs.
    pub simulated_s: f64,
    /// Time on the wall that it took.
    pub wall_s: f64,
    /// Their ratio.
    pub ratio: f64,
    /// Simulated seconds, times nodes, by second on the wall.
    pub node_seconds_per_s: f64,
}

/// One mode of a comparison on the same plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// `Within(500 ms)`, `Eventual`, `naive`.
    pub mode: String,
    /// All reads.
    pub reads: u64,
    /// Hits among them, as a fraction.
    pub hit_ratio: f64,
    /// Reads of superseded values.
    pub stale: u64,
    /// The largest staleness of a hit.
    pub largest_staleness_ms: f64,
    /// Median invalidation latency.
    pub latency_p50_ms: f64,
    /// Its 99.9th percentile.
    pub latency_p999_ms: f64,
    /// Invalidations that a node never applied although it held a copy.
    pub never: u64,
}
