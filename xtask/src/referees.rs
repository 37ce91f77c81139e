//! Microsoft's clients of Azure Service Bus, which judge the emulator: installed below `target`, in the versions
//! that are locked beside the scripts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Done;
use crate::shell::{output, run, workspace};

/// The environment variable that names their folder to the tests.
pub(crate) const VARIABLE: &str = "UNSTALE_REFEREES";

const NEEDED: &str = "the tests of the Service Bus emulator need Python 3.9 or newer with pip, and Node.js 20 or newer \
                      with npm, on the PATH";

/// The folder with the clients, installed if they are not, or others are locked by now.
pub(crate) fn folder() -> Done<PathBuf> {
    if let Some(set) = std::env::var_os(VARIABLE) {
        return Ok(PathBuf::from(set));
    }
    let folder = workspace().join("target/referees");
    let scripts = workspace().join("crates/servicebus-emulator/tests/referees");
    python(&scripts.join("python"), &folder.join("python"))
        .and_then(|()| javascript(&scripts.join("javascript"), &folder.join("javascript")))
        .map_err(|error| format!("{error}\n{NEEDED}"))?;
    Ok(folder)
}

fn python(scripts: &Path, folder: &Path) -> Done {
    let lock = "requirements.txt";
    if is_current(scripts, folder, lock) {
        return Ok(());
    }
    begin(folder)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    run(pip.arg("--requirement").arg(scripts.join(lock)).arg("--target").arg(folder))?;
    finish(scripts, folder, lock)
}

fn javascript(scripts: &Path, folder: &Path) -> Done {
    let lock = "package-lock.json";
    if is_current(scripts, folder, lock) {
        return Ok(());
    }
    begin(folder)?;
    fs::copy(scripts.join("package.json"), folder.join("package.json"))?;
    // npm wants the lock, whose copy also says that all is done: so it goes by another name until then.
    fs::copy(scripts.join(lock), folder.join("npm-shrinkwrap.json"))?;
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-fund", "--no-audit", "--ignore-scripts"]).current_dir(folder);
    output(&mut npm)?;
    finish(scripts, folder, lock)
}

/// Whether what is locked is what was installed last.
fn is_current(scripts: &Path, folder: &Path, lock: &str) -> bool {
    let read = |folder: &Path| fs::read(folder.join(lock)).ok();
    read(folder).is_some_and(|installed| read(scripts) == Some(installed))
}

/// An empty folder.
fn begin(folder: &Path) -> Done {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(fs::create_dir_all(folder)?)
}

fn finish(scripts: &Path, folder: &Path, lock: &str) -> Done {
    fs::copy(scripts.join(lock), folder.join(lock))?;
    Ok(())
}
