//! Distributions as curves by percentile.
//!
//! Across stand the nines (0.9, 0.99, 0.999 …): each step is ten times rarer, so the tail, which is
//! what counts, gets the room. Up stands the value, logarithmically.

use super::{escape, number};
use crate::report::{Measure, PhaseCurve};

const HEIGHT: f64 = 210.0;
/// Marks on the axis: percentiles.
const TICKS: [(f64, &str); 7] = [
    (50.0, "50"),
    (90.0, "90"),
    (99.0, "99"),
    (99.9, "99.9"),
    (99.99, "99.99"),
    (99.999, "99.999"),
    (99.9999, "99.9999"),
];
/// The right edge is at least and at most here, in nines.
const NINES: (f64, f64) = (2.2, 6.3);
/// More powers of ten than these are cut from below.
const DECADES_MAX: i32 = 8;

/// All measures.
pub(super) fn section(measures: &[Measure]) -> String {
    if measures.is_empty() {
        return r#"<p class="empty">Nothing was measured.</p>"#.into();
    }
    let each: String = measures.iter().map(measure).collect();
    format!(r#"<div class="measures">{each}</div>"#)
}

fn measure(measure: &Measure) -> String {
    let mut out = format!(
        r#"<article class="card measure"><h3>{}</h3><p class="note">{}</p>"#,
        escape::text(&measure.name),
        escape::text(&measure.meaning)
    );
    match Axes::of(measure) {
        Some(axes) => out.push_str(&chart(measure, &axes)),
        None => out.push_str(r#"<p class="empty">No sample.</p>"#),
    }
    if !measure.phases.is_empty() {
        out.push_str(&table(measure));
    }
    if measure.never > 0 {
        out.push_str(&format!(
            r#"<p class="never"><strong>{}</strong> never happened: the copy was dropped or lost otherwise first.</p>"#,
            number::count(measure.never)
        ));
    }
    out.push_str("</article>");
    out
}

/// The ranges of a chart.
struct Axes {
    nines: f64,
    /// Powers of ten.
    low: i32,
    high: i32,
}

impl Axes {
    /// None without a value that could be drawn.
    fn of(measure: &Measure) -> Option<Self> {
        let curves = || measure.phases.iter();
        let values = || {
            curves()
                .flat_map(|curve| curve.points.iter().map(|(_, value)| *value))
                .filter(|value| value.is_finite())
        };
        let most = values().reduce(f64::max)?;
        let least = values().filter(|value| *value > 0.0).reduce(f64::min).unwrap_or(1.0);
        let power = |value: f64| value.log10().clamp(-12.0, 15.0);
        let high = power(most.max(least)).ceil() as i32;
        let low = (power(least).floor() as i32).max(high - DECADES_MAX);
        let (low, high) = if low < high { (low, high) } else { (high - 1, high) };
        let nines = curves()
            .map(|curve| (curve.count.max(1) as f64).log10())
            .fold(NINES.0, f64::max)
            .min(NINES.1);
        Some(Self { nines, low, high })
    }

    /// Percent of the width.
    fn x(&self, percentile: f64) -> f64 {
        let rest = (1.0 - percentile / 100.0).clamp(1e-9, 1.0);
        (-rest.log10() / self.nines * 100.0).clamp(0.0, 100.0)
    }

    /// Percent of the height, from above.
    fn y(&self, value: f64) -> f64 {
        let power = if value > 0.0 { value.log10() } else { f64::from(self.low) };
        let share = (power - f64::from(self.low)) / f64::from(self.high - self.low);
        (1.0 - share.clamp(0.0, 1.0)) * 100.0
    }
}

fn chart(measure: &Measure, axes: &Axes) -> String {
    let mut out = format!(
        r#"<div class="chart" data-nines="{}"><svg width="100%" height="{HEIGHT}" role="img" aria-label="{} by percentile">"#,
        number::position(axes.nines),
        escape::text(&measure.name)
    );
    let span = axes.high - axes.low;
    for power in axes.low..=axes.high {
        let y = number::position(axes.y(10f64.powi(power)));
        out.push_str(&format!(r#"<line class="grid" x2="100%" y1="{y}%" y2="{y}%"/>"#));
        // Not each of many, and never so dense that they touch.
        if span <= 5 || (power - axes.low) % 2 == 0 {
            out.push_str(&format!(
                r#"<text x="-8" y="{y}%" dy="4" text-anchor="end">{}</text>"#,
                escape::text(&number::measured(10f64.powi(power), &measure.unit))
            ));
        }
    }
    for (percentile, label) in TICKS {
        let x = axes.x(percentile);
        if -(1.0 - percentile / 100.0).log10() > axes.nines + 1e-9 {
            continue;
        }
        let x = number::position(x);
        // On a narrow screen the last would touch the one before.
        let class = if percentile > 99.999 { r#" class="far""# } else { "" };
        out.push_str(&format!(
            r#"<line class="grid" x1="{x}%" x2="{x}%" y2="100%"/><text{class} x="{x}%" y="{}" text-anchor="middle">{label}</text>"#,
            HEIGHT + 16.0
        ));
    }
    out.push_str(
        r#"<svg width="100%" height="100%" viewBox="0 0 100 100" preserveAspectRatio="none" overflow="visible">"#,
    );
    for phase in &measure.phases {
        let path = path(phase, axes);
        if !path.is_empty() {
            out.push_str(&format!(r#"<path class="curve {}" d="{path}"/>"#, class(&phase.phase)));
        }
    }
    out.push_str("</svg></svg></div>");
    out
}

fn path(curve: &PhaseCurve, axes: &Axes) -> String {
    let mut points: Vec<(f64, f64)> = curve
        .points
        .iter()
        .filter(|(percentile, value)| percentile.is_finite() && value.is_finite())
        .map(|(percentile, value)| {
            // The largest of n samples stands where a rank of 1 in n is, not in infinity.
            let rank = 100.0 * (1.0 - 1.0 / (curve.count.max(1) as f64));
            (axes.x(percentile.min(rank.max(50.0))), axes.y(*value))
        })
        .collect();
    if let [(x, y)] = points[..] {
        points.push((x + 1.5, y));
    }
    let mut path = String::new();
    for (index, (x, y)) in points.into_iter().enumerate() {
        path.push(if index == 0 { 'M' } else { 'L' });
        path.push_str(&format!("{} {}", number::position(x), number::position(y)));
    }
    path
}

fn class(phase: &str) -> &'static str {
    match phase {
        "healthy" => "healthy",
        "faulty" => "faulty",
        "healing" => "healing",
        _ => "other",
    }
}

fn table(measure: &Measure) -> String {
    let mut out = String::from(
        r#"<div class="wide" role="region" tabindex="0" aria-label="Percentiles"><table class="numbers"><thead><tr><th scope="col">phase</th><th scope="col">p50</th><th scope="col">p99</th><th scope="col">p99.9</th><th scope="col">max</th><th scope="col">samples</th></tr></thead><tbody>"#,
    );
    for curve in &measure.phases {
        out.push_str(&format!(
            r#"<tr><th scope="row"><svg class="key" width="26" height="10" aria-hidden="true"><path class="curve {}" d="M1 5H25"/></svg>{}</th>"#,
            class(&curve.phase),
            escape::text(&curve.phase)
        ));
        for value in [curve.p50, curve.p99, curve.p999, curve.max] {
            out.push_str(&format!(
                "<td>{}</td>",
                escape::text(&number::measured(value, &measure.unit))
            ));
        }
        out.push_str(&format!(
            r#"<td><span class="exact">{}</span><span class="short">{}</span></td></tr>"#,
            number::count(curve.count),
            number::short(curve.count)
        ));
    }
    out.push_str("</tbody></table></div>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(points: Vec<(f64, f64)>) -> Measure {
        let phase =
            PhaseCurve { phase: "faulty".into(), count: 1_000, points, ..PhaseCurve::default() };
        Measure {
            name: "Latency".into(),
            unit: "ms".into(),
            phases: vec![phase],
            ..Measure::default()
        }
    }

    #[test]
    fn each_nine_takes_the_same_room() {
        let axes = Axes { nines: 4.0, low: 0, high: 4 };
        for (percentile, x) in
            [(0.0, 0.0), (90.0, 25.0), (99.0, 50.0), (99.9, 75.0), (99.99, 100.0)]
        {
            assert!((axes.x(percentile) - x).abs() < 1e-6, "{percentile}");
        }
        assert!((axes.y(100.0) - 50.0).abs() < 1e-9);
        assert_eq!(axes.y(0.0), 100.0);
    }

    #[test]
    fn values_without_sense_are_left_out() {
        for points in [
            vec![],
            vec![(50.0, f64::NAN)],
            vec![(f64::NAN, 1.0), (100.0, f64::INFINITY)],
            vec![(50.0, 0.0)],
            vec![(0.0, -3.0), (100.0, 1e300)],
            vec![(50.0, 1.0), (100.0, 1.0)],
        ] {
            let shown = measure(&of(points));
            assert!(!shown.contains("NaN") && !shown.contains("inf"), "{shown}");
        }
    }

    #[test]
    fn the_largest_stands_at_its_rank() {
        let measure = of(vec![(50.0, 1.0), (99.0, 10.0), (100.0, 100.0)]);
        let axes = Axes::of(&measure).unwrap();
        let path = path(&measure.phases[0], &axes);
        assert!(path.ends_with("L100 0"), "{path}");
    }

    #[test]
    fn what_never_happened_is_said() {
        let shown = measure(&Measure { never: 1_234, ..of(vec![(50.0, 1.0)]) });
        assert!(shown.contains("<strong>1,234</strong> never happened"));
    }
}
