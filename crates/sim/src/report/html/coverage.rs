//! The coverage table as a heatmap: which states were reached under which faults, and which were not.

use super::{escape, number};
use crate::report::Coverage;

/// Empty cells that are named one by one.
const NAMED_MAX: usize = 12;

/// The table, below a sentence that names what is empty.
pub(super) fn section(coverage: &Coverage) -> String {
    if coverage.faults.is_empty() || coverage.states.is_empty() {
        return r#"<p class="empty">No coverage was counted.</p>"#.into();
    }
    let mut out = verdict(coverage);
    out.push_str(
        r#"<div class="wide" role="region" tabindex="0" aria-label="Coverage"><table class="heat"><thead><tr><th scope="col"><span class="corner">fault \ state</span></th>"#,
    );
    for state in &coverage.states {
        out.push_str(&format!(r#"<th scope="col"><span>{}</span></th>"#, words(state)));
    }
    out.push_str("</tr></thead><tbody>");
    let most = coverage.counts.iter().flatten().copied().max().unwrap_or(0);
    for (row, fault) in coverage.faults.iter().enumerate() {
        out.push_str(&format!(r#"<tr><th scope="row">{}</th>"#, words(fault)));
        for column in 0..coverage.states.len() {
            out.push_str(&match coverage.count(row, column) {
                0 => r#"<td class="none">never</td>"#.into(),
                count => {
                    let exact = number::count(count);
                    format!(
                        r#"<td class="h{}"><span title="{exact}">{}</span></td>"#,
                        heat(count, most),
                        number::short(count)
                    )
                }
            });
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
    out
}

fn verdict(coverage: &Coverage) -> String {
    let empty: Vec<(&str, &str)> = coverage.empty().collect();
    let cells = number::count(coverage.cells() as u64);
    if empty.is_empty() {
        return format!(
            r#"<p class="covered"><strong>All {cells} cells</strong> were reached.</p>"#
        );
    }
    let mut named: Vec<String> = empty
        .iter()
        .take(NAMED_MAX)
        .map(|(fault, state)| format!("<li><b>{}</b> × <b>{}</b></li>", words(fault), words(state)))
        .collect();
    if empty.len() > NAMED_MAX {
        named
            .push(format!("<li>and {} more</li>", number::count((empty.len() - NAMED_MAX) as u64)));
    }
    format!(
        r#"<div class="uncovered"><strong>{} of {cells} cells</strong> never reached:<ul>{}</ul></div>"#,
        number::count(empty.len() as u64),
        named.concat()
    )
}

fn words(name: &str) -> String {
    escape::text(&name.replace('_', " "))
}

/// One to five, by the logarithm: between once and a million times lies all that is of interest.
fn heat(count: u64, most: u64) -> u32 {
    let share = (count.max(1) as f64).ln_1p() / (most.max(1) as f64).ln_1p();
    (1 + (share * 5.0) as u32).clamp(1, 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(counts: Vec<Vec<u64>>) -> Coverage {
        let words = |of: &[&str]| of.iter().map(ToString::to_string).collect();
        Coverage {
            faults: words(&["drop", "one_way"]),
            states: words(&["synced", "gap_open"]),
            counts,
        }
    }

    #[test]
    fn what_is_empty_is_named() {
        let shown = section(&coverage(vec![vec![1, 2], vec![3, 0]]));
        assert!(shown.contains("1 of 4 cells"));
        assert!(shown.contains("<b>one way</b> × <b>gap open</b>"));
        assert_eq!(shown.matches(r#"class="none""#).count(), 1);
    }

    #[test]
    fn missing_rows_count_as_empty() {
        let shown = section(&coverage(vec![vec![1]]));
        assert!(shown.contains("3 of 4 cells"));
        assert!(section(&coverage(vec![vec![1, 1], vec![1, 1]])).contains("All 4 cells"));
    }

    #[test]
    fn more_is_hotter() {
        assert_eq!((heat(1, 100_000), heat(100_000, 100_000)), (1, 5));
        assert_eq!((heat(0, 0), heat(1, 1)), (5, 5));
    }
}
