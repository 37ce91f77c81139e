//! The tables in `docs/exhaustive.md`: what a run found must be what they say.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Visited;
use super::broker::Budget;
use super::configurations::Configuration;
use super::frames::NODES;
use super::properties;

/// One test at a time reads and writes the file.
static FILE: Mutex<()> = Mutex::new(());

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("the document: {error}"))
}

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/exhaustive.md")
}

/// Compares the lines of a table with those between its two comments in the document, or writes them there.
pub(crate) fn check(table: &str, lines: &[String]) {
    let path = document();
    let _one_at_a_time = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let document = read(&path);
    let (begin, end) = (format!("<!-- {table} -->\n"), format!("<!-- end of {table} -->"));
    let parts = document.split_once(&begin).and_then(|(before, rest)| {
        let (lines, after) = rest.split_once(&end)?;
        Some((before, lines, after))
    });
    let Some((before, documented, after)) = parts else {
        panic!("the document has no table of {table}");
    };
    // The two lines of its head are the document's own.
    let head: String = documented.lines().take(2).map(|line| format!("{line}\n")).collect();
    let rows: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let found = format!("{head}{rows}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let document = format!("{before}{begin}{found}{end}{after}");
        std::fs::write(&path, document).unwrap_or_else(|error| panic!("the document: {error}"));
    } else {
        assert_eq!(documented, found, "other figures of {table}: see them with UPDATE_DOCS=1");
    }
}

pub(crate) fn of_configurations(
    configurations: &[Configuration],
    visited: &[Visited],
) -> Vec<String> {
    let row = |(it, visited): (&Configuration, &Visited)| {
        let reached: Vec<_> = visited.reached.iter().map(|at| (at + 1).to_string()).collect();
        format!(
            "| {} | {} | {} | {} | {} | {} |",
            it.name,
            it.what,
            bounds(it),
            grouped(visited.states),
            visited.steps,
            reached.join(" "),
        )
    };
    configurations.iter().zip(visited).map(row).collect()
}

/// With a comma between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The bounds in words.
fn bounds(configuration: &Configuration) -> String {
    let model = &configuration.model;
    let Budget { writes, loads, fences, beacons, breaks, losses, .. } = model.budget;
    let Budget { errors, control_errors, late, late_control, restarts, .. } = model.budget;
    let names = ["A", "B", "C"];
    let mut words = Vec::new();
    let each = [
        ("writes", writes),
        ("beacons", beacons),
        ("loads", loads),
        ("fences", fences),
        ("cuts", breaks),
        ("losses", losses),
    ];
    for (what, of_nodes) in each {
        let nodes = (0..NODES).filter(|node| of_nodes[*node] > 0);
        let nodes: Vec<_> =
            nodes.map(|node| format!("{}{}", names[node], of_nodes[node])).collect();
        if !nodes.is_empty() {
            words.push(format!("{what} {}", nodes.join(" ")));
        }
    }
    let all = [
        ("errors", errors),
        ("control errors", control_errors),
        ("late", late),
        ("late control", late_control),
        ("restarts", restarts),
    ];
    words.extend(all.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{what} {n}")));
    let flags = [
        (!model.warm, "cold"),
        (model.frame_fences, "frame fences"),
        (model.lossy_control, "control frames can be lost"),
        (model.late_results, "results after echoes"),
        (model.answered, "no sync deadline"),
    ];
    words.extend(flags.iter().filter(|(is, _)| *is).map(|(_, what)| (*what).to_owned()));
    let prompt: Vec<_> = (0..model.nodes).filter(|node| model.prompt[*node]).collect();
    if !prompt.is_empty() {
        let prompt: Vec<_> = prompt.into_iter().map(|node| names[node]).collect();
        words.push(format!("prompt {}", prompt.join(" ")));
    }
    words.join(", ")
}

#[test]
fn every_property_is_documented() {
    let _one_at_a_time = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let document = read(&document());
    for property in properties::of_what_is_served().iter().chain(&properties::of_the_parts()) {
        let stated = format!("- **{}**", property.name);
        assert!(document.contains(&stated), "{} is not stated", property.name);
    }
    for (name, number) in properties::REACHED.iter().zip(1..) {
        assert!(
            document.contains(&format!("\n{number}. {name}:")),
            "{name} is not number {number}"
        );
    }
}
