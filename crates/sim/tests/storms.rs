//! Some seeds of the worst weather in each tier, and of each sequence of faults by itself.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::process::Command;

fn holds(arguments: &[&str]) {
    let out = tempfile::tempdir().unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_unstale-sim"))
        .args(arguments)
        .arg("--out")
        .arg(out.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    // Its last lines have the command that repeats it.
    assert_eq!(run.status.code(), Some(0), "{said}");
    assert!(said.contains("all guarantees held"), "{said}");
}

#[test]
fn forty_storms_over_redis() {
    holds(&["--tier", "1", "--transport", "redis", "--profile", "storm", "--seeds", "40"]);
}

#[test]
fn forty_storms_over_the_hub() {
    holds(&["--tier", "1", "--transport", "memory", "--profile", "storm", "--seeds", "40"]);
}

#[test]
fn two_hundred_storms_of_the_second_tier() {
    holds(&["--tier", "2", "--profile", "storm", "--seeds", "200"]);
}

#[test]
fn ten_storms_of_each_focus() {
    holds(&["--tier", "2", "--focus", "all", "--seeds", "10"]);
}
