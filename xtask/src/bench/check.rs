//! Compares figures with those that are committed. Times depend on the machine, and are not compared.

use super::groups::{Kind, RATIO, groups, is_tail, kind};
use super::results::Figure;
use super::target::Limit;
use super::targets::TARGETS;

/// How many times as bad as the committed one a ratio may be. A machine that others share, with a processor that is
/// another one each time, moves ratios by a quarter of their value; what was forgotten on the hit path, a lock or an
/// allocation, doubles them.
pub(crate) const TOLERANCE: f64 = 1.5;

/// What takes less than this part of its floor's time is a part of something else that is compared, and so short that it
/// is mostly noise.
const SMALL: f64 = 0.5;

/// The same for what is counted, on every machine. Hash tables are seeded anew in each run, and some fill up a little
/// earlier than others: a hundredth is theirs.
const COUNTED_TOLERANCE: f64 = 1.01;

/// Units of what is counted.
const COUNTED: [&str; 3] = ["allocations", "frames", "bytes"];

/// What a comparison found.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) compared: usize,
    pub(crate) regressions: Vec<Regression>,
}

/// A figure that has become worse.
#[derive(Debug, PartialEq)]
pub(crate) struct Regression {
    what: String,
    committed: f64,
    measured: f64,
    tolerance: f64,
}

impl std::fmt::Display for Regression {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, committed, measured, tolerance } = self;
        write!(out, "{what}: {measured:.2}, committed {committed:.2}, tolerance {tolerance}×")
    }
}

impl Comparison {
    /// What is worse in both of two comparisons: it was not the weather.
    pub(crate) fn also_in(&mut self, again: &Self) {
        self.regressions.retain(|it| again.regressions.iter().any(|other| other.what == it.what));
    }
}

/// A figure that is compared.
struct Compared {
    what: String,
    value: f64,
    tolerance: f64,
    is_timed: bool,
    is_more_better: bool,
}

/// Compares those figures that are in both.
pub(crate) fn compare(committed: &[Figure], measured: &[Figure]) -> Comparison {
    let before = compared(committed);
    let mut comparison = Comparison::default();
    for now in compared(measured) {
        let Some(before) = before.iter().find(|it| it.what == now.what) else { continue };
        comparison.compared += 1;
        let (worse, better) =
            if now.is_more_better { (before.value, now.value) } else { (now.value, before.value) };
        let is_small = now.is_timed && !now.is_more_better && now.value < SMALL;
        if worse > better * now.tolerance && !is_small {
            comparison.regressions.push(Regression {
                what: now.what,
                committed: before.value,
                measured: now.value,
                tolerance: now.tolerance,
            });
        }
    }
    comparison
}

/// What of these figures can be compared with another run's.
fn compared(figures: &[Figure]) -> Vec<Compared> {
    let mut compared = Vec::new();
    for group in groups(figures) {
        for row in &group.rows {
            if kind(&row.subject) != Kind::Ours || is_tail(&row.subject) {
                continue;
            }
            let is_ratio = row.unit == RATIO;
            let is_timed = !COUNTED.contains(&row.unit.as_str());
            let (value, tolerance) = match row.ratio {
                _ if !is_timed => (row.value, COUNTED_TOLERANCE),
                _ if is_ratio => (row.value, TOLERANCE),
                Some(ratio) => (ratio, TOLERANCE),
                None => continue,
            };
            compared.push(Compared {
                what: format!("{}: {}, {}", group.bench, group.name, row.subject),
                value,
                tolerance,
                is_timed,
                is_more_better: is_more_better(&group.bench, &group.name, &row.subject, &row.unit),
            });
        }
    }
    compared
}

