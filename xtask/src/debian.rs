//! Programs out of Debian's packages, unpacked without root: for tests that need a server where none is installed.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Done;
use crate::shell::{output, run};

/// Downloads packages and unpacks them below `root`, in which nothing else is left.
pub(crate) fn unpack(packages: &[&str], root: &Path) -> Done {
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    fs::create_dir_all(root)?;
    add(packages, root)
}

/// Adds the libraries that these packages depend on, if one of the programs below `root` lacks any.
pub(crate) fn add_libraries(packages: &[&str], root: &Path, programs: &[PathBuf]) -> Done {
    if !lacks_libraries(&output(Command::new("ldd").args(programs))?) {
        return Ok(());
    }
    let depends = output(Command::new("apt-cache").arg("depends").args(packages))?;
    let libraries = libraries(&depends);
    add(&libraries.iter().map(String::as_str).collect::<Vec<_>>(), root)
}

/// Lines for a script of `sh`, after which programs find the libraries below `root`.
pub(crate) fn library_path(root: &Path) -> Done<String> {
    Ok(library_path_of(&library_folders(root)?))
}

fn add(packages: &[&str], root: &Path) -> Done {
    let downloads = root.with_extension("downloads");
    fs::create_dir_all(&downloads)?;
    download(&downloads, packages)?;
    for entry in fs::read_dir(&downloads)? {
        let package = entry?.path();
        if package.extension() == Some(OsStr::new("deb")) {
            run(Command::new("dpkg").arg("-x").arg(&package).arg(root))?;
        }
    }
    Ok(fs::remove_dir_all(downloads)?)
}

/// Packages into the folder; a machine without package lists gets them, if we may.
fn download(folder: &Path, packages: &[&str]) -> Done {
    let download = || {
        let mut command = Command::new("apt-get");
        run(command.arg("download").args(packages).current_dir(folder))
    };
    let Err(failure) = download() else {
        return Ok(());
    };
    if !is_root() {
        return Err(failure);
    }
    run(Command::new("apt-get").arg("update"))?;
    download()
}

fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn lacks_libraries(ldd: &str) -> bool {
    ldd.lines().any(|line| line.ends_with("not found"))
}

/// The libraries among what `apt-cache depends` prints, without the C library, which is there or else
/// nothing is.
fn libraries(depends: &str) -> BTreeSet<String> {
    depends
        .lines()
        .filter_map(|line| line.trim().trim_start_matches('|').strip_prefix("Depends: "))
        .filter(|package| package.starts_with("lib") || package.starts_with("lua"))
        .filter(|package| *package != "libc6")
        .map(str::to_owned)
        .collect()
}

/// Debian's folders for libraries, with the machine's architecture in their names.
fn library_folders(root: &Path) -> Done<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for base in ["usr/lib", "lib"] {
        let base = root.join(base);
        if !base.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&base)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            }
        }
        folders.push(base);
    }
    folders.sort();
    Ok(folders)
}

fn library_path_of(folders: &[PathBuf]) -> String {
    let folders: Vec<_> = folders.iter().map(|path| path.display().to_string()).collect();
    format!(
        "LD_LIBRARY_PATH=\"{}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\"\nexport LD_LIBRARY_PATH\n",
        folders.join(":")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_libraries_are_fetched() {
        let depends = "redis-server\n  PreDepends: init-system-helpers\n  Depends: lsb-base\n \
                       |Depends: redis-tools\nredis-tools\n  Depends: adduser\n  Depends: libc6\n  \
                       Depends: liblzf1\n |Depends: libssl3\n  Depends: lua-cjson\n  Suggests: libfoo\n";
        let expected = ["liblzf1", "libssl3", "lua-cjson"].map(str::to_owned);
        assert_eq!(libraries(depends), BTreeSet::from(expected));
    }

    #[test]
    fn a_missing_library_is_seen() {
        assert!(lacks_libraries(
            "\tlibc.so.6 => /lib/libc.so.6 (0x1)\n\tliblzf.so.1 => not found\n"
        ));
        assert!(!lacks_libraries("\tlibc.so.6 => /lib/libc.so.6 (0x1)\n"));
    }

    #[test]
    fn the_libraries_come_before_those_that_are_known() -> Done {
        let script = library_path_of(&["/a".into(), "/b c".into()]) + "echo \"$LD_LIBRARY_PATH\"";
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &script]).env("LD_LIBRARY_PATH", "/d");
        assert_eq!(output(&mut shell)?, "/a:/b c:/d\n");
        assert_eq!(output(shell.env_remove("LD_LIBRARY_PATH"))?, "/a:/b c\n");
        Ok(())
    }
}
