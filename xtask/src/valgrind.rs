//! A valgrind for counting instructions: the one on the PATH, else Debian's package, unpacked without root.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{find_in, output, workspace, write_script};
use crate::{Done, debian};

/// The environment variable that names its binary.
const VARIABLE: &str = "UNSTALE_VALGRIND";

const INSTALL: &str = "install valgrind so that it is on the PATH (Debian: apt-get install valgrind), or set \
                       UNSTALE_VALGRIND to its binary";

const PACKAGES: [&str; 1] = ["valgrind"];

/// The path of a valgrind that runs.
pub(crate) fn program() -> Done<PathBuf> {
    if let Some(set) = std::env::var_os(VARIABLE) {
        let set = PathBuf::from(set);
        check(&set).map_err(|error| format!("{VARIABLE} is set, but: {error}"))?;
        return Ok(set);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(found) = find_in(&path, "valgrind") {
        check(&found)?;
        return Ok(found);
    }
    let folder = workspace().join("target/tools/valgrind");
    let script = folder.join("valgrind");
    if !script.exists() || check(&script).is_err() {
        unpack(&folder, &script).map_err(|error| format!("{error}\n{INSTALL}"))?;
    }
    Ok(script)
}

/// Whether it can count at all: without its own folder it only knows its version.
fn check(valgrind: &Path) -> Done {
    let mut command = Command::new(valgrind);
    output(command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "true"])).map(drop)
}

/// Debian's package, and a script that starts what is in it.
fn unpack(folder: &Path, script: &Path) -> Done {
    let root = folder.join("root");
    debian::unpack(&PACKAGES, &root)?;
    // `usr/bin/valgrind` is a script itself, for an installed one.
    let program = root.join("usr/bin/valgrind.bin");
    let tools = root.join("usr/libexec/valgrind");
    let start = format!(
        "VALGRIND_LIB=\"{}\"\nexport VALGRIND_LIB\nexec \"{}\" \"$@\"\n",
        tools.display(),
        program.display()
    );
    write_script(script, &start)?;
    check(script)
}
