//! `cargo xtask check-architecture`: the invariants of DESIGN.md that a command can check.

use std::path::Path;

use serde::Deserialize;

use crate::shell::{cargo, output, workspace};
use crate::{Done, sources};

/// Checks all of it and names every violation.
pub(crate) fn run() -> Done {
    let metadata = output(&mut cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Metadata = serde_json::from_str(&metadata)?;
    let mut violations = dependency_violations(&metadata.packages);
    violations.extend(sources::violations(&workspace().join("crates/core/src/protocol"))?);
    if violations.is_empty() {
        eprintln!("xtask: the architecture is as it should be");
        return Ok(());
    }
    Err(violations.join("\n").into())
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// A package of the workspace.
#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `None` for an ordinary dependency, else `dev` or `build`.
    kind: Option<String>,
}

impl Package {
    /// A transport is what lies in a folder `crates/transport-…`.
    fn is_transport(&self) -> bool {
        let folder = Path::new(&self.manifest_path).parent().and_then(Path::file_name);
        folder.is_some_and(|name| name.to_string_lossy().starts_with("transport-"))
    }
}

fn dependency_violations(packages: &[Package]) -> Vec<String> {
    let in_workspace = |name: &str| packages.iter().any(|package| package.name == name);
    let mut violations = Vec::new();
    for package in packages {
        for dependency in &package.dependencies {
            if !in_workspace(&dependency.name) {
                continue;
            }
            if let Some(rule) = broken_rule(package, dependency) {
                violations.push(format!("{} depends on {}: {rule}", package.name, dependency.name));
            }
        }
    }
    violations
}

/// The rule that a dependency within the workspace breaks.
fn broken_rule(package: &Package, dependency: &Dependency) -> Option<&'static str> {
    let for_tests = dependency.kind.as_deref() == Some("dev");
    let emulator = for_tests && dependency.name.ends_with("-emulator");
    if package.is_transport() && dependency.name != "unstale" && !emulator {
        return Some("a transport depends on unstale only, in its tests also on an emulator");
    }
    if package.name == "unstale" && !for_tests {
        return Some("core depends on nothing of the workspace");
    }
    if package.name == "unstale-servicebus-emulator" {
        return Some("the emulator depends on nothing of the workspace");
    }
    if dependency.name == "unstale-sim" && package.name != "xtask" {
        return Some("nothing but xtask depends on the simulator");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &str, name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        Package {
            name: name.to_owned(),
            manifest_path: format!("/somewhere/{folder}/Cargo.toml"),
            dependencies: dependencies
                .iter()
                .map(|(name, kind)| Dependency {
                    name: (*name).to_owned(),
                    kind: kind.map(str::to_owned),
                })
                .collect(),
        }
    }

    #[test]
    fn the_intended_shape_is_fine() {
        let dev = Some("dev");
        let packages = [
            package("crates/core", "unstale", &[("tokio", None), ("unstale-memory", dev)]),
            package("crates/transport-memory", "unstale-memory", &[("unstale", None)]),
            package("crates/transport-redis", "unstale-redis", &[("unstale", dev)]),
            package("crates/sim", "unstale-sim", &[("unstale", None), ("unstale-redis", None)]),
            package("xtask", "xtask", &[("unstale-sim", None)]),
        ];
        assert_eq!(dependency_violations(&packages), Vec::<String>::new());
    }

    #[test]
    fn every_rule_is_enforced() {
        let packages = [
            package("crates/core", "unstale", &[("unstale-memory", None)]),
            package("crates/transport-memory", "unstale-memory", &[]),
            package("crates/transport-redis", "unstale-redis", &[("unstale-memory", Some("dev"))]),
            package("crates/sim", "unstale-sim", &[]),
            package(
                "crates/servicebus-emulator",
                "unstale-servicebus-emulator",
                &[("unstale", None)],
            ),
            package("benches", "unstale-benches", &[("unstale-sim", Some("build"))]),
        ];
        assert_eq!(
            dependency_violations(&packages),
            [
                "unstale depends on unstale-memory: core depends on nothing of the workspace",
                "unstale-redis depends on unstale-memory: a transport depends on unstale only, in its tests \
                 also on an emulator",
                "unstale-servicebus-emulator depends on unstale: the emulator depends on nothing of the \
                 workspace",
                "unstale-benches depends on unstale-sim: nothing but xtask depends on the simulator",
            ]
        );
    }
}
