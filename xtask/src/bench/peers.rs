//! `cargo xtask bench --peers`: puts this and other libraries through the same faults, and measures them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::options::Options;
use super::results::Conditions;
use super::scoreboard::Peers;
use crate::shell::{cargo, run as run_program, workspace};
use crate::{Done, packages, redis};

/// The libraries, by the language of their adapters.
const RUST: [&str; 5] = ["unstale", "multi-tier-cache", "redis-cache-aio", "rustis", "moka"];
const NODE: [&str; 3] = ["bentocache", "cacheable", "node-redis"];
const PYTHON: [&str; 1] = ["cashews"];

const NEEDED: &str = "the peers need Node.js 20 or newer with npm, and Python 3.10 or newer with pip, on the PATH; \
                      `--only unstale` and other names of Rust libraries do without";

/// All of them.
pub(crate) fn names() -> Vec<&'static str> {
    [&RUST[..], &NODE, &PYTHON].concat()
}

/// Builds and installs what is needed, and runs the driver.
pub(crate) fn run(options: &Options, conditions: &Conditions) -> Done {
    let folder = workspace().join("target/peers");
    fs::create_dir_all(&folder)?;
    let adapters = adapters(options, &folder)?;
    let list = folder.join("adapters.json");
    fs::write(&list, serde_json::to_string_pretty(&adapters)?)?;

    run_program(&mut cargo(&["build", "--release", "--package", "unstale-peers"]))?;
    let results = folder.join("results.json");
    let mut driver = Command::new(workspace().join("target/release/unstale-peers"));
    driver.arg("--redis-server").arg(redis::server()?).arg("--adapters").arg(list);
    driver.arg("--out").arg(&results).arg("--logs").arg(folder.join("logs"));
    driver.args(options.quick.then_some("--quick"));
    run_program(&mut driver)?;
    let text = with_conditions(&fs::read_to_string(&results)?, conditions)?;
    fs::write(&results, &text)?;
    eprintln!("xtask: written: {}", results.display());
    if options.is_kept() {
        fs::write(Peers::committed(), &text)?;
    }
    Ok(())
}

/// What the driver writes, and under which conditions it did; the rest as it is.
fn with_conditions(results: &str, conditions: &Conditions) -> Done<String> {
    let rest = results.strip_prefix('{').ok_or("the driver wrote something else")?;
    let conditions = serde_json::to_string_pretty(conditions)?.replace('\n', "\n  ");
    Ok(format!("{{\n  \"conditions\": {conditions},{}\n", rest.trim_end()))
}

/// Those of these libraries that are asked for.
fn wanted<'n>(options: &Options, names: &[&'n str]) -> Vec<&'n str> {
    names.iter().copied().filter(|name| options.wants(name)).collect()
}

/// Those that are asked for, ready to be started, as the driver wants to be told of them.
fn adapters(options: &Options, folder: &Path) -> Done<Vec<Value>> {
    let sources = workspace().join("benches/peers");
    let mut adapters = Vec::new();
    let rust = wanted(options, &RUST);
    if !rust.is_empty() {
        let program = build(&sources.join("rust"), &folder.join("rust"))?;
        adapters.extend(rust.iter().map(|name| adapter(name, &[&program], &json!({}))));
    }
    let node = wanted(options, &NODE);
    if !node.is_empty() {
        let (sources, installed) = (sources.join("node"), folder.join("node"));
        packages::javascript(&sources, &installed).map_err(|error| format!("{error}\n{NEEDED}"))?;
        let environment = json!({ "UNSTALE_PEERS_NODE": installed });
        let command = [PathBuf::from("node"), sources.join("adapter.mjs")];
        let command = command.each_ref().map(PathBuf::as_path);
        adapters.extend(node.iter().map(|name| adapter(name, &command, &environment)));
    }
    let python = wanted(options, &PYTHON);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_say_under_which_conditions_they_came_about() -> Done {
        let conditions = Conditions { cores: 2, ..Conditions::default() };
        let written = "{\n  \"subjects\": [],\n  \"trials\": 200,\n  \"redis\": \"7\"\n}";
        let results: Value = serde_json::from_str(&with_conditions(written, &conditions)?)?;
        assert_eq!(results["conditions"]["cores"], 2);
        assert_eq!(results["trials"], 200);
        assert!(with_conditions("", &conditions).is_err());
        Ok(())
    }
}
