//! Single figures.

use super::Totals;

pub(super) fn all(totals: &Totals) -> Vec<(String, String)> {
    let counts = &totals.counts;
    let per = |what: u64, by: u64| if by == 0 { 0.0 } else { what as f64 / by as f64 };
    let (median_ms, largest_ms) = median_and_largest(&totals.recoveries_ms);
    let mut figures = vec![
        ("invalidations", counts.commits.to_string()),
        ("frames per invalidation", format!("{:.2}", per(counts.frames, counts.commits))),
        ("bytes per invalidation", format!("{:.0} B", per(counts.frame_bytes, counts.commits))),
        ("reads", counts.reads.to_string()),
        ("hit ratio", format!("{:.2} %", 100.0 * per(counts.hits, counts.reads))),
        ("loads", counts.loads.to_string()),
        ("largest reload storm", format!("{} loads within 100 ms", counts.reload_storm)),
        ("drops", counts.drops.to_string()),
        ("recovery after the faults, median", format!("{median_ms:.0} ms")),
        ("recovery after the faults, largest", format!("{largest_ms:.0} ms")),
    ];
    // Names of counters, as metrics have them.
    figures.extend(totals.states.iter().map(|(name, count)| (*name, count.to_string())));
    figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn median_and_largest(samples: &[f64]) -> (f64, f64) {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    (median, sorted.last().copied().unwrap_or(0.0))
}
