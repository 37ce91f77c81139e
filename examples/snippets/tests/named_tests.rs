//! Every test that a document names is there.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const DOCUMENTS: [&str; 9] = [
    include_str!("../../../README.md"),
    include_str!("../../../ARCHITECTURE.md"),
    include_str!("../../../docs/azure.md"),
    include_str!("../../../docs/exhaustive.md"),
    include_str!("../../../docs/guarantees.md"),
    include_str!("../../../docs/operations.md"),
    include_str!("../../../docs/protocol.md"),
    include_str!("../../../docs/simulation.md"),
    include_str!("../../../docs/wire-format.md"),
];

/// Names in backquotes that look like those of tests: a sentence in small letters. Metrics have a prefix.
fn named(document: &str) -> impl Iterator<Item = &str> {
    let is_sentence = |name: &&str| {
        name.split('_').count() >= 3
            && !name.starts_with("unstale_")
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    document.split('`').skip(1).step_by(2).filter(is_sentence)
}

/// The names of all functions below a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}")) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let names = source.lines().filter_map(|line| line.split_once("fn "));
            found.extend(
                names.filter_map(|(_, rest)| Some(rest.split(['(', '<']).next()?.to_owned())),
            );
        }
    }
}

#[test]
fn every_named_test_is_there() {
    let mut there = BTreeSet::new();
    functions(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates"), &mut there);
    let names: BTreeSet<_> = DOCUMENTS.into_iter().flat_map(named).collect();
    assert!(names.len() > 10, "the documents name only {names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !there.contains(**name)).collect();
    assert!(missing.is_empty(), "there are no such tests: {missing:?}");
}
