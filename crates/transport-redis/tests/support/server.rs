//! One `redis-server` process.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::Value;
use tempfile::TempDir;

pub use super::free_port::free_port;
use super::{soon, until};

/// The server program: `UNSTALE_REDIS_SERVER`, or `redis-server` on the PATH.
pub fn binary() -> PathBuf {
    let named = std::env::var_os("UNSTALE_REDIS_SERVER").map(PathBuf::from);
    let binary = named.unwrap_or_else(|| PathBuf::from("redis-server"));
    let works = Command::new(&binary)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    assert!(
        works,
        "no redis-server: run `cargo xtask test`, which fetches one, or `apt-get install redis-server`, or set \
         UNSTALE_REDIS_SERVER"
    );
    binary
}

/// How to start a server.
#[derive(Clone, Debug, Default)]
pub struct Options {
    lines: Vec<String>,
    password: Option<String>,
    sentinel: bool,
    unix_socket: bool,
    /// Whether `port` speaks TLS: certificate, key.
    tls: Option<(String, String)>,
}

impl Options {
    pub fn new() -> Self {
        Self::default()
    }

    /// A line of the configuration file.
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Requires this password of the default user.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.into());
        self
    }

    /// A sentinel instead of a server.
    pub fn sentinel(mut self) -> Self {
        self.sentinel = true;
        self
    }

    /// Listens on a unix socket too.
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// Speaks TLS only, with this certificate and key, both PEM.
    pub fn tls(mut self, certificate: String, key: String) -> Self {
        self.tls = Some((certificate, key));
        self
    }

    pub async fn start(self) -> RedisServer {
        RedisServer::start_with(self).await
    }
}

/// A server, killed and its files removed when dropped.
pub struct RedisServer {
    options: Options,
    port: u16,
    folder: TempDir,
    child: Option<Child>,
}

impl RedisServer {
    /// A plain server on a free port.
    pub async fn start() -> Self {
        Self::start_with(Options::new()).await
    }

    pub async fn start_with(options: Options) -> Self {
        let mut server = Self {
            options,
            port: free_port(),
            folder: tempfile::tempdir().expect("a temporary folder"),
            child: None,
        };
        server.write_configuration();
        server.spawn();
        server.wait_until_up().await;
        server
    }

    /// The port, on `127.0.0.1`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL, without a password.
    pub fn url(&self) -> String {
        let scheme = if self.options.tls.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The unix socket's path.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn write_configuration(&self) {
        let folder = self.folder.path();
        let path = |name: &str| folder.join(name).display().to_string();
        let mut lines = vec![
            "bind 127.0.0.1".to_owned(),
            format!("dir {}", folder.display()),
            format!("logfile {}", path("log")),
            "daemonize no".to_owned(),
        ];
        if !self.options.sentinel {
            lines.push("save \"\"".into());
            lines.push("appendonly no".into());
            // A replica of a test has nothing worth waiting for.
            lines.push("repl-diskless-sync-delay 0".into());
        }
        match &self.options.tls {
            Some((certificate, key)) => {
                std::fs::write(path("certificate.pem"), certificate).expect("write");
                std::fs::write(path("key.pem"), key).expect("write");
                lines.push(format!("port 0\ntls-port {}", self.port));
                lines.push(format!("tls-cert-file {}", path("certificate.pem")));
                lines.push(format!("tls-key-file {}", path("key.pem")));
                lines.push("tls-auth-clients no".into());
            }
            None => lines.push(format!("port {}", self.port)),
        }
        if self.options.unix_socket {
            lines.push(format!("unixsocket {}", path("socket")));
        }
        if let Some(password) = &self.options.password {
            lines.push(format!("requirepass {password}"));
            lines.push(format!("masterauth {password}"));
        }
        lines.extend(self.options.lines.iter().cloned());
        std::fs::write(path("redis.conf"), lines.join("\n") + "\n").expect("write");
    }

    fn spawn(&mut self) {
        let mut command = Command::new(binary());
        command.arg(self.folder.path().join("redis.conf"));
        if self.options.sentinel {
            command.arg("--sentinel");
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start redis-server");
        self.child = Some(child);
    }

    async fn wait_until_up(&mut self) {
        let address = (Ipv4Addr::LOCALHOST, self.port);
        let log = self.folder.path().join("log");
        let child = self.child.as_mut().expect("spawned");
        soon("the start of redis-server", async {
            while tokio::net::TcpStream::connect(address).await.is_err() {
                if let Ok(Some(status)) = child.try_wait() {
                    let log = std::fs::read_to_string(&log).unwrap_or_default();
                    panic!("redis-server at {address:?} ended at once ({status}):\n{log}");
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// `SIGKILL`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// `SIGSTOP`: connections stay open, nothing flows.
    pub fn stop(&self) {
        self.signal("STOP");
    }

    /// `SIGCONT`.
    pub fn cont(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("the server runs");
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// Starts again on the same port, after [`kill`](Self::kill) or instead of it.
    pub async fn restart(&mut self) {
        self.kill();
        self.spawn();
        self.wait_until_up().await;
    }

    /// The server's log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client of the `redis` crate, for the default user. Not for TLS servers.
    pub fn client(&self) -> redis::Client {
        let login = match &self.options.password {
            Some(password) => format!(":{password}@"),
            None => String::new(),
        };
        redis::Client::open(format!("redis://{login}127.0.0.1:{}", self.port)).expect("a URL")
    }

    /// A connection of the `redis` crate, logged in as the default user. Not for TLS servers.
    pub async fn connection(&self) -> redis::aio::MultiplexedConnection {
        let config = redis::AsyncConnectionConfig::new()
            .set_response_timeout(Some(Duration::from_secs(10)))
            .set_connection_timeout(Some(Duration::from_secs(10)));
        self.client()
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .expect("a connection")
    }

    /// One command, and what the server answered.
    pub async fn cli(&self, arguments: &[&str]) -> Value {
        self.try_cli(arguments).await.unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    /// One command, which may fail.
    pub async fn try_cli(&self, arguments: &[&str]) -> redis::RedisResult<Value> {
        let mut connection = self.connection().await;
        let mut command = redis::cmd(arguments[0]);
        for argument in &arguments[1..] {
            command.arg(argument);
        }
        command.query_async(&mut connection).await
    }

    /// One command whose answer is text.
    pub async fn text(&self, arguments: &[&str]) -> String {
        redis::from_redis_value(self.cli(arguments).await).expect("text")
    }

    /// One command whose answer is a number.
    pub async fn number(&self, arguments: &[&str]) -> i64 {
        redis::from_redis_value(self.cli(arguments).await).expect("a number")
    }

    /// Makes it a replica of `primary` and waits until it follows.
    pub async fn replicate(&self, primary: &Self) {
        let port = primary.port().to_string();
        self.cli(&["REPLICAOF", "127.0.0.1", &port]).await;
        until("replication", || async {
            let info = self.text(&["INFO", "replication"]).await;
            info.contains("master_link_status:up").then_some(())
        })
        .await;
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
