//! The table of mutants, as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Fate, Kill, reach};
use crate::mutants::Mutant;

/// One line for each mutant. *Median* and *worst* count seeds until it was noticed.
pub(super) fn markdown(rows: &[(Mutant, Fate)]) -> String {
    let mut text = String::from(
        "| mutant | description | hunted with | killed by | median | worst | ranges killed |\n\
         | --- | --- | --- | --- | ---: | ---: | ---: |\n",
    );
    for (mutant, fate) in rows {
        let [by, median, worst, ranges] = cells(fate);
        let Mutant { name, description } = mutant;
        let with = reach::of(name).describe();
        let _written = writeln!(
            text,
            "| {name} | {description} | {with} | {by} | {median} | {worst} | {ranges} |"
        );
    }
    let survivors = rows.iter().filter(|(_, fate)| !is_killed(fate)).count();
    let _written = writeln!(text, "\n{} mutants, {survivors} survived.", rows.len());
    text
}

/// Whether each was noticed in every range, or is noticed by the model tests.
pub(super) fn all_killed(rows: &[(Mutant, Fate)]) -> bool {
    rows.iter().all(|(_, fate)| is_killed(fate))
}

fn is_killed(fate: &Fate) -> bool {
    match fate {
        Fate::Ran(kills) => kills.iter().all(Option::is_some),
        Fate::Models(_) => true,
        Fate::Ended(_) => false,
    }
}

/// Killed by, median, worst, ranges.
fn cells(fate: &Fate) -> [String; 4] {
    let nothing = || "–".to_owned();
    match fate {
        Fate::Models(why) => [(*why).to_owned(), nothing(), nothing(), nothing()],
        Fate::Ended(why) => [format!("**{why}**"), nothing(), nothing(), nothing()],
        Fate::Ran(kills) => {
            let killed: Vec<&Kill> = kills.iter().flatten().collect();
            let ranges = format!("{}/{}", killed.len(), kills.len());
            if killed.is_empty() {
                return ["**nothing**".to_owned(), nothing(), nothing(), ranges];
            }
            let mut seeds: Vec<u64> = killed.iter().map(|kill| kill.seeds).collect();
            seeds.sort_unstable();
            let median = seeds[seeds.len() / 2].to_string();
            let worst = if killed.len() == kills.len() {
                seeds[seeds.len() - 1].to_string()
            } else {
                "**survived**".to_owned()
            };
            [killers(&killed), median, worst, ranges]
        }
    }
}

/// The most frequent first.
fn killers(kills: &[&Kill]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for kill in kills {
        *counts.entry(kill.by.as_str()).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let words: Vec<_> = counts.iter().map(|(by, count)| format!("{by} ×{count}")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MUTANT: Mutant = Mutant { name: "no-such", description: "Nothing goes wrong." };

    fn kill(seeds: u64, by: &str) -> Option<Kill> {
        Some(Kill { seeds, by: by.to_owned() })
    }

    fn line(fate: Fate) -> String {
        let text = markdown(&[(MUTANT, fate)]);
        text.lines().nth(2).unwrap().to_owned()
    }

    #[test]
    fn a_line_says_who_noticed_it_and_how_soon() {
        let kills = vec![kill(3, "G4"), kill(1, "G3"), kill(40, "G4")];
        assert_eq!(
            line(Fate::Ran(kills)),
            "| no-such | Nothing goes wrong. | storms | G4 ×2, G3 ×1 | 3 | 40 | 3/3 |"
        );
    }

    #[test]
    fn survivors_stand_out() {
        let some = Fate::Ran(vec![kill(3, "G4"), None]);
        assert!(!is_killed(&some));
        assert!(line(some).ends_with("| G4 ×1 | 3 | **survived** | 1/2 |"));
        let none = Fate::Ran(vec![None, None]);
        assert!(line(none).ends_with("| **nothing** | – | – | 0/2 |"));
        assert!(!is_killed(&Fate::Ended("exit status: 2".to_owned())));
        assert!(is_killed(&Fate::Models("of two steps")));
    }
}
