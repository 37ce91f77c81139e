//! The workspace's own commands: `cargo xtask <command>`.

mod architecture;
mod figures;
mod redis;
mod shell;
mod sources;
mod test;

use std::process::ExitCode;

use lexopt::prelude::*;

const USAGE: &str = "\
cargo xtask <command>

commands:
  test                 everything that must pass: all tests, the model tests, the architecture
  check-architecture   which crate may depend on which, and what the protocol may not use
  figures              measures, and writes docs/figures.md
";

/// What went wrong, in words for the terminal.
type Failure = Box<dyn std::error::Error>;
type Done<T = ()> = Result<T, Failure>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Done {
    let mut arguments = lexopt::Parser::from_env();
    let Some(first) = arguments.next()? else {
        return Err(format!("which command?\n\n{USAGE}").into());
    };
    match first {
        Short('h') | Long("help") => {
            print!("{USAGE}");
            Ok(())
        }
        Value(command) => {
            let command = command.string()?;
            if let Some(extra) = arguments.next()? {
                return Err(extra.unexpected().into());
            }
            match command.as_str() {
                "test" => test::everything(),
                "check-architecture" => architecture::run(),
                "figures" => figures::run_all(),
                _ => Err(format!("no such command: {command}\n\n{USAGE}").into()),
            }
        }
        other => Err(other.unexpected().into()),
    }
}
