//! Runs batches, writes what came of them, and says it.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::time::Duration;

use super::args::{Args, What};
use super::batch::Batch;
use super::files::{Files, to_json};
use super::progress::Progress;
use super::{Error, Exit, summary};
use crate::attempt::attempt;
use crate::pool::in_order;
use crate::report::assemble::{Assembly, Failure, Shown};
use crate::report::{Comparison, Report, html};
use crate::run::Options;
use crate::shrink::shrink;
use crate::tiers::{CannotRun, Tier};

/// Runs that shrinking may take.
const MOST_SHRINKING_RUNS: usize = 2_000;
/// The same where a run takes seconds.
const MOST_SLOW_SHRINKING_RUNS: usize = 200;

pub(super) fn run(args: &Args, batches: &[Batch]) -> Result<Exit, Error> {
    let driven = drive(args, batches, |_| ControlFlow::Continue(()))?;
    conclude(args, batches, driven, Vec::new())
}

/// What came of all runs.
#[derive(Debug)]
pub(super) struct Driven {
    pub(super) assembly: Assembly,
    pub(super) wall: Duration,
    /// Batches that could not be run, and why.
    pub(super) skipped: Vec<(usize, CannotRun)>,
}

/// Runs everything, until `go_on` breaks: it is asked after each run.
pub(super) fn drive(
    args: &Args,
    batches: &[Batch],
    mut go_on: impl FnMut(&Assembly) -> ControlFlow<()>,
) -> Result<Driven, Error> {
    let jobs: Vec<(usize, u64)> = batches
        .iter()
        .enumerate()
        .flat_map(|(index, batch)| batch.seeds.clone().map(move |seed| (index, seed)))
        .collect();
    let files = Files::open(&args.out)?;
    let progress = Progress::new(Some(jobs.len() as u64));
    let options = Options { lines: args.traces || jobs.len() == 1 };
    let mut driven =
        Driven { assembly: Assembly::default(), wall: Duration::ZERO, skipped: Vec::new() };
    let mut written = Ok(());
    let begin = now();
    let work = |job: usize| {
        let (index, seed) = jobs[job];
        let batch = &batches[index];
        let plan = batch.plan(seed);
        let attempt = attempt(batch.tier, batch.transport, &plan, options);
        (plan, attempt)
    };
    in_order(jobs.len(), work, |job, (plan, attempt)| {
        let (index, seed) = jobs[job];
        progress.step(batches[index].describe());
        match attempt {
            Ok(attempt) => {
                let lines = attempt.outcome.as_ref().and_then(|outcome| outcome.lines.as_ref());
                if let Some(lines) = lines.filter(|_| args.traces) {
                    written = files.text(&format!("trace-{index}-{seed}.jsonl"), lines);
                }
                driven.assembly.absorb(index, plan, attempt);
            }
            Err(error) => {
                if driven.skipped.last().is_none_or(|(last, _)| *last != index) {
                    driven.skipped.push((index, error));
                }
            }
        }
        if written.is_err() { ControlFlow::Break(()) } else { go_on(&driven.assembly) }
    });
    written?;
    driven.wall = begin.elapsed_now();
    match driven.skipped.pop() {
        Some((_, error)) if driven.assembly.shown().is_none() => Err(error.into()),
        last => {
            driven.skipped.extend(last);
            Ok(driven)
        }
    }
}

/// Writes the files, and says what came of it. The last lines are for who has to repair it.
pub(super) fn conclude(
    args: &Args,
    batches: &[Batch],
    driven: Driven,
    comparison: Vec<Comparison>,
) -> Result<Exit, Error> {
    let Driven { assembly, wall, skipped } = driven;
    let mutant = args.mutant.as_deref();
    let files = Files::open(&args.out)?;
    let mut report = assembly.report(wall.as_secs_f64());
    report.comparison = comparison;
    report.title = title(batches, mutant);
    report.configuration = configuration(batches, mutant, &skipped, &assembly);
    report.reproduce = match (assembly.failure(), batches) {
        (Some(failure), _) => batches[failure.batch].command(failure.seed, mutant),
        (None, [batch]) => batch.whole_command(mutant),
        (None, _) if args.what == What::Nightly => "cargo xtask sim --nightly".to_owned(),
        (None, _) => "cargo xtask sim".to_owned(),
    };
    if let Some(shown) = assembly.shown() {
        write_shown(&files, &batches[shown.batch], shown)?;
    }
    files.remove("shrunk-plan.json")?;
    let failure = assembly.failure().cloned();
    if let (Some(failure), Some(shown), true) = (&failure, assembly.shown(), args.shrink) {
        report.reproduce = shrink_to(&files, &batches[failure.batch], failure, shown, mutant)?;
    }
    files.json("report.json", &report)?;
    files.text("report.html", &html::page(&report))?;
    say(args, &files, &report, &skipped, batches, failure.as_ref())?;
    Ok(report.verdict.outcome.into())
}

