//! `cargo xtask instructions`: how many instructions a hit, a fill, an invalidation and a received key cost, counted by
//! callgrind, and whether that is more than it may be.
//!
//! A count does not depend on what else the machine does, so it can be a test. The program `instructions` of the benches
//! is run twice, doing an operation so often and twice as often: the difference is the operation's own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::shell::{cargo, output, shown, workspace};
use crate::{Done, valgrind};

/// How often each operation is done, and then twice as often.
const COUNT: u64 = 5_000;

/// What an operation may cost.
struct Limit {
    operation: &'static str,
    /// Instructions, on x86-64.
    most: f64,
    /// How many times as many as the floor may be.
    times: f64,
    /// What the engine does by itself for the same.
    floor: &'static str,
}

/// A row of the table.
const fn limit(operation: &'static str, most: f64, times: f64, floor: &'static str) -> Limit {
    Limit { operation, most, times, floor }
}

/// About a tenth above what was counted when they were set: compilers differ. Lower them when something was saved.
const LIMITS: [Limit; 11] = [
    limit("get", 264.0, 2.9, "floor-get"),
    limit("get-absent", 495.0, 5.4, "floor-get"),
    limit("get-expiring-tagged", 307.0, 3.3, "floor-get"),
    limit("get-or-load", 318.0, 3.4, "floor-get"),
    limit("fill", 2_250.0, 6.4, "floor-insert"),
    limit("fill-tagged", 5_030.0, 14.2, "floor-insert"),
    limit("load", 5_950.0, 16.8, "floor-insert"),
    limit("invalidate", 1_455.0, 6.4, "floor-remove"),
    limit("invalidate-many", 1_205.0, 5.3, "floor-remove"),
    limit("invalidate-tag", 1_045.0, 4.6, "floor-remove"),
    limit("receive", 500.0, 2.2, "floor-remove"),
];

/// Counts all of it, prints it, and names everything that is beyond its limit.
pub(crate) fn check() -> Done {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("xtask: NOT counted: the limits of instructions are those of x86-64");
        return Ok(());
    }
    let counter = Counter { valgrind: valgrind::program()?, program: build()? };
    let mut floors = BTreeMap::new();
    let mut beyond = Vec::new();
    for limit in &LIMITS {
        let floor = match floors.get(limit.floor) {
            Some(floor) => *floor,
            None => counter.each(limit.floor)?,
        };
        floors.insert(limit.floor, floor);
        let each = counter.each(limit.operation)?;
        let line = limit.line(each, floor);
        println!("{line}");
        if limit.is_exceeded(each, floor) {
            beyond.push(line);
        }
    }
    if beyond.is_empty() {
        return Ok(());
    }
    Err(format!("more instructions than there may be:\n{}", beyond.join("\n")).into())
}

impl Limit {
    fn is_exceeded(&self, each: f64, floor: f64) -> bool {
        each > self.most || each > floor * self.times
    }

    fn line(&self, each: f64, floor: f64) -> String {
        let Self { operation, most, times, floor: engine } = self;
        let ratio = each / floor;
        format!(
            "{operation:<20} {each:>7.1} instructions (at most {most}), \
             {ratio:>5.2} times the {floor:.1} of {engine} (at most {times})"
        )
    }
}

/// The program's path, built as the benches are.
fn build() -> Done<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        executable: Option<PathBuf>,
    }
    let mut build = cargo(&["build", "--profile", "bench", "--package", "unstale-benches"]);
    build.args(["--features", "protocol", "--bin", "instructions"]);
    build.args(["--message-format", "json-render-diagnostics"]).stderr(Stdio::inherit());
    let messages = output(&mut build)?;
    let mut executables = messages.lines().filter_map(|line| {
        let message: Message = serde_json::from_str(line).ok()?;
        message.executable
    });
    Ok(executables.next_back().ok_or("cargo did not say where it put the program")?)
}

struct Counter {
    valgrind: PathBuf,
    program: PathBuf,
}

impl Counter {
    /// Instructions of one operation.
    fn each(&self, operation: &str) -> Done<f64> {
        let (once, twice) = (self.total(operation, COUNT)?, self.total(operation, 2 * COUNT)?);
        // Whatever it counted: that was not the operation.
        let more = twice.checked_sub(once).filter(|more| *more > COUNT);
        let more = more.ok_or_else(|| format!("{operation}: {once} and {twice} instructions"))?;
        Ok(more as f64 / COUNT as f64)
    }

    fn total(&self, operation: &str, count: u64) -> Done<u64> {
        let results = workspace().join(format!("target/callgrind.{}.out", std::process::id()));
        let mut command = Command::new(&self.valgrind);
        command.arg("--tool=callgrind").arg(out_file(&results)).arg(&self.program);
        command.args([operation, &count.to_string()]);
        let done = command.output()?;
        if !done.status.success() {
            let errors = String::from_utf8_lossy(&done.stderr);
            return Err(format!("failed: {}\n{}", shown(&command), errors.trim_end()).into());
        }
        let total = summary(&fs::read_to_string(&results)?);
        fs::remove_file(&results)?;
        total
    }
}

fn out_file(results: &Path) -> String {
    format!("--callgrind-out-file={}", results.display())
}

/// The instructions of the whole run.
fn summary(results: &str) -> Done<u64> {
    let total = results.lines().rev().find_map(|line| {
        let numbers = line.strip_prefix("summary: ").or_else(|| line.strip_prefix("totals: "))?;
        numbers.split_whitespace().next()?.parse().ok()
    });
    Ok(total.ok_or("callgrind's results have no summary")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_found() -> Done {
        let results = "events: Ir\nsummary: 81\n\nfn=(1)\n3 7\n\ntotals: 81\n";
        assert_eq!(summary(results)?, 81);
        assert!(summary("events: Ir\n").is_err());
        Ok(())
    }

    #[test]
    fn each_limit_is_one() {
        let limit = limit("some", 100.0, 2.0, "floor");
        assert!(!limit.is_exceeded(100.0, 50.0));
        assert!(limit.is_exceeded(101.0, 60.0));
        assert!(limit.is_exceeded(100.0, 49.0));
    }
}
