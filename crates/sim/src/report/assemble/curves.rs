//! Distributions, as a report writes them.

use hdrhistogram::Histogram;

use crate::measure::Split;
use crate::report::{Measure, PhaseCurve};

/// Where a curve has its points.
const PERCENTILES: [f64; 15] =
    [0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 97.5, 99.0, 99.5, 99.9, 99.95, 99.99, 100.0];

pub(super) fn all(each: &Split, last: &Split, stale: &Split, never: u64) -> Vec<Measure> {
    let measure = |name: &str, meaning: &str, split: &Split, never| Measure {
        name: name.to_owned(),
        meaning: meaning.to_owned(),
        unit: "ms".to_owned(),
        phases: split.phases().map(|(phase, samples)| curve(phase.as_str(), samples)).collect(),
        never,
    };
    vec![
        measure(
            "invalidation latency",
            "From the commit until a node that held a copy has applied the invalidation",
            each,
            never,
        ),
        measure(
            "time to the last node",
            "From the commit until the last node that held a copy has applied the invalidation",
            last,
            0,
        ),
        measure(
            "staleness of stale reads",
            "From the completion of the oldest invalidation that a read ignores until the read began",
            stale,
            0,
        ),
    ]
}

/// In milliseconds, of samples in microseconds.
fn curve(phase: &str, samples: &Histogram<u64>) -> PhaseCurve {
    let at = |percentile: f64| samples.value_at_percentile(percentile) as f64 / 1e3;
    PhaseCurve {
        phase: phase.to_owned(),
        count: samples.len(),
        p50: at(50.0),
        p99: at(99.0),
        p999: at(99.9),
        max: samples.max() as f64 / 1e3,
        points: PERCENTILES.iter().map(|percentile| (*percentile, at(*percentile))).collect(),
    }
}
