//! A `redis-server` for the tests: the one on the PATH, else Debian's package, unpacked without root.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Done;
use crate::shell::{find_in, output, run, workspace};

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
    let wrapper = folder.join("redis-server");
    if !wrapper.exists() || check(&wrapper).is_err() {
        unpack(&folder, &wrapper).map_err(|error| format!("{error}\n{INSTALL}"))?;
    }
    Ok(wrapper)
}

/// Whether the server starts at all.
fn check(server: &Path) -> Done {
    output(Command::new(server).arg("--version")).map(drop)
}

/// Downloads Debian's packages, unpacks them and writes a wrapper that finds their libraries.
fn unpack(folder: &Path, wrapper: &Path) -> Done {
    let root = folder.join("root");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    fs::create_dir_all(&root)?;
    download(folder, &PACKAGES.map(str::to_owned))?;
    unpack_all(folder, &root)?;

    let server = root.join("usr/bin/redis-server");
    if lacks_libraries(&output(Command::new("ldd").arg(&server))?) {
        let depends = output(Command::new("apt-cache").arg("depends").args(PACKAGES))?;
        download(folder, &libraries(&depends).into_iter().collect::<Vec<_>>())?;
        unpack_all(folder, &root)?;
    }
    fs::write(wrapper, wrapper_script(&server, &library_folders(&root)?))?;
    run(Command::new("chmod").arg("+x").arg(wrapper))?;
    check(wrapper)
}

/// Packages into the folder; a machine without package lists gets them, if we may.
fn download(folder: &Path, packages: &[String]) -> Done {
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

/// Unpacks every downloaded package and deletes it.
fn unpack_all(folder: &Path, root: &Path) -> Done {
    for entry in fs::read_dir(folder)? {
        let package = entry?.path();
        if package.extension() == Some(OsStr::new("deb")) {
            run(Command::new("dpkg").arg("-x").arg(&package).arg(root))?;
            fs::remove_file(package)?;
        }
    }
    Ok(())
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

/// `exec`, so that a signal to the wrapper's process is a signal to the server.
fn wrapper_script(server: &Path, library_folders: &[PathBuf]) -> String {
    let folders: Vec<_> = library_folders.iter().map(|path| path.display().to_string()).collect();
    format!(
        "#!/bin/sh\nLD_LIBRARY_PATH=\"{}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\"\nexport LD_LIBRARY_PATH\nexec \
         \"{}\" \"$@\"\n",
        folders.join(":"),
        server.display()
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
    fn the_wrapper_becomes_the_server() -> Done {
        let script = wrapper_script(Path::new("/bin/echo"), &["/a".into(), "/b c".into()]);
        let mut shell = Command::new("/bin/sh");
        let printed = output(shell.args(["-c", &script, "sh", "one two", "three"]))?;
        assert_eq!(printed, "one two three\n");
        assert!(script.contains("LD_LIBRARY_PATH=\"/a:/b c$"));
        Ok(())
    }
}
