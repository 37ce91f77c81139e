//! `unstale-sim`: runs plans, and says what came of them.

mod args;
mod batch;
mod compare;
mod files;
mod help;
mod kills;
mod nightly;
mod progress;
mod representative;
mod simulate;
mod summary;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use self::args::{Args, Usage, What};
use crate::mutants;
use crate::tiers::CannotRun;

/// Why nothing was run, or written.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Usage(#[from] Usage),
    #[error(transparent)]
    CannotRun(#[from] CannotRun),
    #[error("{0}")]
    Mutant(String),
    #[error("{what}: {source}")]
    File {
        /// What was to be read or written, and where.
        what: String,
        source: std::io::Error,
    },
    #[error("standard output: {0}")]
    Output(#[from] std::io::Error),
}

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Held = 0,
    Broken = 1,
    Usage = 2,
    Liveness = 3,
}

impl From<crate::report::Outcome> for Exit {
    fn from(outcome: crate::report::Outcome) -> Self {
        match outcome {
            crate::report::Outcome::Held => Self::Held,
            crate::report::Outcome::Broken => Self::Broken,
            crate::report::Outcome::Liveness => Self::Liveness,
        }
    }
}

/// Does what the arguments ask for. Says on standard output what came of it, and ends with 0 if every guarantee held,
/// 1 if one was broken, 2 if the arguments make no sense, 3 if only liveness failed or, at night, coverage has a hole.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let exit = match args::parse(arguments).map_err(Error::from).and_then(|args| carry_out(&args)) {
        Ok(exit) => exit,
        Err(error) => {
            // Where nobody reads it there is nobody to tell.
            let _said = writeln!(std::io::stderr(), "unstale-sim: {error}");
            Exit::Usage
        }
    };
    ExitCode::from(exit as u8)
}

fn carry_out(args: &Args) -> Result<Exit, Error> {
    match &args.what {
        What::Help => {
            write!(std::io::stdout(), "{}", help::TEXT)?;
            Ok(Exit::Held)
        }
        What::ListMutants => list_mutants(),
        What::Ranges(batch) => kills::ranges(args, batch),
        What::AllMutants(asked) => kills::table(args, asked),
        What::Mutant(batch) => kills::hunt(args, batch),
        What::Compare(batch) => compare::run(args, batch),
        What::Batch(batch) => simulate::run(args, std::slice::from_ref(batch)),
        What::EachFocus(batch) => simulate::run(args, &batch.with_each_focus()),
        What::Nightly => nightly::run(args),
        What::Representative => simulate::run(args, &representative::batches()),
    }
}

fn list_mutants() -> Result<Exit, Error> {
    let all = mutants::all();
    if all.is_empty() {
        return Err(Error::Mutant(
            "this build has no mutants; `cargo xtask sim --mutants` makes one that has".to_owned(),
        ));
    }
    let mut out = std::io::stdout().lock();
    for mutant in all {
        writeln!(out, "{:42} {}", mutant.name, mutant.description)?;
    }
    Ok(Exit::Held)
}
