//! Microsoft's own clients, in Python and JavaScript, exchange messages with the transport over the emulator: what
//! it sends is what they receive, and the other way round.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "these tests run on real sockets in real time, and may panic"
)]

#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use support::{KEY, Namespace, TOPIC, soon};
use tokio::process::Command;
use unstale::Transport;
use unstale::transport::{Item, SubscriptionExt};

/// Where `cargo xtask` has installed the clients.
const VARIABLE: &str = "UNSTALE_REFEREES";
const COUNT: usize = 1_000;

#[derive(Clone, Copy)]
enum Client {
    Python,
    JavaScript,
}

fn installed(what: &str) -> PathBuf {
    let folder = std::env::var_os(VARIABLE).map(PathBuf::from).map(|folder| folder.join(what));
    folder.filter(|folder| folder.is_dir()).unwrap_or_else(|| {
        panic!("Microsoft's clients are not there: run cargo xtask test, which sets {VARIABLE}")
    })
}

impl Client {
    fn command(self) -> Command {
        let script =
            |name| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/microsoft").join(name);
        match self {
            Self::Python => {
                let mut command = Command::new("python3");
                command.env("PYTHONPATH", installed("python"));
                command.env("PYTHONDONTWRITEBYTECODE", "1").arg(script("exchange.py"));
                command
            }
            Self::JavaScript => {
                let mut command = Command::new("node");
                command.env("NODE_PATH", installed("javascript").join("node_modules"));
                command.arg(script("exchange.js"));
                command
            }
        }
    }

    /// Runs it to its end.
    async fn does(self, what: &str, namespace: &Namespace) {
        let address = format!("localhost:{}", namespace.port());
        let connection = namespace.emulator.connection_string("all", &address).unwrap();
        assert!(connection.contains(KEY));
        let mut command = self.command();
        let running = command.arg(connection).arg(what).kill_on_drop(true).output();
        // A script's start and a thousand messages, on a busy machine.
        let output = tokio::time::timeout(Duration::from_secs(200), running).await;
        let output = output.expect("it hangs").unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    }
}

fn frame(number: usize) -> Bytes {
    format!("frame {number}").into()
}

/// 1,000 messages from the client to the transport, in order and whole.
async fn hears(client: Client) {
    let namespace = Namespace::start().await;
    let transport = namespace.transport();
    let mut subscription = transport.subscribe().await.unwrap();
    let heard = async {
        for number in 0..COUNT {
            let item = soon("a message of the client", subscription.next()).await.unwrap();
            assert_eq!(item, Item::Frame(frame(number)));
        }
    };
    tokio::join!(client.does("send", &namespace), heard);
}

/// 1,000 messages from the transport to the client, in order and whole.
async fn is_heard(client: Client) {
    let namespace = Namespace::start().await;
    namespace.emulator.create_subscription(TOPIC, "referee").unwrap();
    let transport = namespace.transport();
    for number in 0..COUNT {
        transport.publish(frame(number)).await.unwrap();
    }
    client.does("receive", &namespace).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_is_heard() {
    hears(Client::Python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_hears() {
    is_heard(Client::Python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript_is_heard() {
    hears(Client::JavaScript).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript_hears() {
    is_heard(Client::JavaScript).await;
}