fn say(
    args: &Args,
    files: &Files<'_>,
    report: &Report,
    skipped: &[(usize, CannotRun)],
    batches: &[Batch],
    failure: Option<&Failure>,
) -> Result<(), Error> {
    if args.json {
        std::io::stdout().lock().write_all(to_json(report)?.as_bytes())?;
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    summary::write(&mut out, report)?;
    if args.what == What::Nightly {
        summary::write_empty_cells(&mut out, &report.coverage)?;
    }
    for (index, error) in skipped {
        writeln!(out, "Left out: {}: {error}", batches[*index].describe())?;
    }
    writeln!(out, "Report: {}", files.path("report.html").display())?;
    if let Some(failure) = failure {
        summary::write_failure(&mut out, failure, &report.reproduce)?;
    }
    Ok(())
}

/// The plan and the trace of the run that the timeline shows.
fn write_shown(files: &Files<'_>, batch: &Batch, shown: &Shown) -> Result<(), Error> {
    files.json("plan.json", &shown.plan)?;
    let again;
    let lines = match &shown.lines {
        Some(lines) => Some(lines),
        None => {
            // Most runs keep no lines. The same plan gives the same ones.
            again = attempt(batch.tier, batch.transport, &shown.plan, Options { lines: true })?;
            again.outcome.as_ref().and_then(|outcome| outcome.lines.as_ref())
        }
    };
    match lines {
        Some(lines) => files.text("trace.jsonl", lines),
        // It panicked.
        None => files.remove("trace.jsonl"),
    }
}

/// Shrinks the plan of a failure. Returns the command that repeats what is left.
fn shrink_to(
    files: &Files<'_>,
    batch: &Batch,
    failure: &Failure,
    shown: &Shown,
    mutant: Option<&str>,
) -> Result<String, Error> {
    let most_runs =
        if batch.tier == Tier::Two { MOST_SHRINKING_RUNS } else { MOST_SLOW_SHRINKING_RUNS };
    let progress = Progress::new(None);
    let shrunk = shrink(
        shown.plan.clone(),
        failure.violation.clone(),
        most_runs,
        &mut |plan| {
            let attempt = attempt(batch.tier, batch.transport, plan, Options::default());
            attempt.ok().and_then(|attempt| attempt.violation)
        },
        &mut |plan, runs| {
            let nodes = plan.topology.nodes;
            let (entries, s) = (plan.entries(), plan.duration_ms as f64 / 1e3);
            progress.at(runs as u64, format!("runs: {entries} entries, {nodes} nodes, {s} s"));
        },
    );
    drop(progress);
    files.json("shrunk-plan.json", &shrunk.plan)?;
    let mut err = std::io::stderr().lock();
    writeln!(
        err,
        "Shrunk from {} to {} entries, {} nodes, {} ms, in {} runs.",
        shown.plan.entries(),
        shrunk.plan.entries(),
        shrunk.plan.topology.nodes,
        shrunk.plan.duration_ms,
        shrunk.runs
    )?;
    Ok(batch.plan_command(&files.path("shrunk-plan.json"), mutant))
}

fn title(batches: &[Batch], mutant: Option<&str>) -> String {
    let what = match batches {
        [batch] => batch.describe(),
        _ => "all tiers".to_owned(),
    };
    match mutant {
        Some(name) => format!("{what}, mutant {name}"),
        None => what,
    }
}

fn configuration(
    batches: &[Batch],
    mutant: Option<&str>,
    skipped: &[(usize, CannotRun)],
    assembly: &Assembly,
) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    for (index, batch) in batches.iter().enumerate() {
        let mut words = batch.describe();
        if let Some((_, error)) = skipped.iter().find(|(skipped, _)| *skipped == index) {
            words = format!("{words}: left out, {error}");
        }
        rows.push((format!("batch {index}"), words));
    }
    rows.extend(mutant.map(|name| ("mutant".to_owned(), name.to_owned())));
    if let Some(shown) = assembly.shown() {
        let topology = &shown.plan.topology;
        rows.push((
            "timeline".to_owned(),
            format!(
                "seed {} of batch {}: {} nodes, {}, {} rows",
                shown.plan.seed, shown.batch, topology.nodes, topology.mode, topology.keys
            ),
        ));
    }
    rows.push(("digest of all traces".to_owned(), format!("{:016x}", assembly.digest())));
    rows
}

/// A moment on the wall.
struct Moment(std::time::Instant);

#[expect(
    clippy::disallowed_methods,
    reason = "how long it takes is shown beside the results, and decides none"
)]
fn now() -> Moment {
    Moment(std::time::Instant::now())
}

impl Moment {
    fn elapsed_now(&self) -> Duration {
        now().0.duration_since(self.0)
    }
}
