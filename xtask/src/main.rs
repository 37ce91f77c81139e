//! The workspace's own commands: `cargo xtask <command>`.

mod architecture;
mod azure_cost;
mod azure_speed;
mod bench;
mod debian;
mod instructions;
mod marks;
mod mutants;
mod packages;
mod rabbitmq;
mod redis;
mod referees;
mod scaling;
mod shell;
mod sim;
mod sim_figures;
mod sources;
mod test;
mod valgrind;
mod wrapper;

use std::ffi::OsString;
use std::process::ExitCode;

use lexopt::prelude::*;

const USAGE: &str = "\
cargo xtask <command>

commands:
  test                 everything that must pass: all tests, the model tests, the architecture, the instructions
  referees             installs what the tests of Azure Service Bus and of its emulator judge them by, and prints where
  check-architecture   which crate may depend on which, and what the protocol may not use
  azure-cost           computes what docs/azure.md says a fleet costs on Azure Service Bus, and writes it there
  azure-speed          measures the Azure transport over the emulator (a minute), and writes it into docs/azure.md
  bench [options]      measures everything beside its floor and beside other libraries, an hour; writes benches/results/,
                       docs/benchmarks.md and the README's tables. `bench --help` says more
  instructions         counts the instructions of hits, fills, invalidations and received keys, and fails beyond a limit
  scaling              measures what grows with the number of nodes (ten minutes), and writes it into docs/scaling.md.
                       [--quick]: a part, only shown
  sim [arguments]      the simulator; `sim --help` says more
  sim-figures [parts]  runs the simulator, and writes what docs/simulation.md and README.md show of it. Parts:
                       timeline, comparison (a minute), speed (half an hour), mutants (more than an hour)
  mutants              changes the sources in one place at a time, and writes docs/mutants.md: what tests do not
                       notice. [--shard k/n]: only a part. [--again]: also what has survived before
";

/// What went wrong, in words for the terminal.
type Failure = Box<dyn std::error::Error>;
type Done<T = ()> = Result<T, Failure>;

fn main() -> ExitCode {
    let done = if wrapper::is_asked() { wrapper::compile() } else { run() };
    done.unwrap_or_else(|failure| {
        eprintln!("xtask: {failure}");
        ExitCode::FAILURE
    })
}

fn run() -> Done<ExitCode> {
    let mut arguments = lexopt::Parser::from_env();
    let Some(first) = arguments.next()? else {
        return Err(format!("which command?\n\n{USAGE}").into());
    };
    let command = match first {
        Short('h') | Long("help") => {
            print!("{USAGE}");
            return Ok(ExitCode::SUCCESS);
        }
        Value(command) => command.string()?,
        other => return Err(other.unexpected().into()),
    };
    if command == "sim" {
        return sim::run(&arguments.raw_args()?.collect::<Vec<OsString>>());
    }
    if command == "bench" {
        return bench::run(arguments);
    }
    if command == "mutants" {
        mutants::judge(arguments)?;
        return Ok(ExitCode::SUCCESS);
    }
    if command == "scaling" {
        let quick = match arguments.next()? {
            None => false,
            Some(Long("quick")) => true,
            Some(other) => return Err(other.unexpected().into()),
        };
        scaling::write(quick)?;
        return Ok(ExitCode::SUCCESS);
    }
    if command == "sim-figures" {
        let mut parts = Vec::new();
        while let Some(part) = arguments.next()? {
            match part {
                Value(part) => parts.push(part.string()?),
                other => return Err(other.unexpected().into()),
            }
        }
        sim_figures::write(&parts)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(extra) = arguments.next()? {
        return Err(extra.unexpected().into());
    }
    match command.as_str() {
        "test" => test::everything()?,
        "referees" => {
            println!("{}={}", referees::VARIABLE, referees::folder()?.display());
            println!("{}={}", rabbitmq::VARIABLE, rabbitmq::server()?.display());
        }
        "check-architecture" => architecture::run()?,
        "azure-cost" => azure_cost::write()?,
        "azure-speed" => azure_speed::write()?,
        "instructions" => instructions::check()?,
        _ => return Err(format!("no such command: {command}\n\n{USAGE}").into()),
    }
    Ok(ExitCode::SUCCESS)
}
