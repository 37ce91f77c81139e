//! `cargo xtask sim-figures`: runs the simulator, and writes what the documents show of it.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::marks::put;
use crate::shell::{cargo, output, run, shown, workspace};
use crate::{Done, sim};

/// What can be written anew by itself, under its name.
type Part = (&'static str, fn() -> Done);

/// In the order of the time that they take.
const PARTS: [Part; 4] =
    [("timeline", timeline), ("comparison", comparison), ("speed", speed), ("mutants", mutants)];

const SIMULATION: &str = "docs/simulation.md";
const README: &str = "README.md";
const TIMELINE: &str = "docs/simulation-timeline.svg";

/// The run that the image shows: much goes wrong in it, and it still fits on a page.
const SHOWN: [&str; 6] = ["--tier", "2", "--profile", "storm", "--seed", "5"];

/// Runs the simulator so that its speed says something: the tier, the nodes, the seconds. Two seeds, one on each core.
/// The start of a thousand nodes is the work of half a minute of what follows.
const SPEEDS: [(&str, &str, &str); 3] =
    [("1", "16", "10"), ("2", "1000", "10"), ("2", "1000", "120")];

/// Writes these parts anew; all of them if none is named.
pub(crate) fn write(parts: &[String]) -> Done {
    let names = PARTS.map(|(name, _)| name);
    if let Some(unknown) = parts.iter().find(|part| !names.contains(&part.as_str())) {
        return Err(format!("no such part: {unknown}; {}", names.join(", ")).into());
    }
    for (name, write) in PARTS {
        if parts.is_empty() || parts.iter().any(|part| part == name) {
            write()?;
        }
    }
    Ok(())
}

fn timeline() -> Done {
    let out = simulate("timeline", &SHOWN, &[0])?;
    let mut draw = cargo(&[
        "run",
        "--release",
        "--quiet",
        "--package",
        "unstale-sim",
        "--example",
        "timeline",
    ]);
    run(draw.arg("--").arg(out.join("report.json")).arg(workspace().join(TIMELINE)))
}

fn comparison() -> Done {
    let out = simulate("comparison", &["--compare"], &[0])?;
    let table = comparison_table(&report(&out)?)?;
    for document in [SIMULATION, README] {
        put(document, "comparison", &table)?;
    }
    Ok(())
}

fn comparison_table(report: &Value) -> Done<String> {
    let mut table = String::from(
        "| mode | reads | hits | stale reads | largest staleness | latency p50 | p99.9 |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let rows = report["comparison"].as_array().filter(|rows| rows.len() == 3);
    for row in rows.ok_or("the report compares nothing")? {
        writeln!(
            table,
            "| {} | {} | {:.1} % | {} | {:.0} ms | {:.0} ms | {:.0} ms |",
            row["mode"].as_str().ok_or("a row of the comparison has no mode")?,
            number(row, "reads")?,
            100.0 * number(row, "hit_ratio")?,
            number(row, "stale")?,
            number(row, "largest_staleness_ms")?,
            number(row, "latency_p50_ms")?,
            number(row, "latency_p999_ms")?,
        )?;
    }
    Ok(table)
}

fn speed() -> Done {
    let mut rows = Vec::new();
    for (tier, nodes, duration) in SPEEDS {
        let calm = ["--tier", tier, "--profile", "calm", "--seeds", "0..2"];
        let size = ["--nodes", nodes, "--duration", duration];
        let out = simulate(
            &format!("speed-{tier}-{nodes}-{duration}"),
            &[&calm[..], &size[..]].concat(),
            &[0],
        )?;
        rows.push((tier, nodes, duration, report(&out)?));
    }
    let commit = output(Command::new("git").args(["rev-parse", "--short", "HEAD"]))?;
    let mut text = format!(
        "Two calm runs at a time, on two cores; at commit {}.\n\n\
         | tier | nodes | simulated seconds of each | simulated seconds a second | node-seconds a second |\n\
         | --- | ---: | ---: | ---: | ---: |\n",
        commit.trim()
    );
    for (tier, nodes, duration, report) in &rows {
        let speed = &report["speed"];
        let (ratio, node_seconds) = (number(speed, "ratio")?, number(speed, "node_seconds_per_s")?);
        writeln!(text, "| {tier} | {nodes} | {duration} | {ratio:.1} | {node_seconds:.0} |")?;
    }
    put(SIMULATION, "speed", &text)
}

fn mutants() -> Done {
    let out = folder("mutants");
    let table = out.join("mutants.md");
    // One of another time is none.
    if table.exists() {
        fs::remove_file(&table)?;
    }
    // With 1 some have survived; the table says which.
    simulate("mutants", &["--mutant", "all"], &[0, 1])?;
    put(SIMULATION, "mutants", &fs::read_to_string(&table)?)
}

fn folder(name: &str) -> PathBuf {
    workspace().join("target/sim-figures").join(name)
}

/// Runs the simulator, which ends with one of these codes; returns where it has written.
pub(crate) fn simulate(name: &str, arguments: &[&str], codes: &[i32]) -> Done<PathBuf> {
    let out = folder(name);
    let mut arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    arguments.extend(["--out".into(), out.clone().into()]);
    let mut command = sim::command(&arguments)?;
    eprintln!("xtask: {}", shown(&command));
    let status = command.current_dir(workspace()).status()?;
    match status.code() {
        Some(code) if codes.contains(&code) => Ok(out),
        _ => Err(format!("failed ({status}): {}", shown(&command)).into()),
    }
}

pub(crate) fn report(out: &Path) -> Done<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(out.join("report.json"))?)?)
}

pub(crate) fn number(row: &Value, name: &str) -> Done<f64> {
    Ok(row[name].as_f64().ok_or_else(|| format!("the report has no {name}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marks::replaced;

    #[test]
    fn every_document_has_its_marks() -> Done {
        for (document, name) in [
            (SIMULATION, "comparison"),
            (SIMULATION, "speed"),
            (SIMULATION, "mutants"),
            (README, "comparison"),
        ] {
            let text = fs::read_to_string(workspace().join(document))?;
            replaced(&text, name, "new").map_err(|error| format!("{document}: {error}"))?;
        }
        assert!(workspace().join(TIMELINE).exists());
        Ok(())
    }

    #[test]
    fn a_part_that_is_not_there_is_refused() {
        let error = write(&["spede".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("spede") && error.contains("comparison"), "{error}");
    }

    #[test]
    fn a_comparison_has_its_figures() -> Done {
        let row = serde_json::json!({
            "mode": "naive", "reads": 1000, "hit_ratio": 0.984, "stale": 12,
            "largest_staleness_ms": 4321.4, "latency_p50_ms": 3.6, "latency_p999_ms": 18.0,
        });
        let table = comparison_table(&serde_json::json!({ "comparison": [row, row, row] }))?;
        let last = table.lines().last();
        assert_eq!(last, Some("| naive | 1000 | 98.4 % | 12 | 4321 ms | 4 ms | 18 ms |"));
        assert!(comparison_table(&serde_json::json!({})).is_err());
        Ok(())
    }
}
