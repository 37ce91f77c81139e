//! `cargo xtask instructions`: how many instructions a hit, a fill, an invalidation and a received key cost, counted by
//! callgrind, and whether that is more than it may be.
//!
//! A count does not depend on what else the machine does, so it can be a test. The program `instructions` of the benches
//! is run twice, doing an operation so often and twice as often: the difference is the operation's own.

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
    /// What the engine itself does at the same, and how many times as many instructions ours may be.
    beside: Option<(&'static str, f64)>,
}

const fn limit(operation: &'static str, most: f64) -> Limit {
    Limit { operation, most, beside: None }
}

impl Limit {
    const fn beside(self, floor: &'static str, times: f64) -> Self {
        Self { beside: Some((floor, times)), ..self }
    }
}

/// About a tenth above what was counted when they were set: compilers differ. Lower them when something was saved.
const LIMITS: [Limit; 13] = [
    limit("floor-get", 1e9),
    limit("floor-insert", 1e9),
    limit("floor-remove", 1e9),
    limit("get", 1e9).beside("floor-get", 1e9),
    limit("get-expiring-tagged", 1e9).beside("floor-get", 1e9),
    limit("get-or-load", 1e9).beside("floor-get", 1e9),
    limit("fill", 1e9).beside("floor-insert", 1e9),
    limit("fill-tagged", 1e9).beside("floor-insert", 1e9),
    limit("load", 1e9).beside("floor-insert", 1e9),
    limit("invalidate", 1e9).beside("floor-remove", 1e9),
    limit("invalidate-many", 1e9).beside("floor-remove", 1e9),
    limit("invalidate-tag", 1e9),
    limit("receive", 1e9).beside("floor-remove", 1e9),
];

/// Counts all of it, prints it, and names everything that is beyond its limit.
pub(crate) fn check() -> Done {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("xtask: NOT counted: the limits of instructions are those of x86-64");
        return Ok(());
    }
    let counter = Counter { valgrind: valgrind::program()?, program: build()? };
    let mut counted: Vec<(&str, f64)> = Vec::new();
    let mut beyond = Vec::new();
    for limit in &LIMITS {
        let each = counter.each(limit.operation)?;
        counted.push((limit.operation, each));
        let floor = limit.beside.and_then(|(floor, most)| {
            let (_, floor) = counted.iter().find(|(operation, _)| *operation == floor)?;
            Some((each / floor, most))
        });
        let line = line(limit, each, floor);
        println!("{line}");
        if each > limit.most || floor.is_some_and(|(times, most)| times > most) {
            beyond.push(line);
        }
    }
    if beyond.is_empty() {
        return Ok(());
    }
    Err(format!("more instructions than there may be:\n{}", beyond.join("\n")).into())
}

fn line(limit: &Limit, each: f64, floor: Option<(f64, f64)>) -> String {
    let operation = limit.operation;
    let mut line = format!("{operation:<20} {each:>8.1} instructions of {:>6} at most", limit.most);
    if let Some((times, most)) = floor {
        line += &format!(", {times:>5.2}× the engine's of {most:>5.2}× at most");
    }
    line
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
        let results = workspace().join("target/callgrind.out");
        let mut command = Command::new(&self.valgrind);
        command.arg("--tool=callgrind").arg(out_file(&results)).arg(&self.program);
        command.args([operation, &count.to_string()]);
        let done = command.output()?;
        if !done.status.success() {
            let errors = String::from_utf8_lossy(&done.stderr);
            return Err(format!("failed: {}\n{}", shown(&command), errors.trim_end()).into());
        }
        summary(&std::fs::read_to_string(&results)?)
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
    fn what_an_operation_is_compared_with_is_counted_before() {
        let place = |name: &str| LIMITS.iter().position(|limit| limit.operation == name);
        for limit in &LIMITS {
            if let Some((floor, _)) = limit.beside {
                assert!(place(floor) < place(limit.operation), "{}", limit.operation);
            }
        }
    }
}
