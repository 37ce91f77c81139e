//! Microsoft's clients of Azure Service Bus, which judge the emulator: installed below `target`, in the versions
//! that are locked beside the scripts.

use std::path::PathBuf;

use crate::shell::workspace;
use crate::{Done, packages};

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
    packages::python(&scripts.join("python"), &folder.join("python"))
        .and_then(|()| {
            packages::javascript(&scripts.join("javascript"), &folder.join("javascript"))
        })
        .map_err(|error| format!("{error}\n{NEEDED}"))?;
    Ok(folder)
}
