//! `docs/mutants.md`: what survives, and why.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::ledger::{Ledger, Listed, Mutant, Verdict};

const NOT_EXPLAINED: &str = "*Not explained.*";

const HEAD: &str = "\
# Surviving mutants

Written by `cargo xtask mutants`: the protocol and the fill guard are changed in one small place at a time, and the
tests of core must notice (`.cargo/mutants.toml` says what is changed). What survives is a hole in the tests, or no
mistake; which of both is written below it, and kept when this is written anew. The deliberate mistakes of
`crates/core/src/mutation.rs` are something else: those are the simulator's.

";

/// The document, with the explanations of the one before.
pub(super) fn write(listed: &Listed, ledger: &Ledger, before: &str) -> String {
    let explained = explanations(before);
    let mut text = String::from(HEAD);
    let count =
        |verdict| listed.0.iter().filter(|mutant| ledger.verdict(mutant) == Some(verdict)).count();
    let [caught, missed, timeout, unviable] = Verdict::ALL.map(count);
    let (judged, all) = (caught + missed + timeout + unviable, listed.0.len());
    let _ = writeln!(
        text,
        "Judged: {judged} of {all}. Noticed: {caught}, {timeout} more since the tests do not end. Not compilable: \
         {unviable}. Surviving: {missed}."
    );
    let mut file = "";
    let survivors = listed.0.iter().filter(|it| ledger.verdict(it) == Some(Verdict::Missed));
    for mutant in survivors {
        if mutant.file() != file {
            file = mutant.file();
            let _ = writeln!(text, "\n## {file}");
        }
        let change = change(mutant);
        let explanation = explained.get(&(file.to_owned(), change.to_owned()));
        let explanation = explanation.map_or(NOT_EXPLAINED, String::as_str);
        let _ = writeln!(text, "\n- `{change}`, line {}\n  {explanation}", mutant.line());
    }
    text
}

/// What is changed, without the file.
fn change(mutant: &Mutant) -> &str {
    mutant.key.split_once(": ").map_or(&*mutant.key, |(_, change)| change)
}

/// What stands below each change, by file and change.
fn explanations(document: &str) -> BTreeMap<(String, String), String> {
    let mut explanations: BTreeMap<_, String> = BTreeMap::new();
    let (mut file, mut item) = ("", None);
    for line in document.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            (file, item) = (heading, None);
        } else if let Some(rest) = line.strip_prefix("- `") {
            item = rest.rsplit_once('`').map(|(change, _)| (file.to_owned(), change.to_owned()));
        } else if let (Some(item), Some(more)) = (&item, line.strip_prefix("  ")) {
            let explanation = explanations.entry(item.clone()).or_default();
            if !explanation.is_empty() {
                explanation.push_str("\n  ");
            }
            explanation.push_str(more);
        }
    }
    explanations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explanations_are_found_again() {
        let document = "# T\n\n## a.rs\n\n- `replace + with - in f`, line 3\n  Equal: *x*\n  is 0.\n\n\
                        - `delete ! in g`, line 9\n  *Not explained.*\n\n## b.rs\n\n- `delete ! in g`, line 1\n  No.\n";
        let explanations = explanations(document);
        let of = |file: &str, change: &str| {
            explanations.get(&(file.to_owned(), change.to_owned())).map(String::as_str)
        };
        assert_eq!(of("a.rs", "replace + with - in f"), Some("Equal: *x*\n  is 0."));
        assert_eq!(of("a.rs", "delete ! in g"), Some(NOT_EXPLAINED));
        assert_eq!(of("b.rs", "delete ! in g"), Some("No."));
        assert_eq!(of("b.rs", "replace + with - in f"), None);
    }
}
