//! What a run measures.

mod latency;
mod phases;
mod staleness;

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

pub(crate) use phases::{Phase, Phases};

use self::latency::Latencies;
use self::staleness::Staleness;
use crate::history::{Event, Facts, Place};
use crate::oracle::Terms;

/// Distributions, each split into phases, and counts.
#[derive(Debug)]
pub(crate) struct Measures {
    phases: Phases,
    pub(crate) latencies: Latencies,
    pub(crate) staleness: Staleness,
    pub(crate) counts: Counts,
    /// When rows were committed, up to a few thousand of them.
    pub(crate) commits_ms: Vec<f64>,
    loads: Loads,
}

/// Plain counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) commits: u64,
    pub(crate) frames: u64,
    pub(crate) frame_bytes: u64,
    pub(crate) reads: u64,
    pub(crate) hits: u64,
    pub(crate) loads: u64,
    pub(crate) drops: u64,
    /// The most loads that began within 100 ms.
    pub(crate) reload_storm: u64,
    /// From the end of the faults until every node was live, in nanoseconds; the last that was seen not to be.
    pub(crate) recovery_ns: u64,
}

/// Commits that a report shows.
const MOST_COMMITS: usize = 5_000;

/// Loads per tenth of a second.
#[derive(Debug, Default)]
struct Loads {
    slot: u64,
    in_slot: u64,
}

impl Measures {
    pub(crate) fn new(phases: Phases) -> Self {
        Self {
            phases,
            latencies: Latencies::default(),
            staleness: Staleness::default(),
            counts: Counts::default(),
            commits_ms: Vec::new(),
            loads: Loads::default(),
        }
    }

    pub(crate) fn see(&mut self, event: &Event<'_>, place: Place, facts: &Facts, terms: &Terms) {
        let phase = self.phases.at(place.at);
        self.latencies.see(event, place, phase);
        self.staleness.see(event, facts, terms, &self.phases);
        let counts = &mut self.counts;
        match event {
            Event::Committed { .. } => {
                counts.commits += 1;
                if self.commits_ms.len() < MOST_COMMITS {
                    self.commits_ms.push(place.at as f64 / 1e6);
                }
            }
            Event::Accepted { bytes } => {
                counts.frames += 1;
                counts.frame_bytes += *bytes as u64;
            }
            Event::LoadBegan { .. } => {
                counts.loads += 1;
                let slot = place.at / 100_000_000;
                self.loads.in_slot =
                    if slot == self.loads.slot { self.loads.in_slot + 1 } else { 1 };
                self.loads.slot = slot;
                counts.reload_storm = counts.reload_storm.max(self.loads.in_slot);
            }
            Event::Dropped { .. } => counts.drops += 1,
            Event::Read { how, .. } => {
                counts.reads += 1;
                counts.hits += u64::from(*how == crate::history::How::Hit);
            }
            Event::Condition { state, .. } if *state != "live" => {
                counts.recovery_ns = place.at.saturating_sub(self.phases.heal_ns());
            }
            _ => {}
        }
    }
}

/// A histogram for each phase; values in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Split(BTreeMap<Phase, Histogram<u64>>);

impl Split {
    fn add(&mut self, phase: Phase, micros: u64) {
        let histogram = self.0.entry(phase).or_insert_with(empty);
        histogram.saturating_record(micros);
    }

    /// Adds the samples of another run.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (phase, samples) in &other.0 {
            let histogram = self.0.entry(*phase).or_insert_with(empty);
            // Both have the same range and precision.
            let _added = histogram.add(samples);
        }
    }

    pub(crate) fn phases(&self) -> impl Iterator<Item = (Phase, &Histogram<u64>)> {
        self.0.iter().map(|(phase, histogram)| (*phase, histogram))
    }

    /// All phases together.
    pub(crate) fn whole(&self) -> Histogram<u64> {
        let mut whole = empty();
        for histogram in self.0.values() {
            let _added = whole.add(histogram);
        }
        whole
    }
}

/// Up to an hour, to three digits.
fn empty() -> Histogram<u64> {
    let wanted = Histogram::new_with_bounds(1, 3_600_000_000, 3);
    wanted.unwrap_or_else(|_| unreachable!("the bounds are valid"))
}
