//! `cargo xtask sim`: the simulator, built for speed, and with mutants where one is asked for.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use crate::shell::{cargo, workspace};
use crate::{Done, wrapper};

const PROGRAM: &str = "unstale-sim";

/// Runs the simulator with these arguments; its exit code is ours.
pub(crate) fn run(arguments: &[OsString]) -> Done<ExitCode> {
    // Paths among the arguments are meant from where the caller stands.
    let here = std::env::current_dir()?;
    let status = command(arguments)?.current_dir(here).status()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    // A signal ended it.
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The simulator with these arguments, not yet started.
pub(crate) fn command(arguments: &[OsString]) -> Done<Command> {
    let mut command =
        cargo(&["run", "--release", "--quiet", "--package", PROGRAM, "--bin", PROGRAM]);
    command.arg("--manifest-path").arg(workspace().join("Cargo.toml"));
    command.arg("--").args(arguments);
    if asks_for_mutants(arguments) {
        wrapper::with_mutants(&mut command)?;
    }
    Ok(command)
}

/// Whether the simulator is to run, or to name, mutants: any option that begins with `--mutant`.
fn asks_for_mutants(arguments: &[OsString]) -> bool {
    let options = arguments.iter().take_while(|argument| *argument != "--");
    options.map(|it| it.to_string_lossy()).any(|it| it.starts_with("--mutant"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(arguments: &[&str]) -> bool {
        asks_for_mutants(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn only_a_run_of_mutants_is_built_with_them() {
        assert!(asks(&["--seeds", "9", "--mutant", "no-fill-guard"]));
        assert!(asks(&["--mutant=no-fill-guard"]));
        assert!(asks(&["--mutants"]));
        assert!(!asks(&["--seeds", "9"]));
        assert!(!asks(&["mutant"]));
        assert!(!asks(&["--", "--mutant"]));
        assert!(!asks(&[]));
    }

    #[test]
    fn only_that_build_goes_through_the_wrapper() -> Done {
        let wraps = |arguments: &[&str]| -> Done<bool> {
            let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
            let command = command(&arguments)?;
            Ok(command.get_envs().any(|(name, _)| name == "RUSTC_WORKSPACE_WRAPPER"))
        };
        assert!(wraps(&["--mutant", "no-fill-guard"])?);
        assert!(!wraps(&["--seeds", "9"])?);
        Ok(())
    }
}
