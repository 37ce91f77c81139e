//! Other libraries beside this one: what `cargo xtask bench --peers` has found.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::groups::Kind;
use super::number::{readable, short};
use super::plot::{Bar, Panel, Plot};
use super::results::Conditions;
use crate::Done;
use crate::shell::workspace;

/// The file that the driver of the peers writes.
#[derive(Debug, Deserialize)]
pub(crate) struct Peers {
    pub(crate) conditions: Option<Conditions>,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) redis: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Subject {
    name: String,
    version: String,
    language: String,
    #[serde(default)]
    notes: Vec<String>,
    hits_per_s: Option<Measured<f64>>,
    latency_us: Option<Measured<Latency>>,
    keys_per_s: Option<Measured<f64>>,
    #[serde(default)]
    scoreboard: Vec<Line>,
}

/// A number, or why there is none.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Measured<T> {
    Value(T),
    Not { unsupported: String },
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Latency {
    p50: f64,
    p99: f64,
}

/// A case of the scoreboard.
#[derive(Clone, Debug, Deserialize)]
struct Line {
    case: String,
    trials: usize,
    stale: usize,
    until_right_ms: Option<UntilRight>,
    #[serde(default)]
    never: usize,
    #[serde(default)]
    unanswered: usize,
    unsupported: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct UntilRight {
    median: f64,
    max: f64,
}

/// Ours.
const OURS: &str = "unstale";

impl Peers {
    /// The file that is committed.
    pub(crate) fn committed() -> PathBuf {
        workspace().join("benches/results/peers.json")
    }

    /// What a file holds; nothing if there is no such file.
    pub(crate) fn read(path: &Path) -> Done<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let peers = serde_json::from_str(&fs::read_to_string(path)?);
        Ok(Some(peers.map_err(|error| format!("{}: {error}", path.display()))?))
    }

    /// How many reads of ours were stale, in how many trials; nothing if ours is not there.
    pub(crate) fn stale(&self) -> Option<(usize, usize)> {
        let ours = self.subjects.iter().find(|subject| subject.name == OURS)?;
        let lines = ours.scoreboard.iter().filter(|line| line.unsupported.is_none());
        let sums = lines.fold((0, 0), |sums, line| (sums.0 + line.stale, sums.1 + line.trials));
        (sums.1 > 0).then_some(sums)
    }

    /// How fast they are.
    pub(crate) fn speeds(&self) -> String {
        let mut table = String::from(
            "| library | | hits/s | invalidation A → B, p50 / p99 | keys invalidated/s |\n\
             | --- | --- | ---: | ---: | ---: |\n",
        );
        for subject in &self.subjects {
            let latency = cell(subject.latency_us.as_ref(), |it| {
                format!("{} / {} µs", readable(it.p50), readable(it.p99))
            });
            let _ = writeln!(
                table,
                "| {} {} | {} | {} | {latency} | {} |",
                subject.name,
                subject.version,
                subject.language,
                cell(subject.hits_per_s.as_ref(), |it| short(*it)),
                cell(subject.keys_per_s.as_ref(), |it| short(*it)),
            );
        }
        table
    }

    /// What each does in each case: stale of trials, and with `times` how long until it was right.
    pub(crate) fn scoreboard(&self, times: bool) -> String {
        let cases = self.cases();
        let titles =
            cases.iter().map(|case| case.replace('-', " ")).collect::<Vec<_>>().join(" | ");
        let mut table = format!("| | {titles} |\n| --- |{}\n", " ---: |".repeat(cases.len()));
        for subject in &self.subjects {
            let _ = write!(table, "| {} |", subject.name);
            for case in &cases {
                let line = subject.scoreboard.iter().find(|line| line.case == *case);
                let _ = write!(table, " {} |", line.map_or("–".to_owned(), |it| it.cell(times)));
            }
            table.push('\n');
        }
        table
    }

    /// What a reader should know of each library.
    pub(crate) fn notes(&self) -> String {
        let mut list = String::new();
        for subject in self.subjects.iter().filter(|subject| !subject.notes.is_empty()) {
            let _ = writeln!(list, "- {}: {}.", subject.name, subject.notes.join("; "));
        }
        list
    }

    /// Hits, latencies and keys as bars.
    pub(crate) fn plots(&self) -> Vec<(&'static str, Plot)> {
        let plot = |title: &str, unit: &str, value: fn(&Subject) -> Option<f64>| {
            let bars = self.subjects.iter().filter_map(|subject| {
                let length = value(subject)?;
                let is_ours = subject.name == OURS;
                let kind = if is_ours { Kind::Ours } else { Kind::Other };
                let value = short(length);
                Some(Bar { label: subject.name.clone(), kind, length, value })
            });
            Plot {
                title: title.to_owned(),
                length: unit.to_owned(),
                unit: unit.to_owned(),
                panels: vec![Panel { title: String::new(), bars: bars.collect() }],
            }
        };
        let latency = |it: &Subject| value(it.latency_us.as_ref()).map(|it| it.p50);
        vec![
            ("hits", plot("Hits on one thread", "hits/s", |it| value(it.hits_per_s.as_ref()))),
            ("latency", plot("Invalidation, A → B, median", "µs", latency)),
            (
                "keys",
                plot("Keys invalidated elsewhere", "keys/s", |it| value(it.keys_per_s.as_ref())),
            ),
        ]
    }

