//! The parts of the page that are words and figures.

use super::{escape, number};
use crate::report::{Comparison, Guarantee, Speed, StaleReads};

/// One row for each guarantee, with what broke it first.
pub(super) fn guarantees(guarantees: &[Guarantee]) -> String {
    if guarantees.is_empty() {
        return r#"<p class="empty">No guarantee was checked.</p>"#.into();
    }
    let mut out = String::from(
        r#"<div class="wide" role="region" tabindex="0" aria-label="Guarantees"><table class="guarantees"><thead><tr><th scope="col" colspan="2">guarantee</th><th scope="col">result</th><th scope="col" class="n">checked</th><th scope="col" class="n">broken</th></tr></thead><tbody>"#,
    );
    for guarantee in guarantees {
        let (class, sign, word) = match guarantee {
            Guarantee { broken: 1.., .. } => ("broken", "✕", "broken"),
            Guarantee { checked: 0, .. } => ("unchecked", "○", "not checked"),
            _ => ("held", "✓", "held"),
        };
        out.push_str(&format!(
            r#"<tr class="{class}"><td class="id">{}</td><th scope="row">{}</th><td class="result"><span aria-hidden="true">{sign}</span> {word}</td><td class="n">{}</td><td class="n">{}</td></tr>"#,
            escape::text(&guarantee.id),
            escape::text(&guarantee.name),
            number::count(guarantee.checked),
            number::count(guarantee.broken),
        ));
        if let Some(first) = &guarantee.first {
            out.push_str(&format!(
                r#"<tr class="{class} first"><td></td><td colspan="4">{}</td></tr>"#,
                escape::text(first)
            ));
        }
    }
    out.push_str("</tbody></table></div>");
    out
}

/// How often, and by how much, a read was stale.
pub(super) fn stale_reads(of: &StaleReads) -> String {
    if of.reads == 0 {
        return r#"<p class="empty">Nothing was read.</p>"#.into();
    }
    let nines = |value: f64| {
        if value.is_finite() { format!("{value:.1}") } else { number::NOTHING.to_string() }
    };
    let all = number::count(of.reads);
    let (figure, words) = match of.reads.checked_div(of.stale) {
        None => ("0".into(), format!("no stale read among {all}")),
        Some(one_in) => (
            nines(of.nines),
            format!(
                "nines of reads were current: {} of {all} were stale, one in {}",
                number::count(of.stale),
                number::count(one_in)
            ),
        ),
    };
    let mut out = format!(
        r#"<p class="big"><b>{figure}</b> <span>{words}</span></p><dl class="pairs"><div><dt>at least (95 % confidence)</dt><dd>{} nines</dd></div>"#,
        nines(of.nines_at_least)
    );
    if of.stale > 0 {
        out.push_str(&format!(
            "<div><dt>stalest read</dt><dd>{}</dd></div>",
            number::millis(of.largest_ms)
        ));
    }
    out.push_str("</dl>");
    out
}

/// How fast the simulation was.
pub(super) fn speed(speed: &Speed) -> String {
    let ratio = if speed.ratio.is_finite() && speed.ratio > 0.0 {
        format!("{} ×", number::plain(speed.ratio))
    } else {
        number::NOTHING.into()
    };
    format!(
        r#"<p class="big"><b>{ratio}</b> <span>real time: {} simulated in {}</span></p><dl class="pairs"><div><dt>node seconds a second</dt><dd>{}</dd></div></dl>"#,
        number::millis(speed.simulated_s * 1e3),
        number::millis(speed.wall_s * 1e3),
        number::plain(speed.node_seconds_per_s),
    )
}

/// Single figures.
pub(super) fn figures(figures: &[(String, String)]) -> String {
    let mut out = String::from(r#"<dl class="figures">"#);
    for (name, value) in figures {
        out.push_str(&format!(
            r#"<div class="card"><dt>{}</dt><dd>{}</dd></div>"#,
            escape::text(name),
            escape::text(value)
        ));
    }
    out.push_str("</dl>");
    out
}

/// Names and values in two columns.
pub(super) fn pairs(pairs: &[(String, String)]) -> String {
    if pairs.is_empty() {
        return r#"<p class="empty">None given.</p>"#.into();
    }
    let mut out = String::from(r#"<dl class="pairs">"#);
    for (name, value) in pairs {
        out.push_str(&format!(
            "<div><dt>{}</dt><dd>{}</dd></div>",
            escape::text(name),
            escape::text(value)
        ));
    }
    out.push_str("</dl>");
    out
}

/// The same plan in other modes.
pub(super) fn comparison(rows: &[Comparison]) -> String {
    let mut out = String::from(
        r#"<div class="wide" role="region" tabindex="0" aria-label="Comparison"><table class="numbers comparison"><thead><tr><th scope="col">mode</th><th scope="col">hits</th><th scope="col">reads</th><th scope="col">stale reads</th><th scope="col">stalest hit</th><th scope="col">latency p50</th><th scope="col">p99.9</th><th scope="col">never applied</th></tr></thead><tbody>"#,
    );
    for row in rows {
        // As a bar behind the figure; only what is a fraction has a length.
        let hits =
            if row.hit_ratio.is_finite() { row.hit_ratio.clamp(0.0, 1.0) * 100.0 } else { 0.0 };
        out.push_str(&format!(
            r#"<tr><th scope="row">{}</th><td class="bar"><svg width="100%" height="100%" aria-hidden="true"><rect width="{}%" height="100%"/></svg><span>{}</span></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>"#,
            escape::text(&row.mode),
            number::position(hits),
            number::percent(row.hit_ratio),
            number::count(row.reads),
            number::count(row.stale),
            number::millis(row.largest_staleness_ms),
            number::millis(row.latency_p50_ms),
            number::millis(row.latency_p999_ms),
            number::count(row.never),
        ));
    }
    out.push_str("</tbody></table></div>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guarantee_that_was_not_checked_is_not_called_held() {
        let row = |checked, broken| Guarantee { checked, broken, ..Guarantee::default() };
        assert!(guarantees(&[row(0, 0)]).contains("not checked"));
        assert!(guarantees(&[row(5, 0)]).contains("</span> held"));
        assert!(guarantees(&[row(5, 1)]).contains("</span> broken"));
    }

    #[test]
    fn no_stale_read_is_not_an_infinity() {
        let of = StaleReads {
            reads: 10,
            nines: f64::INFINITY,
            nines_at_least: 0.6,
            ..StaleReads::default()
        };
        let shown = stale_reads(&of);
        assert!(shown.contains("no stale read among 10") && shown.contains("0.6 nines"), "{shown}");
        assert!(!shown.contains("inf"));
    }

    #[test]
    fn speed_of_nothing_is_no_number() {
        let of = Speed { ratio: f64::NAN, ..Speed::default() };
        assert!(!speed(&of).contains("NaN"));
        assert!(!speed(&Speed::default()).contains("NaN"));
    }
}
