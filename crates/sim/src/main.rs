//! The simulator's command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    unstale_sim::cli::main(std::env::args_os().skip(1))
}
