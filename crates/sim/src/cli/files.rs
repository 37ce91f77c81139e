//! Writing what came of a run.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Error;

/// A directory for reports.
#[derive(Debug)]
pub(super) struct Files<'a> {
    directory: &'a Path,
}

impl<'a> Files<'a> {
    /// Makes the directory if there is none.
    pub(super) fn open(directory: &'a Path) -> Result<Self, Error> {
        std::fs::create_dir_all(directory).map_err(|source| failed(directory, source))?;
        Ok(Self { directory })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(super) fn text(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.path(name);
        std::fs::write(&path, text).map_err(|source| failed(&path, source))
    }

    pub(super) fn json(&self, name: &str, value: &impl Serialize) -> Result<(), Error> {
        self.text(name, &to_json(value)?)
    }

    /// What an earlier run has left, and this one does not write.
    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(failed(&path, source))
            }
            _ => Ok(()),
        }
    }
}

/// As files hold it, and standard output.
pub(super) fn to_json(value: &impl Serialize) -> Result<String, Error> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::Output(std::io::Error::other(error)))?;
    text.push('\n');
    Ok(text)
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::File { what: format!("cannot write {}; choose --out DIR", path.display()), source }
}
