//! One RabbitMQ, in processes of its own.

use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::free_port::free_port;
use super::patience::soon;

/// Names the `rabbitmq-server` to start.
const VARIABLE: &str = "UNSTALE_RABBITMQ_SERVER";

/// Starts the server and waits for the end of the input, which comes at the latest with the end of the test program:
/// then nothing is left of the process group. In the background a shell reads no input but one that it is handed.
const SHELL: &str = "exec 3<&0 </dev/null; (cat <&3 >/dev/null; kill -KILL 0) & exec \"$0\"";

/// A broker, killed and its files removed when dropped.
pub(super) struct Broker {
    folder: TempDir,
    port: u16,
    /// Between Erlang's nodes, of which there is one.
    distribution_port: u16,
    name_server_port: u16,
    /// The shell, which leads the process group.
    process: Option<Child>,
}

impl Broker {
    pub(super) async fn start() -> Self {
        let mut broker = Self {
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
            distribution_port: free_port(),
            name_server_port: free_port(),
            process: None,
        };
        let settings = format!(
            "listeners.tcp.default = 127.0.0.1:{}\namqp1_0.default_user = guest\n",
            broker.port
        );
        std::fs::write(broker.file("rabbitmq.conf"), settings).unwrap();
        std::fs::write(broker.file("plugins"), "[rabbitmq_amqp1_0].\n").unwrap();
        broker.restart().await;
        broker
    }

    /// The port of AMQP, on `127.0.0.1`.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// `SIGKILL`, for all that belongs to it.
    pub(super) fn kill(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let group = format!("-{}", process.id());
        let killed = Command::new("kill").args(["-KILL", "--", &group]).status();
        assert!(killed.is_ok_and(|status| status.success()), "kill {group}");
        let _ = process.wait();
    }

    /// Starts again on the same port, after [`kill`](Self::kill) or instead of it.
    pub(super) async fn restart(&mut self) {
        self.kill();
        self.process = Some(self.command().spawn().expect("start a shell"));
        self.wait_until_up().await;
    }

    fn command(&self) -> Command {
        let program = std::env::var_os(VARIABLE).unwrap_or_else(|| {
            panic!("no RabbitMQ: run `cargo xtask test`, which fetches one, or set {VARIABLE}")
        });
        let log = std::fs::File::create(self.file("log")).unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SHELL]).arg(program).process_group(0);
        command.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        command
            .env("HOME", self.folder.path())
            .env("RABBITMQ_NODENAME", format!("unstale-{}@localhost", self.port))
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", self.distribution_port.to_string())
            .env("ERL_EPMD_PORT", self.name_server_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_MNESIA_BASE", self.file("data"))
            .env("RABBITMQ_LOG_BASE", self.file("logs"))
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_CONFIG_FILE", self.file("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", self.file("none"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", self.file("plugins"));
        command
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn wait_until_up(&mut self) {
        let address = (Ipv4Addr::LOCALHOST, self.port);
        let log = self.file("log");
        let process = self.process.as_mut().expect("it was started");
        soon("the start of RabbitMQ", async {
            while tokio::net::TcpStream::connect(address).await.is_err() {
                if let Ok(Some(status)) = process.try_wait() {
                    let log = std::fs::read_to_string(&log).unwrap_or_default();
                    panic!("RabbitMQ ended at once ({status}):\n{log}");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}
