//! The referees: Microsoft's own clients, in Python and JavaScript, on a real port of this machine.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic, and these run in real time"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::process::Command;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use unstale_servicebus_emulator::{Clock, Emulator, Options};

/// Where `cargo xtask` has installed the clients.
const VARIABLE: &str = "UNSTALE_REFEREES";

fn installed(what: &str) -> PathBuf {
    let folder = std::env::var_os(VARIABLE).map(PathBuf::from).map(|folder| folder.join(what));
    folder.filter(|folder| folder.is_dir()).unwrap_or_else(|| {
        panic!("Microsoft's clients are not there: run cargo xtask test, which sets {VARIABLE}")
    })
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/referees").join(name)
}

fn python(name: &str) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", installed("python")).env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg(script("python").join(name));
    command
}

fn javascript(name: &str) -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", installed("javascript").join("node_modules"));
    command.arg(script("javascript").join(name));
    command
}

/// Runs a script against an emulator with the topic `t` and its subscription `s`.
async fn judge(command: Command, more: &[&str]) -> Emulator {
    judge_with(Options::new(Clock::new(SystemTime::now)), command, more).await
}

async fn judge_with(options: Options, mut command: Command, more: &[&str]) -> Emulator {
    let emulator = Emulator::new(options);
    emulator.create_topic("t").unwrap();
    emulator.create_subscription("t", "s").unwrap();
    let listening = emulator.listen("127.0.0.1:0").await.unwrap();
    let host_and_port = format!("localhost:{}", listening.addr().port());
    let connection = emulator.connection_string("RootManageSharedAccessKey", &host_and_port);
    let running = command.arg(connection.unwrap()).args(more).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(300), running).await;
    let output = output.expect("it hangs").unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    emulator
}

/// A configuration of TLS with a certificate for `localhost`, and the file that it is in.
fn tls() -> (Arc<ServerConfig>, PathBuf) {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("emulator-certificate.pem");
    std::fs::write(&file, issued.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let chain = vec![issued.cert.der().clone()];
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    (Arc::new(config.unwrap()), file)
}

/// What the scripts that send and receive leave behind.
fn check_messages(emulator: &Emulator) {
    let info = emulator.subscription_info("t", "s").unwrap();
    assert_eq!((info.waiting, info.locked, info.dead_lettered), (0, 0, 0));
    assert_eq!(info.next_sequence_number, 2_001);
    let billed = emulator.operations();
    assert_eq!((billed.sends, billed.deliveries), (2_000, 2_100));
}

#[tokio::test]
async fn python_sends_and_receives() {
    check_messages(&judge(python("messages.py"), &[]).await);
}

#[tokio::test]
async fn python_administers() {
    judge(python("administration.py"), &[]).await;
}

#[tokio::test]
async fn javascript_sends_and_receives() {
    check_messages(&judge(javascript("messages.js"), &[]).await);
}

#[tokio::test]
async fn javascript_sends_and_receives_over_tls_and_a_websocket() {
    let (tls, certificate) = tls();
    let mut command = javascript("messages.js");
    command.env("NODE_EXTRA_CA_CERTS", certificate);
    let options = Options { tls: Some(tls), ..Options::new(Clock::new(SystemTime::now)) };
    check_messages(&judge_with(options, command, &["websocket"]).await);
}

#[tokio::test]
async fn javascript_administers() {
    judge(javascript("administration.js"), &[]).await;
}
