//! Which mutants are noticed, by what, and how soon.

mod reach;
mod table;

use std::ffi::OsString;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use self::reach::Reach;
use super::args::Args;
use super::batch::Batch;
use super::files::Files;
use super::progress::Progress;
use super::simulate::{conclude, drive};
use super::{Error, Exit};
use crate::attempt::attempt;
use crate::mutants::{self, Mutant};
use crate::pool::in_order;
use crate::report::Outcome;
use crate::run::Options;

/// A mutant has to be noticed in each of so many ranges of seeds.
const RANGES: u64 = 10;

/// When a mutant was noticed in a range of seeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kill {
    /// Seeds that were run, the one that showed it included.
    seeds: u64,
    /// The guarantee that broke.
    by: String,
}

/// What a child process says of its mutant: for each range, whether and when it was noticed.
type Kills = Vec<Option<Kill>>;

/// What became of a mutant.
#[derive(Debug)]
enum Fate {
    Ran(Kills),
    /// Only the model tests can notice it.
    Models(&'static str),
    /// Its process ended without an answer.
    Ended(String),
}

fn switch_on(args: &Args) -> Result<(), Error> {
    let name = args.mutant.as_deref().unwrap_or_default();
    let remedy = "`cargo xtask sim --mutants` lists them";
    mutants::switch_on(name)
        .map_err(|error| Error::Mutant(format!("--mutant {name}: {error}; {remedy}")))
}

/// Runs one mutant until something notices it.
pub(super) fn hunt(args: &Args, batch: &Batch) -> Result<Exit, Error> {
    switch_on(args)?;
    let driven = drive(args, std::slice::from_ref(batch), |assembly| {
        if assembly.failure().is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    let killed = driven.assembly.outcome() != Outcome::Held;
    conclude(args, std::slice::from_ref(batch), driven, Vec::new())?;
    Ok(if killed { Exit::Broken } else { Exit::Held })
}

/// Runs one mutant in each of the ranges, and says what came of it in one line.
pub(super) fn ranges(args: &Args, batch: &Batch) -> Result<Exit, Error> {
    switch_on(args)?;
    let mut kills: Kills = Vec::new();
    for range in divided(batch) {
        let mut kill = None;
        for (seeds, seed) in (1..).zip(range) {
            let plan = batch.plan(seed);
            let attempt = attempt(batch.tier, batch.transport, &plan, Options::default())?;
            if let Some(violation) = attempt.violation {
                kill = Some(Kill { seeds, by: violation.guarantee });
                break;
            }
        }
        kills.push(kill);
    }
    let line = serde_json::to_string(&kills).map_err(std::io::Error::other)?;
    writeln!(std::io::stdout(), "{line}")?;
    Ok(Exit::Held)
}

/// The seeds in ranges of equal length; what is left over is not run.
fn divided(batch: &Batch) -> impl Iterator<Item = std::ops::Range<u64>> + use<> {
    let start = batch.seeds.start;
    let each = ((batch.seeds.end - start) / RANGES).max(1);
    (0..RANGES).map(move |range| start + range * each..start + (range + 1) * each)
}

/// Runs all mutants, each in a process of its own, and writes the table.
pub(super) fn table(args: &Args, handed_on: &[OsString]) -> Result<Exit, Error> {
    let all = mutants::all();
    if all.is_empty() {
        let what = "--mutant all: this build has no mutants; `cargo xtask sim` makes one that has";
        return Err(Error::Mutant(what.to_owned()));
    }
    let program = std::env::current_exe()?;
    let progress = Progress::new(Some(all.len() as u64));
    let mut rows: Vec<(Mutant, Fate)> = Vec::new();
    let work = |job: usize| fate(&program, all[job], handed_on);
    in_order(all.len(), work, |job, fate| {
        progress.step(all[job].name);
        rows.push((all[job], fate));
        ControlFlow::Continue(())
    });
    drop(progress);
    let text = table::markdown(&rows);
    Files::open(&args.out)?.text("mutants.md", &text)?;
    let mut out = std::io::stdout().lock();
    write!(out, "{text}")?;
    Ok(if table::all_killed(&rows) { Exit::Held } else { Exit::Broken })
}

fn fate(program: &std::path::Path, mutant: Mutant, handed_on: &[OsString]) -> Fate {
    let reach = reach::of(mutant.name);
    let mut command = Command::new(program);
    command.args(["--mutant", mutant.name, "--ranges"]).args(handed_on);
    if let Reach::Models(why) = reach {
        return Fate::Models(why);
    }
    let chosen = |option: &OsString| {
        ["--tier", "--transport", "--profile", "--focus"].iter().any(|it| option == it)
    };
    if !handed_on.iter().any(chosen) {
        command.args(reach.options());
    }
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => return Fate::Ended(error.to_string()),
    };
    match serde_json::from_slice(&output.stdout) {
        Ok(kills) => Fate::Ran(kills),
        Err(_) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().next().unwrap_or("it said nothing");
            Fate::Ended(format!("{}: {said}", output.status))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Profile;

    #[test]
    fn ranges_are_disjoint_and_of_one_length() {
        let batch = Batch::new(Profile::Storm, 100..600);
        let ranges: Vec<_> = divided(&batch).collect();
        assert_eq!(ranges.len(), 10);
        assert_eq!((ranges[0].clone(), ranges[9].clone()), (100..150, 550..600));
        assert!(ranges.windows(2).all(|two| two[0].end == two[1].start));
    }

    #[cfg(not(unstale_mutants))]
    #[test]
    fn an_ordinary_build_says_that_it_has_none() {
        let args = super::super::args::parse(["--mutant", "all"].map(OsString::from)).unwrap();
        let error = table(&args, &[]).unwrap_err().to_string();
        assert!(error.contains("no mutants") && error.contains("cargo xtask sim"), "{error}");
    }
}