/// Rates are, and ratios that a target wants to be at least something.
fn is_more_better(bench: &str, group: &str, subject: &str, unit: &str) -> bool {
    let figure = Figure {
        bench: bench.to_owned(),
        group: group.to_owned(),
        subject: subject.to_owned(),
        unit: unit.to_owned(),
        value: 0.0,
    };
    let wanted = TARGETS.iter().find(|target| target.is_about(&figure)).map(|target| target.limit);
    wanted.map_or(unit.ends_with("/s"), |limit| matches!(limit, Limit::AtLeast(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::figure;

    fn figures(plain_ns: f64, ours_per_s: f64, allocations: f64) -> Vec<Figure> {
        vec![
            figure("hit", "hit", "quick_cache", "ns", 10.0),
            figure("hit", "hit", "plain", "ns", plain_ns),
            figure("hit", "hit", "moka", "ns", 10.0 * plain_ns),
            figure("redis", "redis", "raw", "keys/s", 1_000.0),
            figure("redis", "redis", "ours", "keys/s", ours_per_s),
            figure("footprint", "fill", "plain", "allocations", allocations),
            figure("footprint", "fill", "took", "ns", plain_ns),
        ]
    }

    #[test]
    fn ratios_may_be_a_little_worse_and_counts_may_not() {
        let committed = figures(12.0, 900.0, 2.0);
        let regressions = |measured: &[Figure]| -> Vec<String> {
            compare(&committed, measured).regressions.iter().map(ToString::to_string).collect()
        };
        assert_eq!(compare(&committed, &committed).compared, 3);
        assert_eq!(regressions(&figures(17.9, 601.0, 2.0)), [""; 0]);
        // Better is never a regression.
        assert_eq!(regressions(&figures(1.0, 9_000.0, 1.0)), [""; 0]);
        let slower = "hit: hit, plain: 1.81, committed 1.20, tolerance 1.5×";
        assert_eq!(regressions(&figures(18.1, 900.0, 2.0)), [slower]);
        let fewer = "redis: redis, ours: 0.59, committed 0.90, tolerance 1.5×";
        assert_eq!(regressions(&figures(12.0, 590.0, 2.0)), [fewer]);
        let more = "footprint: fill, plain: 3.00, committed 2.00, tolerance 1.01×";
        assert_eq!(regressions(&figures(12.0, 900.0, 3.0)), [more]);
    }

    #[test]
    fn a_small_part_of_the_floor_may_vary() {
        let committed = figures(2.0, 900.0, 2.0);
        assert_eq!(compare(&committed, &figures(4.9, 900.0, 2.0)).regressions, []);
        assert_eq!(compare(&committed, &figures(5.1, 900.0, 2.0)).regressions.len(), 1);
        // What is counted never is small.
        let counted = compare(&figures(2.0, 900.0, 0.1), &figures(2.0, 900.0, 0.2));
        assert_eq!(counted.regressions.len(), 1);
    }

    #[test]
    fn a_slower_machine_is_no_regression() {
        let mut measured = figures(12.0, 900.0, 2.0);
        measured.iter_mut().filter(|it| it.unit == "ns").for_each(|it| it.value *= 10.0);
        assert_eq!(compare(&figures(12.0, 900.0, 2.0), &measured).regressions, []);
    }

    #[test]
    fn what_is_worse_once_is_the_weather() {
        let committed = figures(12.0, 900.0, 2.0);
        let mut comparison = compare(&committed, &figures(99.0, 9.0, 2.0));
        comparison.also_in(&compare(&committed, &figures(99.0, 900.0, 3.0)));
        let left: Vec<_> = comparison.regressions.iter().map(|it| it.what.as_str()).collect();
        assert_eq!(left, ["hit: hit, plain"]);
    }

    #[test]
    fn only_what_is_in_both_is_compared() {
        let committed = figures(12.0, 900.0, 2.0);
        assert_eq!(compare(&committed, &committed[..2]).compared, 1);
        assert_eq!(compare(&committed, &[]), Comparison::default());
        assert_eq!(compare(&[], &committed).compared, 0);
    }
}
