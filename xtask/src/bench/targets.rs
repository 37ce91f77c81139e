//! What the figures are to reach.

use super::groups::{RATIO, ratio};
use super::results::Figure;

/// A line of the table: some figures, and what each of them must not miss.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) measure: &'static str,
    pub(crate) limit: Limit,
    pub(crate) unit: &'static str,
    bench: &'static str,
    groups: &'static [&'static str],
    subject: &'static str,
    /// The subject of the same group that it is divided by; nothing if the figure itself is meant.
    to: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

use Limit::{AtLeast, AtMost};

/// The groups of the bench `ratios` that are about hits, and those of `hit` in which two threads read.
const HITS: &[&str] = &["hit/arc/hot", "hit/arc/uniform", "hit/u64/hot", "hit/u64/uniform"];
const HITS_2: &[&str] = &[
    "hit/arc/hot/2",
    "hit/arc/uniform/2",
    "hit/arc/zipf/2",
    "hit/u64/hot/2",
    "hit/u64/uniform/2",
    "hit/u64/zipf/2",
];

/// All of them. One more is one more line.
pub(crate) const TARGETS: [Target; 10] = [
    hit("hit, plain entry, 1 thread, to `quick_cache`", AtMost(1.25), "plain", "quick_cache"),
    hit_2("hit, plain entry, 2 threads, to `quick_cache`", AtMost(1.25), "plain", "quick_cache"),
    hit(
        "hit with `strict_suspend`, 1 thread, to `quick_cache`",
        AtMost(2.0),
        "strict_suspend",
        "quick_cache",
    ),
    hit_2(
        "hit with `strict_suspend`, 2 threads, to `quick_cache`",
        AtMost(2.0),
        "strict_suspend",
        "quick_cache",
    ),
    hit("moka's hit, to ours, 1 thread", AtLeast(5.0), "moka", "plain"),
    hit_2("moka's hit, to ours, 2 threads", AtLeast(5.0), "moka", "plain"),
    hit(
        "hit with time to live and 2 tags, to `quick_cache`",
        AtMost(2.0),
        "time to live and 2 tags",
        "quick_cache",
    ),
    hit("`get_or_load` that hits, to `get`", AtMost(1.5), "get_or_load", "plain"),
    Target {
        measure: "hits a second while 100,000 other keys a second are invalidated, to quiet",
        limit: AtLeast(0.8),
        unit: RATIO,
        bench: "hit",
        groups: &["hit/arc/stream/1"],
        // Of times: the quiet one is the shorter.
        subject: "quiet",
        to: Some("invalidations_100k"),
    },
    Target {
        measure: "invalidating a tag of 1,000,000 entries, to one of 1",
        limit: AtMost(1.2),
        unit: RATIO,
        bench: "ratios",
        groups: &["tag"],
        subject: "tag of 1,000,000 entries",
        to: Some("tag of 1 entry"),
    },
];

const fn hit(
    measure: &'static str,
    limit: Limit,
    subject: &'static str,
    to: &'static str,
) -> Target {
    Target { measure, limit, unit: RATIO, bench: "ratios", groups: HITS, subject, to: Some(to) }
}

const fn hit_2(
    measure: &'static str,
    limit: Limit,
    subject: &'static str,
    to: &'static str,
) -> Target {
    Target { measure, limit, unit: RATIO, bench: "hit", groups: HITS_2, subject, to: Some(to) }
}

impl Limit {
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            AtMost(limit) => value <= limit,
            AtLeast(limit) => value >= limit,
        }
    }
}

/// What was measured of a target: the best and the worst of its figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reached {
    pub(crate) best: f64,
    pub(crate) worst: f64,
    pub(crate) worst_in: &'static str,
}

impl Target {
    /// What was measured; nothing unless all of its figures are there.
    pub(crate) fn reached(&self, figures: &[Figure]) -> Option<Reached> {
        let values = self.groups.iter().map(|group| Some((self.value(figures, group)?, *group)));
        let mut values: Vec<(f64, &'static str)> = values.collect::<Option<_>>()?;
        values.sort_by(|left, right| left.0.total_cmp(&right.0));
        if matches!(self.limit, AtLeast(_)) {
            values.reverse();
        }
        let (best, (worst, worst_in)) = (values.first()?.0, *values.last()?);
        Some(Reached { best, worst, worst_in })
    }

    /// Whether it is about this figure.
    pub(crate) fn is_about(&self, figure: &Figure) -> bool {
        self.to.is_none()
            && self.bench == figure.bench
            && self.subject == figure.subject
            && self.groups.contains(&figure.group.as_str())
    }

    fn value(&self, figures: &[Figure], group: &str) -> Option<f64> {
        let figures = figures.iter().filter(|it| it.bench == self.bench && it.group == group);
        let figures: Vec<&Figure> = figures.collect();
        match self.to {
            Some(to) => ratio(&figures, self.subject, to),
            None => {
                let is_it = |it: &&&Figure| it.subject == self.subject && it.unit == self.unit;
                figures.iter().find(is_it).map(|it| it.value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::benches::BENCHES;
    use crate::bench::results::figure;

    const TARGET: Target = Target {
        measure: "hit",
        limit: AtMost(1.25),
        unit: RATIO,
        bench: "hit",
        groups: &["a", "b"],
        subject: "plain",
        to: Some("quick_cache"),
    };

    #[test]
    fn the_worst_of_the_figures_counts() {
        let mut figures = vec![
            figure("hit", "a", "quick_cache", "ns", 10.0),
            figure("hit", "a", "plain", "ns", 11.0),
            figure("hit", "b", "quick_cache", "ns", 10.0),
            // The same group in another benchmark is something else.
            figure("ratios", "b", "plain", "ns", 99.0),
        ];
        assert_eq!(TARGET.reached(&figures), None);
        figures.push(figure("hit", "b", "plain", "ns", 13.0));
        let reached = Reached { best: 1.1, worst: 1.3, worst_in: "b" };
        assert_eq!(TARGET.reached(&figures), Some(reached));
        let turned = Target { limit: AtLeast(1.2), ..TARGET };
        let reached = Reached { best: 1.3, worst: 1.1, worst_in: "a" };
        assert_eq!(turned.reached(&figures), Some(reached));
        assert!(AtMost(1.3).holds(1.3) && !AtMost(1.3).holds(1.31));
        assert!(AtLeast(1.3).holds(1.3) && !AtLeast(1.3).holds(1.29));
    }

    #[test]
    fn targets_are_about_benchmarks_that_there_are() {
        for target in &TARGETS {
            let is_there = BENCHES.iter().any(|bench| bench.name == target.bench);
            assert!(is_there && !target.groups.is_empty(), "{}", target.measure);
        }
    }
}
