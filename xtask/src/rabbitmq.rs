//! A RabbitMQ that speaks AMQP 1.0, for the tests of the Azure transport's client: the one on the PATH, else Debian's
//! package, unpacked without root.
//!
//! The tests start it as `rabbitmq-server`, and say where and how by RabbitMQ's own environment variables.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{find_in, shown, workspace, write_script};
use crate::{Done, debian};

/// The environment variable that names the server to the tests.
pub(crate) const VARIABLE: &str = "UNSTALE_RABBITMQ_SERVER";

const INSTALL: &str = "install RabbitMQ 3.8 or newer, but not 4, with its plugin rabbitmq_amqp1_0, so that \
                       rabbitmq-server and erl are on the PATH (Debian 12: apt-get install rabbitmq-server), or set \
                       UNSTALE_RABBITMQ_SERVER to a rabbitmq-server";

/// The packages that hold the server and what it needs of Erlang.
const PACKAGES: [&str; 15] = [
    "rabbitmq-server",
    "erlang-asn1",
    "erlang-base",
    "erlang-crypto",
    "erlang-eldap",
    "erlang-inets",
    "erlang-mnesia",
    "erlang-os-mon",
    "erlang-parsetools",
    "erlang-public-key",
    "erlang-runtime-tools",
    "erlang-ssl",
    "erlang-syntax-tools",
    "erlang-tools",
    "erlang-xmerl",
];

/// Version 4 reads addresses in another way.
const PLUGIN: &str = "rabbitmq_amqp1_0-3.";

/// The path of a server that can be started.
pub(crate) fn server() -> Done<PathBuf> {
    if let Some(set) = std::env::var_os(VARIABLE) {
        let set = PathBuf::from(set);
        check(&set).map_err(|error| format!("{VARIABLE} is set, but: {error}"))?;
        return Ok(set);
    }
    let folder = workspace().join("target/tools/rabbitmq");
    fs::create_dir_all(&folder)?;
    let script = folder.join("rabbitmq-server");
    if let Some(installed) = installed(&std::env::var_os("PATH").unwrap_or_default()) {
        write_script(&script, &start(&installed))?;
    }
    if !script.exists() || check(&script).is_err() {
        unpack(&folder.join("root"), &script).map_err(|error| format!("{error}\n{INSTALL}"))?;
    }
    Ok(script)
}

/// Whether all that starts the server is there.
fn check(server: &Path) -> Done {
    let mut command = Command::new(server);
    let answer = command.arg("-version").output();
    let answer = answer.map_err(|error| format!("{}: {error}", shown(&command)))?;
    // Erlang's virtual machine answers this, and starts nothing. Without one the script succeeds all the same.
    let said = String::from_utf8_lossy(&answer.stderr);
    if said.contains("emulator version") {
        return Ok(());
    }
    Err(format!("failed ({}): {}\n{}", answer.status, shown(&command), said.trim_end()).into())
}

/// A server with the plugin, in the folders of a `PATH`.
fn installed(path: &OsStr) -> Option<PathBuf> {
    find_in(path, "erl")?;
    let found = find_in(path, "rabbitmq-server")?;
    // Debian's is a script that becomes another user; this is what it starts then.
    [found, "/usr/lib/rabbitmq/bin/rabbitmq-server".into()]
        .into_iter()
        .filter_map(|server| server.canonicalize().ok())
        .find(|server| has_plugin(server))
}

/// Whether the server, as it lies in RabbitMQ's own folder, has the plugin.
fn has_plugin(server: &Path) -> bool {
    let home = server.parent().and_then(Path::parent);
    home.is_some_and(|home| entry(&home.join("plugins"), PLUGIN).is_ok())
}

/// Debian's packages, and a script that starts what is in them.
fn unpack(root: &Path, script: &Path) -> Done {
    debian::unpack(&PACKAGES, root)?;
    let erlang = root.join("usr/lib/erlang");
    let machine = entry(&erlang, "erts-")?.join("bin");
    let crypto = entry(&erlang.join("lib"), "crypto-")?.join("priv/lib/crypto.so");
    let programs = [machine.join("beam.smp"), machine.join("epmd"), crypto];
    debian::add_libraries(&PACKAGES, root, &programs)?;
    let server =
        entry(&root.join("usr/lib/rabbitmq/lib"), "rabbitmq_server-")?.join("sbin/rabbitmq-server");
    if !has_plugin(&server) {
        return Err(format!("there is no {PLUGIN}x beside {}", server.display()).into());
    }
    let programs = erlang.join("bin");
    move_erlang(&programs.join("erl"), &erlang)?;
    let path = format!("PATH=\"{}:$PATH\"\nexport PATH\n", programs.display());
    write_script(script, &(debian::library_path(root)? + &path + &start(&server)))?;
    check(script)
}

/// Tells the script `erl` where it is by now.
fn move_erlang(erl: &Path, erlang: &Path) -> Done {
    let moved = fs::read_to_string(erl)?
        .replace("ROOTDIR=/usr/lib/erlang\n", &format!("ROOTDIR=\"{}\"\n", erlang.display()));
    Ok(fs::write(erl, moved)?)
}

/// The entry of a folder whose name begins so: only its version is not known.
fn entry(folder: &Path, beginning: &str) -> Done<PathBuf> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(beginning) {
            return Ok(entry.path());
        }
    }
    Err(format!("{}: nothing begins with {beginning}", folder.display()).into())
}

/// Commands that start the server. Its name server is started by us: RabbitMQ would let it run on for ever, in a
/// process group of its own.
fn start(server: &Path) -> String {
    format!("if [ $# -eq 0 ]; then\n    epmd &\nfi\nexec \"{}\" \"$@\"\n", server.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::output;

    #[test]
    fn an_entry_is_found_whatever_its_version() -> Done {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(entry(folder, "Cargo.")?, folder.join("Cargo.toml"));
        let missing = entry(folder, "erts-").unwrap_err().to_string();
        assert!(missing.ends_with("nothing begins with erts-"), "{missing}");
        assert!(entry(&folder.join("nowhere"), "").is_err());
        Ok(())
    }

    #[test]
    fn a_path_without_it_has_none() {
        assert_eq!(installed(OsStr::new("/proc")), None);
    }

    #[test]
    fn only_a_start_starts_the_name_server() -> Done {
        let script = start(Path::new("/bin/echo")).replace("epmd", "echo epmd");
        let mut shell = Command::new("/bin/sh");
        let printed = output(shell.args(["-c", &script, "sh", "-version"]))?;
        assert_eq!(printed, "-version\n");
        Ok(())
    }
}
