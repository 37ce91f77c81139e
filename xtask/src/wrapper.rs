//! This program as cargo's wrapper around rustc, which adds the cfg that switches the mutants in.
//!
//! `RUSTFLAGS` would do that too, but for every dependency, and throw away the artifacts of the other builds.
//! A wrapper of the workspace's members concerns only them, and cargo keeps what it makes beside the rest.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use crate::Done;

/// Set: this process is to be rustc.
const VARIABLE: &str = "UNSTALE_XTASK_IS_RUSTC";

const FLAGS: [&str; 2] = ["--cfg", "unstale_mutants"];

/// Makes a cargo command build the workspace's members with mutants.
pub(crate) fn with_mutants(cargo: &mut Command) -> Done {
    cargo.env("RUSTC_WORKSPACE_WRAPPER", std::env::current_exe()?).env(VARIABLE, "1");
    Ok(())
}

/// Whether cargo has called this program in the place of rustc.
pub(crate) fn is_asked() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Compiles as asked, and with the flags.
pub(crate) fn compile() -> Done<ExitCode> {
    let status = rustc(std::env::args_os().skip(1))?.status()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// rustc, whose path is the first of the arguments, with the rest of them.
fn rustc(mut arguments: impl Iterator<Item = OsString>) -> Done<Command> {
    let path = arguments.next().ok_or("the path of rustc is missing")?;
    let mut rustc = Command::new(path);
    rustc.args(arguments).args(FLAGS).env_remove(VARIABLE);
    Ok(rustc)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn rustc_gets_what_cargo_says_and_the_flags() -> Done {
        let said = ["/bin/rustc", "--crate-name", "unstale", "src/lib.rs"].map(OsString::from);
        let rustc = rustc(said.into_iter())?;
        assert_eq!(rustc.get_program(), OsStr::new("/bin/rustc"));
        let arguments: Vec<_> = rustc.get_args().collect();
        assert_eq!(
            arguments,
            ["--crate-name", "unstale", "src/lib.rs", "--cfg", "unstale_mutants"]
        );
        Ok(())
    }

    #[test]
    fn without_a_path_there_is_nothing_to_run() {
        assert!(rustc(std::iter::empty()).is_err());
    }
}
