//! How seldom something is, as a number of nines.

/// The half-width of the 95 % confidence interval, in standard deviations.
const Z: f64 = 1.959_963_984_540_054;

/// The upper end of the 95 % confidence interval of a ratio, by E. B. Wilson ("Probable inference, the law of
/// succession, and statistical inference", 1927): unlike the usual one it says something where nothing was seen.
pub(super) fn wilson_upper(seen: u64, of: u64) -> f64 {
    if of == 0 {
        return 1.0;
    }
    let n = of as f64;
    let p = seen as f64 / n;
    let z2 = Z * Z;
    let middle = p + z2 / (2.0 * n);
    let width = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    ((middle + width) / (1.0 + z2 / n)).min(1.0)
}

/// A ratio as a number of nines: 0.001 is three.
pub(super) fn nines(ratio: f64) -> f64 {
    if ratio >= 1.0 { 0.0 } else { -ratio.log10() }
}

/// Nines of the ratio itself. Where nothing was seen, as many as one in all of them would be: no number of tries
/// shows more.
pub(super) fn nines_seen(seen: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { nines(seen.max(1) as f64 / of as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-4
    }

    #[test]
    fn the_interval_is_wilsons() {
        // Published: 10 of 100 gives 0.0552 to 0.1744; none of 10 gives 0 to 0.2775.
        assert!(close(wilson_upper(10, 100), 0.1744), "{}", wilson_upper(10, 100));
        assert!(close(wilson_upper(0, 10), 0.2775), "{}", wilson_upper(0, 10));
        assert!(close(wilson_upper(10, 10), 1.0));
        assert!(close(wilson_upper(0, 0), 1.0));
    }

    #[test]
    fn more_tries_prove_more() {
        let bounds: Vec<_> = [10, 100, 10_000, 1_000_000].map(|n| wilson_upper(0, n)).into();
        assert!(bounds.is_sorted_by(|a, b| a > b));
        assert!(nines(wilson_upper(0, 1_000_000)) > 5.4);
    }

    #[test]
    fn nines_are_counted() {
        assert!(close(nines_seen(1, 1_000), 3.0));
        assert!(close(nines_seen(0, 1_000), 3.0));
        assert!(close(nines_seen(5, 5), 0.0) && close(nines_seen(0, 0), 0.0));
    }
}
