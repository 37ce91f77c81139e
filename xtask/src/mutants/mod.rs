//! `cargo xtask mutants`: small changes of the protocol and of the fill guard, one by one, each of which the tests of
//! core must notice.
//!
//! `.cargo/mutants.toml` says what is changed. What was judged stays in `target/mutants` and is not judged again, also
//! after an interruption; delete the folder to begin anew. `docs/mutants.md` names what survives.

mod document;
mod ledger;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lexopt::prelude::*;

use crate::Done;
use crate::shell::{cargo, find_in, output, run, workspace};
use ledger::{Ledger, Listed};

const VERSION: &str = "27";
/// Enough for the tests on a busy machine, with a build of one package before them.
const TIMEOUT_SECONDS: &str = "600";
/// Schedules of each property: a quarter of a minute instead of more than one.
const PROPTEST_CASES: &str = "16";

struct Settings {
    /// Which of how many parts, from 0.
    shard: (usize, usize),
    /// Judges those again that have survived so far.
    again: bool,
}

/// Judges what is not judged yet, and writes the document.
pub(crate) fn judge(arguments: lexopt::Parser) -> Done {
    let settings = Settings::parse(arguments)?;
    let tool = tool()?;
    let folder = workspace().join("target/mutants");
    fs::create_dir_all(&folder)?;
    let mut ledger = Ledger::open(&folder)?;
    // What a run left behind that was interrupted.
    ledger.absorb()?;
    let listed = Listed::parse(&output(mutants(&tool, &folder).args(["--list"]))?);
    if settings.again {
        ledger.forget_survivors();
    }
    ledger.prepare(&listed, |place| place % settings.shard.1 == settings.shard.0)?;
    let judged = judge_the_rest(&tool, &folder);
    ledger.absorb()?;
    let path = workspace().join("docs/mutants.md");
    let before = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, document::write(&listed, &ledger, &before))?;
    judged
}

impl Settings {
    fn parse(mut arguments: lexopt::Parser) -> Done<Self> {
        let mut settings = Self { shard: (0, 1), again: false };
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("shard") => settings.shard = shard(&arguments.value()?.string()?)?,
                Long("again") => settings.again = true,
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(settings)
    }
}

/// `k/n`, with k from 0.
fn shard(text: &str) -> Done<(usize, usize)> {
    let (part, parts) = text.split_once('/').ok_or("a shard is k/n, as in 0/4")?;
    let (part, parts) = (part.parse()?, parts.parse()?);
    if part >= parts {
        return Err(format!("there is no shard {part} of {parts}: they count from 0").into());
    }
    Ok((part, parts))
}

fn judge_the_rest(tool: &Path, folder: &Path) -> Done {
    let mut command = mutants(tool, folder);
    command
        .args(["--iterate", "--baseline", "skip", "--jobs", "1", "--no-times", "--colors", "never"])
        .args(["--timeout", TIMEOUT_SECONDS, "--build-timeout", TIMEOUT_SECONDS])
        .env("PROPTEST_CASES", PROPTEST_CASES)
        // Neither the dependencies nor the artifacts of other builds are built again.
        .env("CARGO_TARGET_DIR", folder.join("build"))
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .env("CARGO_PROFILE_TEST_DEBUG", "false");
    eprintln!("xtask: judging; what is done is kept in {}", folder.display());
    let status = command.status()?;
    match status.code() {
        // All were noticed; some were not; some did not end.
        Some(0 | 2 | 3) => Ok(()),
        _ => Err(format!("cargo-mutants failed ({status})").into()),
    }
}

fn mutants(tool: &Path, folder: &Path) -> Command {
    let mut command = Command::new(tool);
    command.arg("mutants").arg("--output").arg(folder).current_dir(workspace());
    command
}

/// cargo-mutants: the one on the PATH, else one that is built once.
fn tool() -> Done<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(found) = find_in(&path, "cargo-mutants") {
        return Ok(found);
    }
    let folder = workspace().join("target/tools/cargo-mutants");
    let tool = folder.join("bin/cargo-mutants");
    if !tool.exists() {
        let mut install = cargo(&["install", "cargo-mutants", "--locked", "--version", VERSION]);
        run(install.arg("--root").arg(&folder))?;
    }
    Ok(tool)
}

#[cfg(test)]
mod tests {
    use super::shard;

    #[test]
    fn shards_count_from_zero() {
        assert_eq!(shard("0/4").ok(), Some((0, 4)));
        assert_eq!(shard("3/4").ok(), Some((3, 4)));
        assert!(shard("4/4").is_err());
        assert!(shard("1").is_err());
        assert!(shard("a/b").is_err());
        assert!(shard("0/0").is_err());
    }
}
