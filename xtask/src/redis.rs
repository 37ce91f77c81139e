//! A `redis-server` for the tests: the one on the PATH, else Debian's package, unpacked without root.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{find_in, output, workspace, write_script};
use crate::{Done, debian};

/// The environment variable that names the server's binary to the tests.
pub(crate) const VARIABLE: &str = "UNSTALE_REDIS_SERVER";

const INSTALL: &str = "install Redis 7 or newer so that redis-server is on the PATH (Debian: apt-get install \
                       redis-server; macOS: brew install redis), or set UNSTALE_REDIS_SERVER to its binary";

/// The packages that hold the server.
const PACKAGES: [&str; 2] = ["redis-server", "redis-tools"];

/// The path of a server that runs.
pub(crate) fn server() -> Done<PathBuf> {
    if let Some(set) = std::env::var_os(VARIABLE) {
        let set = PathBuf::from(set);
        check(&set).map_err(|error| format!("{VARIABLE} is set, but: {error}"))?;
        return Ok(set);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(found) = find_in(&path, "redis-server") {
        check(&found)?;
        return Ok(found);
    }
    let folder = workspace().join("target/tools/redis");
    let script = folder.join("redis-server");
    if !script.exists() || check(&script).is_err() {
        unpack(&folder, &script).map_err(|error| format!("{error}\n{INSTALL}"))?;
    }
    Ok(script)
}

/// Whether the server starts at all.
fn check(server: &Path) -> Done {
    output(Command::new(server).arg("--version")).map(drop)
}

/// Debian's packages, and a script that starts what is in them.
fn unpack(folder: &Path, script: &Path) -> Done {
    let root = folder.join("root");
    debian::unpack(&PACKAGES, &root)?;
    let server = root.join("usr/bin/redis-server");
    debian::add_libraries(&PACKAGES, &root, std::slice::from_ref(&server))?;
    // `exec`, so that a signal to the script's process is a signal to the server.
    let start = format!("exec \"{}\" \"$@\"\n", server.display());
    write_script(script, &(debian::library_path(&root)? + &start))?;
    check(script)
}
