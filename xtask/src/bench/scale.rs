//! The axis of a plot: which values are marked, and where a value lies.

/// From this ratio of the largest to the smallest value on, the axis is logarithmic.
const LINEAR_UP_TO: f64 = 10.0;

#[derive(Debug)]
pub(crate) struct Scale {
    pub(crate) is_log: bool,
    lowest: f64,
    highest: f64,
    pub(crate) ticks: Vec<f64>,
}

impl Scale {
    /// For bars of these lengths. What is not positive has no place on a logarithmic axis, and no length.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let positive = values.filter(|value| *value > 0.0);
        let (least, most) = positive
            .fold((f64::INFINITY, 0.0_f64), |(least, most), it| (least.min(it), most.max(it)));
        if most == 0.0 {
            return Self { is_log: false, lowest: 0.0, highest: 1.0, ticks: vec![0.0, 1.0] };
        }
        if most / least > LINEAR_UP_TO { Self::log(least, most) } else { Self::linear(most) }
    }

    fn linear(most: f64) -> Self {
        let step = round_below(most / 3.0);
        let ticks = (0..).map(|index| f64::from(index) * step).take_while(|it| *it <= most * 1.001);
        Self { is_log: false, lowest: 0.0, highest: most * 1.02, ticks: ticks.collect() }
    }

    fn log(least: f64, most: f64) -> Self {
        // The smallest bar is still a bar.
        let lowest = round_below(least / 1.8);
        let first = lowest.log10().floor() as i32;
        let last = most.log10().ceil() as i32;
        let steps: &[f64] = if most / lowest < 200.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let all = (first..=last)
            .flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
        let ticks = all.filter(|it| *it >= lowest * 0.999 && *it <= most * 1.001).collect();
        Self { is_log: true, lowest, highest: most * 1.05, ticks }
    }

    /// Where a value lies, from 0 to 1.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let place = if self.is_log {
            (value.max(self.lowest) / self.lowest).ln() / (self.highest / self.lowest).ln()
        } else {
            value / self.highest
        };
        place.clamp(0.0, 1.0)
    }
}

/// The largest of 1, 2, 5, 10, 20, … that is not above the value.
fn round_below(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let step = [5.0, 2.0].into_iter().find(|step| step * power <= value * 1.000_001);
    step.unwrap_or(1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(values: &[f64]) -> Vec<String> {
        values.iter().map(|value| format!("{value:.2}")).collect()
    }

    #[test]
    fn an_axis_is_linear_as_long_as_all_bars_can_be_seen() {
        let scale = Scale::of([1.0, 1.5, 3.2].into_iter());
        assert!(!scale.is_log);
        assert_eq!(about(&scale.ticks), ["0.00", "1.00", "2.00", "3.00"]);
        assert!(scale.place(3.2) > 0.95 && scale.place(0.0) == 0.0);

        let scale = Scale::of([1.0, 1.2, 17.0].into_iter());
        assert!(scale.is_log);
        assert_eq!(about(&scale.ticks), ["0.50", "1.00", "2.00", "5.00", "10.00"]);
        assert!(scale.place(1.0) > 0.1 && scale.place(17.0) < 1.0);
        assert_eq!(scale.place(0.0), 0.0);

        let scale = Scale::of([3.0, 40_000.0].into_iter());
        assert_eq!(about(&scale.ticks), ["1.00", "10.00", "100.00", "1000.00", "10000.00"]);
    }

    #[test]
    fn nothing_has_no_length() {
        let scale = Scale::of([0.0, 0.0].into_iter());
        assert_eq!(scale.place(0.0), 0.0);
        assert!(Scale::of(std::iter::empty()).place(1.0).is_finite());
    }
}
