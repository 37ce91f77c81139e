//! The program as it is called: what it says, what it writes, what it ends with.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::path::Path;
use std::process::{Command, Output};

use unstale_sim::plan::Plan;
use unstale_sim::report::{Outcome, Report};

fn run(out: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_unstale-sim"))
        .args(arguments)
        .arg("--out")
        .arg(out)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn what_holds_ends_with_0_and_leaves_a_report() {
    let out = tempfile::tempdir().unwrap();
    let output = run(out.path(), &["--profile", "storm", "--seeds", "0..2"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("all guarantees held in 2 runs"));
    assert!(output.stderr.is_empty(), "no progress where nobody looks on");
    let report: Report = read(&out.path().join("report.json"));
    assert_eq!(report.verdict.outcome, Outcome::Held);
    assert_eq!(report.reproduce, "cargo xtask sim --tier 2 --profile storm --seeds 0..2");
    let plan: Plan = read(&out.path().join("plan.json"));
    assert_eq!((plan.seed, report.timeline.seed), (0, 0));
    let page = std::fs::read_to_string(out.path().join("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("all guarantees held"));
    let trace = std::fs::read_to_string(out.path().join("trace.jsonl")).unwrap();
    assert!(trace.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}

/// Naive nodes break what they are not meant to hold: a failure on demand.
#[test]
fn what_breaks_ends_with_the_command_that_shows_it_again() {
    let out = tempfile::tempdir().unwrap();
    let broken = ["--profile", "storm", "--freshness", "naive", "--seeds", "0..3"];
    let output = run(out.path(), &broken);
    let report: Report = read(&out.path().join("report.json"));
    let code = if report.verdict.outcome == Outcome::Broken { 1 } else { 3 };
    assert_eq!(output.status.code(), Some(code));
    let text = said(&output);
    let last = text.lines().last().unwrap();
    let command = last.strip_prefix("Reproduce: cargo xtask sim ").unwrap();
    assert!(command.contains("--freshness naive --seed "), "{command}");
    let violated = report.guarantees.iter().find(|row| row.broken > 0).unwrap();
    assert!(text.lines().rev().nth(2).unwrap().contains(" was broken at "), "{text}");
    assert!(violated.first.is_some());

    // The command does what it says.
    let again = tempfile::tempdir().unwrap();
    let output = run(again.path(), &command.split(' ').collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(code));
    let tail = |text: &str| text.lines().rev().take(3).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(tail(&said(&output)), tail(&text));
    let trace = |at: &Path| std::fs::read_to_string(at.join("trace.jsonl")).unwrap();
    assert!(trace(out.path()) == trace(again.path()));

    // And so does the plan.
    let plan = out.path().join("plan.json");
    let output = run(again.path(), &["--plan", plan.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(code));
    assert!(trace(out.path()) == trace(again.path()));
}

#[test]
fn a_shrunk_plan_is_written_and_runs() {
    let out = tempfile::tempdir().unwrap();
    let broken = ["--profile", "storm", "--freshness", "naive", "--seeds", "0..4", "--shrink"];
    let output = run(out.path(), &broken);
    let code = output.status.code();
    assert!(matches!(code, Some(1 | 3)), "{code:?}");
    let path = out.path().join("shrunk-plan.json");
    let plan: Plan = read(&path);
    assert!(plan.entries() <= 15, "{}", plan.entries());
    let text = said(&output);
    let expected = format!("Reproduce: cargo xtask sim --tier 2 --plan {}", path.display());
    assert_eq!(text.lines().last(), Some(expected.as_str()));
    let output = run(out.path(), &["--plan", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), code);
}

#[test]
fn with_json_nothing_else_is_said() {
    let out = tempfile::tempdir().unwrap();
    let output = run(out.path(), &["--profile", "storm", "--seed", "7", "--json"]);
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report.verdict.runs, 1);
    assert!(read::<Report>(&out.path().join("report.json")) == report);
}

#[test]
fn a_comparison_has_a_row_for_each_mode() {
    let out = tempfile::tempdir().unwrap();
    let output = run(out.path(), &["--compare", "--seed", "0", "--nodes", "8", "--duration", "10"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let report: Report = read(&out.path().join("report.json"));
    let modes: Vec<_> = report.comparison.iter().map(|row| row.mode.as_str()).collect();
    assert_eq!(modes, ["Within(500 ms)", "Eventual", "naive"]);
    let [within, eventual, naive] = &report.comparison[..] else { panic!("three rows") };
    assert!(within.largest_staleness_ms <= 500.0, "{within:?}");
    assert!(eventual.largest_staleness_ms > 500.0, "{eventual:?}");
    assert!(naive.largest_staleness_ms > 500.0, "{naive:?}");
    assert!(said(&output).contains("| naive | "));
}

#[test]
fn what_makes_no_sense_ends_with_2_and_a_remedy() {
    let out = tempfile::tempdir().unwrap();
    let output = run(out.path(), &["--tier", "7"]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("--tier 7") && error.contains("1, 2 or 3"), "{error}");
    assert!(output.stdout.is_empty());
    let taken = out.path().join("file");
    std::fs::write(&taken, "").unwrap();
    let output = run(&taken, &["--seed", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("choose --out"));
    let output = run(out.path(), &["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(said(&output).contains("--freshness MODE"));
}
