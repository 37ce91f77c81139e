//! Numbers for people: three significant digits, a unit that fits, no surprises from NaN.

/// What stands where there is no number.
pub(super) const NOTHING: &str = "–";

/// With a comma at each thousand.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// At most four letters.
pub(super) fn short(count: u64) -> String {
    let scaled = |value: f64, unit: &str| {
        if value < 9.95 { format!("{value:.1}{unit}") } else { format!("{value:.0}{unit}") }
    };
    match count {
        0..=999 => count.to_string(),
        1_000..=999_499 => scaled(count as f64 / 1e3, "k"),
        999_500..=999_499_999 => scaled(count as f64 / 1e6, "M"),
        _ => scaled(count as f64 / 1e9, "G"),
    }
}

/// Three significant digits, without trailing zeros.
pub(super) fn plain(value: f64) -> String {
    if !value.is_finite() {
        return NOTHING.into();
    }
    let size = value.abs();
    if (999.5..1e15).contains(&size) {
        let sign = if value < 0.0 { "-" } else { "" };
        return format!("{sign}{}", count(size.round() as u64));
    }
    if size >= 1e15 || (size > 0.0 && size < 0.001) {
        return format!("{value:.2e}");
    }
    let decimals = match size {
        _ if size >= 99.95 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 0.995 => 2,
        _ => 3,
    };
    let out = format!("{value:.decimals$}");
    if decimals == 0 { out } else { out.trim_end_matches('0').trim_end_matches('.').into() }
}

/// Milliseconds, in the unit that reads best.
pub(super) fn millis(value: f64) -> String {
    if !value.is_finite() {
        return NOTHING.into();
    }
    match value.abs() {
        0.0 => "0 ms".into(),
        size if size < 0.9995 => format!("{} µs", plain(value * 1e3)),
        size if size < 999.5 => format!("{} ms", plain(value)),
        size if size < 120e3 => format!("{} s", plain(value / 1e3)),
        size if size < 7_200e3 => whole(value / 1e3, 60, "min", "s"),
        size if size < 172_800e3 => whole(value / 60e3, 60, "h", "min"),
        _ => whole(value / 3_600e3, 24, "d", "h"),
    }
}

fn whole(value: f64, per: u64, large: &str, small: &str) -> String {
    let sign = if value < 0.0 { "-" } else { "" };
    let all = value.abs().round() as u64;
    match all % per {
        0 => format!("{sign}{} {large}", count(all / per)),
        rest => format!("{sign}{} {large} {rest} {small}", count(all / per)),
    }
}

/// A value in the unit of its measure.
pub(super) fn measured(value: f64, unit: &str) -> String {
    match unit {
        "ms" => millis(value),
        "" | "count" => plain(value),
        _ => format!("{} {unit}", plain(value)),
    }
}

/// A fraction as percent. Never rounds to a whole that it is not.
pub(super) fn percent(fraction: f64) -> String {
    if !fraction.is_finite() {
        return NOTHING.into();
    }
    let shown = plain(fraction * 100.0);
    if shown == "100" && fraction < 1.0 { "99.9… %".into() } else { format!("{shown} %") }
}

/// A position in an SVG: short, and never anything but a number.
pub(super) fn position(value: f64) -> String {
    if !value.is_finite() {
        return "0".into();
    }
    let out = format!("{value:.2}");
    let out = out.trim_end_matches('0').trim_end_matches('.');
    if out == "-0" { "0".into() } else { out.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas() {
        for (number, shown) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(count(number), shown);
        }
    }

    #[test]
    fn short_counts_have_four_letters_at_most() {
        for (number, shown) in [
            (7, "7"),
            (999, "999"),
            (1_234, "1.2k"),
            (98_765, "99k"),
            (999_499, "999k"),
            (2_500_000, "2.5M"),
        ] {
            assert_eq!(short(number), shown);
        }
    }

    #[test]
    fn times_choose_their_unit() {
        for (ms, shown) in [
            (0.0, "0 ms"),
            (0.153, "153 µs"),
            (0.9999, "1 ms"),
            (12.34, "12.3 ms"),
            (999.7, "1 s"),
            (1_234.0, "1.23 s"),
            (60_000.0, "60 s"),
            (125_000.0, "2 min 5 s"),
            (10_800_000.0, "3 h"),
            (180_000_000.0, "2 d 2 h"),
            (-2.5, "-2.5 ms"),
            (f64::NAN, NOTHING),
            (f64::INFINITY, NOTHING),
        ] {
            assert_eq!(millis(ms), shown, "{ms}");
        }
    }

    #[test]
    fn digits_are_three() {
        for (value, shown) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (1.0, "1"),
            (9.999, "10"),
            (123.4, "123"),
            (12_345.6, "12,346"),
        ] {
            assert_eq!(plain(value), shown, "{value}");
        }
        assert_eq!(plain(0.0), "0");
        assert_eq!(plain(100.0), "100");
        assert_eq!(plain(1e300), "1.00e300");
        assert_eq!(measured(3.0, "frames"), "3 frames");
    }

    #[test]
    fn almost_all_is_not_all() {
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.999_999), "99.9… %");
        assert_eq!(percent(0.5), "50 %");
        assert_eq!(percent(f64::NAN), NOTHING);
    }

    #[test]
    fn positions_are_numbers() {
        assert_eq!(position(f64::NAN), "0");
        assert_eq!(position(-0.001), "0");
        assert_eq!(position(33.333_3), "33.33");
        assert_eq!(position(40.0), "40");
    }
}
