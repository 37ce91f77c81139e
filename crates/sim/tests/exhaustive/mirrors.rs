//! That what the model says it mirrors is still there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What stands before the name of what is mirrored, in a comment.
const MIRRORS: &str = "// mirrors ";

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// (what is mirrored, its file), for every such comment of the model.
fn claims() -> BTreeSet<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exhaustive");
    let files = folder.read_dir().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files: BTreeSet<PathBuf> = files.flatten().map(|file| file.path()).collect();
    let mut claims = BTreeSet::new();
    for file in files {
        for line in read(&file).lines() {
            if let Some(claim) = line.trim_start().strip_prefix(MIRRORS) {
                let (what, file) = claim.split_once(", ").unwrap_or_else(|| panic!("{line}"));
                claims.insert((what.to_owned(), file.to_owned()));
            }
        }
    }
    claims
}

#[test]
fn what_is_mirrored_exists() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src");
    for (what, file) in claims() {
        let source = read(&core.join(&file));
        let exists = match what.split_once("::") {
            Some((of, name)) => {
                let has = |line: &str| {
                    let line = line.trim_start();
                    line.starts_with("impl")
                        && line.split(|at: char| !at.is_alphanumeric()).any(|word| word == of)
                };
                let is_defined = |end| source.contains(&format!("fn {name}{end}"));
                source.lines().any(has) && (is_defined('(') || is_defined('<'))
            }
            None => source.contains(&format!("{what} {{")),
        };
        assert!(exists, "{what} is not in {file}: does the model still mirror the protocol?");
    }
}

#[test]
fn every_file_of_rules_is_mirrored() {
    let claims = claims();
    for file in
        ["answering", "fences", "log", "publisher", "publishing", "receiving", "repair", "replica"]
            .into_iter()
            .chain(["syncing", "vector"])
    {
        let path = format!("protocol/{file}.rs");
        assert!(claims.iter().any(|(_, of)| *of == path), "nothing mirrors {path}");
    }
}
