//! `cargo xtask bench --peers`: puts this and other libraries through the same faults, and measures them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::shell::{cargo, run as run_program, workspace};
use crate::{Done, packages, redis};

/// The libraries, by the language of their adapters.
const RUST: [&str; 5] = ["unstale", "multi-tier-cache", "redis-cache-aio", "rustis", "moka"];
const NODE: [&str; 3] = ["bentocache", "cacheable", "node-redis"];
const PYTHON: [&str; 1] = ["cashews"];

const NEEDED: &str = "the peers need Node.js 20 or newer with npm, and Python 3.10 or newer with pip, on the PATH; \
                      `--only unstale` and other names of Rust libraries do without";

/// What is asked for.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// A tenth of the trials, and short measurements.
    pub(crate) quick: bool,
    /// Only these libraries, if any are named.
    pub(crate) only: Vec<String>,
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// Those of these libraries that are asked for.
    fn wanted<'n>(&self, names: &[&'n str]) -> Vec<&'n str> {
        names.iter().copied().filter(|name| self.wants(name)).collect()
    }

    /// Where the results go. What is in the repository is of all libraries, and all trials.
    fn results(&self) -> PathBuf {
        let is_all = !self.quick && self.only.is_empty();
        workspace().join(if is_all {
            "benches/results/peers.json"
        } else {
            "target/peers/results.json"
        })
    }
}

/// Builds and installs what is needed, and runs the driver.
pub(crate) fn run(options: &Options) -> Done {
    check_names(&options.only)?;
    let folder = workspace().join("target/peers");
    fs::create_dir_all(&folder)?;
    let adapters = adapters(options, &folder)?;
    let list = folder.join("adapters.json");
    fs::write(&list, serde_json::to_string_pretty(&adapters)?)?;

    run_program(&mut cargo(&["build", "--release", "--package", "unstale-peers"]))?;
    let results = options.results();
    let mut driver = Command::new(workspace().join("target/release/unstale-peers"));
    driver.arg("--redis-server").arg(redis::server()?).arg("--adapters").arg(list);
    driver.arg("--out").arg(&results).arg("--logs").arg(folder.join("logs"));
    driver.args(options.quick.then_some("--quick"));
    run_program(&mut driver)?;
    eprintln!("xtask: written: {}", results.display());
    Ok(())
}

fn check_names(only: &[String]) -> Done {
    let known = [&RUST[..], &NODE, &PYTHON].concat();
    match only.iter().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => {
            Err(format!("no such library: {unknown}; there are: {}", known.join(", ")).into())
        }
        None => Ok(()),
    }
}

/// Those that are asked for, ready to be started, as the driver wants to be told of them.
fn adapters(options: &Options, folder: &Path) -> Done<Vec<Value>> {
    let sources = workspace().join("benches/peers");
    let mut adapters = Vec::new();
    let rust = options.wanted(&RUST);
    if !rust.is_empty() {
        let program = build(&sources.join("rust"), &folder.join("rust"))?;
        adapters.extend(rust.iter().map(|name| adapter(name, &[&program], &json!({}))));
    }
    let node = options.wanted(&NODE);
    if !node.is_empty() {
        let (sources, installed) = (sources.join("node"), folder.join("node"));
        packages::javascript(&sources, &installed).map_err(|error| format!("{error}\n{NEEDED}"))?;
        let environment = json!({ "UNSTALE_PEERS_NODE": installed });
        let command = [PathBuf::from("node"), sources.join("adapter.mjs")];
        let command = command.each_ref().map(PathBuf::as_path);
        adapters.extend(node.iter().map(|name| adapter(name, &command, &environment)));
    }
    let python = options.wanted(&PYTHON);
    if !python.is_empty() {
        let (sources, installed) = (sources.join("python"), folder.join("python"));
        packages::python(&sources, &installed).map_err(|error| format!("{error}\n{NEEDED}"))?;
        let environment = json!({ "PYTHONPATH": installed, "PYTHONDONTWRITEBYTECODE": "1" });
        let command = [PathBuf::from("python3"), sources.join("adapter.py")];
        let command = command.each_ref().map(PathBuf::as_path);
        adapters.extend(python.iter().map(|name| adapter(name, &command, &environment)));
    }
    Ok(adapters)
}

/// Builds the workspace of the Rust adapters; the program.
fn build(sources: &Path, target: &Path) -> Done<PathBuf> {
    let mut build = cargo(&["build", "--release", "--locked", "--manifest-path"]);
    build.arg(sources.join("Cargo.toml")).arg("--target-dir").arg(target);
    run_program(&mut build)?;
    Ok(target.join("release/unstale-peers-rust"))
}

fn adapter(name: &str, command: &[impl AsRef<Path>], environment: &Value) -> Value {
    let command: Vec<_> = command.iter().map(|part| part.as_ref().display().to_string()).collect();
    json!({ "name": name, "command": command, "environment": environment })
}

/// What follows `bench` on the command line.
pub(crate) fn options(mut arguments: lexopt::Parser) -> Done<Options> {
    use lexopt::prelude::*;
    let mut options = Options::default();
    let mut is_asked = false;
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("peers") => is_asked = true,
            Long("quick") => options.quick = true,
            Long("only") => options.only.push(arguments.value()?.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if is_asked { Ok(options) } else { Err("bench of what? --peers".into()) }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn parse(arguments: &[&str]) -> Done<Options> {
        options(lexopt::Parser::from_args(arguments.iter().map(OsString::from)))
    }

    #[test]
    fn only_a_run_of_all_replaces_what_is_in_the_repository() -> Done {
        let is_kept = |arguments: &[&str]| -> Done<bool> {
            Ok(parse(arguments)?.results().starts_with(workspace().join("benches")))
        };
        assert!(is_kept(&["--peers"])?);
        assert!(!is_kept(&["--peers", "--quick"])?);
        assert!(!is_kept(&["--peers", "--only", "moka"])?);
        Ok(())
    }

    #[test]
    fn names_are_checked_before_anything_is_built() -> Done {
        assert!(parse(&["--quick"]).is_err());
        let options = parse(&["--peers", "--only", "moka", "--only", "cashews"])?;
        assert_eq!(options.wanted(&RUST), ["moka"]);
        assert_eq!(options.wanted(&NODE), [""; 0]);
        check_names(&options.only)?;
        assert!(check_names(&["mocha".to_owned()]).is_err());
        Ok(())
    }
}
