//! Numbers as one reads them.

/// Three digits that matter, thousands apart: `0.0123`, `1.25`, `21.4`, `1,234,567`.
pub(crate) fn readable(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = (2 - value.abs().log10().floor() as i32).clamp(0, 9) as usize;
    let text = format!("{value:.digits$}");
    match text.split_once('.') {
        Some((whole, part)) => {
            let part = part.trim_end_matches('0');
            if part.is_empty() { grouped(whole) } else { format!("{}.{part}", grouped(whole)) }
        }
        None => grouped(&text),
    }
}

/// For an axis: `0.5`, `20`, `5k`, `2M`.
pub(crate) fn short(value: f64) -> String {
    let (divisor, suffix) = match value {
        it if it >= 1e9 => (1e9, "G"),
        it if it >= 1e6 => (1e6, "M"),
        it if it >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    readable(value / divisor) + suffix
}

/// A ratio: `1.25×`.
pub(crate) fn times(ratio: f64) -> String {
    if ratio >= 10.0 { readable(ratio) + "×" } else { format!("{ratio:.2}×") }
}

/// A figure with its unit.
pub(crate) fn with_unit(value: f64, unit: &str) -> String {
    match unit {
        "×" => times(value),
        "" => readable(value),
        "1/s" => readable(value) + "/s",
        unit => format!("{} {unit}", readable(value)),
    }
}

fn grouped(whole: &str) -> String {
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        let cases = [
            (0.0, "0"),
            (0.012_34, "0.0123"),
            (1.0, "1"),
            (1.254, "1.25"),
            (21.44, "21.4"),
            (999.6, "1,000"),
            (1_234_567.8, "1,234,568"),
            (-12_345.0, "-12,345"),
        ];
        for (value, text) in cases {
            assert_eq!(readable(value), text);
        }
        assert_eq!(
            [0.5, 20.0, 5_000.0, 50_000.0, 2e6].map(short),
            ["0.5", "20", "5,000", "50k", "2M"]
        );
        assert_eq!([times(1.0), times(17.25)], ["1.00×", "17.2×"]);
        assert_eq!(
            [with_unit(3.0, "ns"), with_unit(3.0, ""), with_unit(3.0, "1/s")],
            ["3 ns", "3", "3/s"]
        );
    }
}
