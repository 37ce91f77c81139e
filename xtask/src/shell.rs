//! Running other programs, visibly.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Done;

/// The workspace's folder.
pub(crate) fn workspace() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// The cargo that runs this, in the workspace's folder.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(workspace());
    command
}

/// Prints what is run, runs it, and fails when it fails.
pub(crate) fn run(command: &mut Command) -> Done {
    eprintln!("xtask: {}", shown(command));
    let status = command.status().map_err(|error| format!("{}: {error}", shown(command)))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("failed ({status}): {}", shown(command)).into())
    }
}

/// Prints what is run, runs it, and returns what it prints; fails when it fails.
pub(crate) fn output(command: &mut Command) -> Done<String> {
    eprintln!("xtask: {}", shown(command));
    let output = command.output().map_err(|error| format!("{}: {error}", shown(command)))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "failed ({}): {}\n{}",
            output.status,
            shown(command),
            errors.trim_end()
        )
        .into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// What was measured, by what and on what: for a sentence in a document.
pub(crate) fn conditions() -> Done<String> {
    let commit = output(Command::new("git").args(["rev-parse", "--short", "HEAD"]))?;
    let rustc = output(Command::new("rustc").arg("--version"))?;
    let cores = std::thread::available_parallelism()?;
    let (commit, rustc) = (commit.trim(), rustc.trim());
    Ok(format!("at commit {commit}, with {rustc}, on a machine with {cores} cores"))
}

/// The program's name and arguments, as one would type them.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut shown = program
        .file_name()
        .map_or_else(|| program.display().to_string(), |name| name.to_string_lossy().into_owned());
    for argument in command.get_args() {
        shown.push(' ');
        shown.push_str(&argument.to_string_lossy());
    }
    shown
}

/// Writes a script for `sh` that can be run.
pub(crate) fn write_script(path: &Path, commands: &str) -> Done {
    fs::write(path, format!("#!/bin/sh\n{commands}"))?;
    run(Command::new("chmod").arg("+x").arg(path))
}

/// The program of this name in the folders of a `PATH`.
pub(crate) fn find_in(path: &OsStr, program: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_path_entries_are_not_trusted() {
        assert_eq!(find_in(OsStr::new(".:bin:"), "sh"), None);
        assert_eq!(find_in(OsStr::new(".:/bin"), "sh"), Some(PathBuf::from("/bin/sh")));
        assert_eq!(find_in(OsStr::new("/bin"), "no-such-program"), None);
    }
}
