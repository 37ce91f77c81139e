//! Packages of other languages, installed below `target`, in the versions that are locked beside the scripts that need
//! them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Done;
use crate::shell::{output, run};

/// Installs what `requirements.txt` beside the scripts says, if it is not, or something else is locked by now.
pub(crate) fn python(scripts: &Path, folder: &Path) -> Done {
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

/// The same for `package-lock.json`.
pub(crate) fn javascript(scripts: &Path, folder: &Path) -> Done {
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
