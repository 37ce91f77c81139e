//! A target, and whether figures reach it.

use super::groups::ratio;
use super::results::Figure;

/// A line of the table: some figures, and what each of them must not miss.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) measure: &'static str,
    pub(crate) limit: Limit,
    pub(crate) unit: &'static str,
    pub(crate) bench: &'static str,
    pub(crate) groups: &'static [&'static str],
    pub(crate) subject: &'static str,
    /// The subject of the same group that it is divided by; nothing if the figure itself is meant.
    pub(crate) to: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Limit {
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            // A sum divided again is not exactly what was added.
            Self::AtMost(limit) => value <= limit * (1.0 + 1e-9),
            Self::AtLeast(limit) => value >= limit * (1.0 - 1e-9),
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
        if matches!(self.limit, Limit::AtLeast(_)) {
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
    use super::Limit::{AtLeast, AtMost};
    use super::*;
    use crate::bench::groups::RATIO;
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
        assert!(AtMost(24.0).holds(24.000_000_000_000_004));
        assert!(AtMost(1.3).holds(1.3) && !AtMost(1.3).holds(1.31));
        assert!(AtLeast(1.3).holds(1.3) && !AtLeast(1.3).holds(1.29));
    }
}
