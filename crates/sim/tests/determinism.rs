//! The same seed, twice, in two processes: the traces are equal byte by byte. All else that the simulator says rests
//! on this.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The same in two processes, which differ in all that a process is born with: hash seeds, addresses, a process id.
fn same(carrier: &[&str], seeds: u64) {
    let directory = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| {
        let out = directory.path().join(name);
        let status = Command::new(env!("CARGO_BIN_EXE_unstale-sim"))
            .args(carrier)
            .args(["--profile", "storm", "--seeds", &seeds.to_string(), "--traces", "--json"])
            .arg("--out")
            .arg(&out)
            .output()
            .unwrap()
            .status;
        assert_eq!(status.code(), Some(0), "{carrier:?}");
        read(&out)
    });
    assert_eq!(
        first.traces.len() as u64,
        seeds + 1,
        "one for each seed, and the one that is shown"
    );
    for (name, trace) in &first.traces {
        assert!(trace.lines().count() > 1_000, "{carrier:?} {name}: {}", trace.lines().count());
        // Not `assert_eq`: nobody reads megabytes.
        let differs = trace.lines().zip(second.traces[name].lines()).position(|(a, b)| a != b);
        assert_eq!(differs, None, "{carrier:?} {name}: line");
        assert!(*trace == second.traces[name], "{carrier:?} {name}: one is longer");
    }
    assert!(!first.digest.is_empty());
    assert_eq!(first.digest, second.digest);
}

struct Written {
    traces: BTreeMap<String, String>,
    digest: String,
}

fn read(out: &Path) -> Written {
    let mut traces = BTreeMap::new();
    for file in std::fs::read_dir(out).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("trace") {
            traces.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
    let report = std::fs::read_to_string(out.join("report.json")).unwrap();
    let report: unstale_sim::report::Report = serde_json::from_str(&report).unwrap();
    let digest = report.configuration.iter().find(|(name, _)| name == "digest of all traces");
    Written { traces, digest: digest.unwrap().1.clone() }
}

#[test]
fn tier_2_repeats_itself() {
    same(&["--tier", "2"], 20);
}

#[test]
fn tier_1_over_redis_repeats_itself() {
    same(&["--tier", "1", "--transport", "redis"], 20);
}

#[test]
fn tier_1_over_the_hub_repeats_itself() {
    same(&["--tier", "1", "--transport", "memory"], 20);
}

#[test]
fn tier_1_over_azure_repeats_itself() {
    same(&["--tier", "1", "--transport", "azure"], 20);
}

#[test]
fn tier_3_over_redis_repeats_itself() {
    same(&["--tier", "3", "--transport", "redis"], 20);
}

#[test]
fn tier_3_over_the_hub_repeats_itself() {
    same(&["--tier", "3", "--transport", "memory"], 20);
}
