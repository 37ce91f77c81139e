//! Runs the benchmarks, and collects what they leave.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::benches::{BENCHES, Bench, Form};
use super::options::Options;
use super::results::Figure;
use super::{criterion, storefront};
use crate::shell::{cargo, run, workspace};
use crate::{Done, redis};

/// The figures of all benchmarks that are asked for.
pub(crate) fn figures(options: &Options) -> Done<Vec<Figure>> {
    let redis_server = redis::server()?;
    let mut figures = Vec::new();
    for bench in BENCHES.iter().filter(|bench| options.wants(bench.name)) {
        let arguments: &[&str] = match (options.quick, bench.quick) {
            (false, _) => &[],
            (true, Some(arguments)) => arguments,
            (true, None) => continue,
        };
        figures.extend(of(bench, arguments, &redis_server)?);
    }
    if options.wants(storefront::NAME) && !options.quick {
        figures.extend(storefront::measure()?);
    }
    Ok(figures)
}

/// Runs one benchmark.
fn of(bench: &Bench, arguments: &[&str], redis_server: &Path) -> Done<Vec<Figure>> {
    // Nothing that an earlier run has left is taken for this one's.
    let criterion_home = workspace().join("target/bench/criterion").join(bench.name);
    let report = workspace().join("target/figures").join(bench.name).with_extension("json");
    if criterion_home.exists() {
        fs::remove_dir_all(&criterion_home)?;
    }
    if report.exists() {
        fs::remove_file(&report)?;
    }
    let mut command = cargo(&["bench", "--package", "unstale-benches", "--bench", bench.name]);
    if let Some(feature) = bench.feature {
        command.args(["--features", feature]);
    }
    command.arg("--").args(arguments);
    command.env("CRITERION_HOME", &criterion_home).env(redis::VARIABLE, redis_server);
    // Its figures are looked for in the workspace's folder.
    command.env_remove("CARGO_TARGET_DIR");
    run(&mut command)?;
    let figures = match bench.form {
        Form::Criterion => criterion::figures(bench.name, &criterion_home)?,
        Form::Report => {
            let text = fs::read_to_string(&report)
                .map_err(|error| format!("{}: {error}", report.display()))?;
            parsed(bench.name, &text)?
        }
    };
    if figures.is_empty() {
        return Err(format!("{} measured nothing", bench.name).into());
    }
    Ok(figures)
}

/// What `Report` of the package `unstale-benches` writes.
fn parsed(bench: &str, text: &str) -> Done<Vec<Figure>> {
    #[derive(Deserialize)]
    struct Report {
        figures: Vec<Reported>,
    }
    #[derive(Deserialize)]
    struct Reported {
        group: String,
        subject: String,
        unit: String,
        value: f64,
    }
    let report: Report = serde_json::from_str(text)?;
    let figures = report.figures.into_iter().map(|Reported { group, subject, unit, value }| {
        Figure { bench: bench.to_owned(), group, subject, unit, value }
    });
    Ok(figures.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::figure;

    #[test]
    fn reports_are_read() -> Done {
        let text =
            r#"{ "figures": [{ "group": "tag", "subject": "one", "unit": "ns", "value": 3.5 }] }"#;
        assert_eq!(parsed("ratios", text)?, [figure("ratios", "tag", "one", "ns", 3.5)]);
        assert!(parsed("ratios", "{}").is_err());
        Ok(())
    }
}