    /// All cases, in the order in which the first library meets them.
    fn cases(&self) -> Vec<&str> {
        let mut cases: Vec<&str> = Vec::new();
        for line in self.subjects.iter().flat_map(|subject| &subject.scoreboard) {
            if !cases.contains(&line.case.as_str()) {
                cases.push(&line.case);
            }
        }
        cases
    }
}

impl Line {
    fn cell(&self, times: bool) -> String {
        if let Some(why) = &self.unsupported {
            return if times { why.clone() } else { "–".to_owned() };
        }
        let Self { trials, stale, never, unanswered, .. } = self;
        let mut cell =
            if *stale > 0 { format!("**{stale}**/{trials}") } else { format!("0/{trials}") };
        if times {
            if let Some(UntilRight { median, max }) = self.until_right_ms {
                let _ = write!(cell, "; {} ms, at most {}", readable(median), readable(max));
            }
            if never == trials {
                return cell + "; never right";
            }
            for (count, what) in [(never, "never right"), (unanswered, "unanswered")] {
                if *count > 0 {
                    let _ = write!(cell, "; {count} {what}");
                }
            }
        }
        cell
    }
}

fn value<T: Copy>(measured: Option<&Measured<T>>) -> Option<T> {
    match measured {
        Some(Measured::Value(value)) => Some(*value),
        _ => None,
    }
}

fn cell<T>(measured: Option<&Measured<T>>, show: impl Fn(&T) -> String) -> String {
    match measured {
        Some(Measured::Value(value)) => show(value),
        Some(Measured::Not { unsupported }) => unsupported.clone(),
        None => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn peers() -> Done<Peers> {
        let line = |case: &str, stale: usize| {
            json!({ "case": case, "trials": 200, "stale": stale, "never": stale,
                    "until_right_ms": { "median": 1.3, "max": 278.7 }, "unanswered": 0 })
        };
        Ok(serde_json::from_value(json!({
            "trials": 200, "redis": "7.0.15",
            "subjects": [
                {
                    "name": "unstale", "version": "0.1.0", "language": "Rust", "kind": "loading", "notes": ["a", "b"],
                    "hits_per_s": 27_066_294.7, "latency_us": { "p50": 45.0, "p99": 126.8 }, "keys_per_s": 1.5e6,
                    "scoreboard": [line("key-during-load", 0), line("subscriber-cut", 0)],
                },
                {
                    "name": "other", "version": "1.2", "language": "Java", "kind": "loading", "notes": [],
                    "hits_per_s": { "unsupported": "no hits" }, "latency_us": null, "keys_per_s": 12.0,
                    "scoreboard": [
                        line("key-during-load", 7),
                        { "case": "subscriber-cut", "trials": 0, "stale": 0, "until_right_ms": null, "never": 0,
                          "unanswered": 0, "unsupported": "one process" },
                    ],
                },
            ],
        }))?)
    }

    #[test]
    fn what_a_library_lacks_is_said_in_its_cell() -> Done {
        let peers = peers()?;
        let speeds = peers.speeds();
        assert!(
            speeds.contains("| unstale 0.1.0 | Rust | 27.1M | 45 / 127 µs | 1.5M |\n"),
            "{speeds}"
        );
        assert!(speeds.contains("| other 1.2 | Java | no hits | – | 12 |\n"), "{speeds}");
        let scoreboard = peers.scoreboard(true);
        assert!(scoreboard.starts_with("| | key during load | subscriber cut |\n"), "{scoreboard}");
        assert!(scoreboard.contains("| unstale | 0/200; 1.3 ms, at most 279 |"), "{scoreboard}");
        let other = "| other | **7**/200; 1.3 ms, at most 279; 7 never right | one process |\n";
        assert!(scoreboard.ends_with(other), "{scoreboard}");
        assert!(peers.scoreboard(false).ends_with("| other | **7**/200 | – |\n"));
        assert_eq!(peers.stale(), Some((0, 400)));
        assert_eq!(peers.notes(), "- unstale: a; b.\n");
        let bars: Vec<usize> =
            peers.plots().iter().map(|(_, plot)| plot.panels[0].bars.len()).collect();
        assert_eq!(bars, [1, 1, 2]);
        Ok(())
    }
}
