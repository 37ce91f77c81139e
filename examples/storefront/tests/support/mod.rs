//! The storefront as a program, a Redis and a Service Bus for it, and the simplest of HTTP clients.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test that fails")]
#![expect(unreachable_pub, reason = "shared by several test programs")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use unstale_servicebus_emulator::{Clock, Emulator, Listening, Options};

/// Longer than anything here takes on a busy machine. Only a failing test waits for so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// Tries until there is an answer.
pub fn until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = attempt() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The running program. Killed if it is dropped; its own children leave when it does.
pub struct Storefront {
    child: Child,
    /// Only held open, for `--until-eof`.
    input: Option<ChildStdin>,
    output: mpsc::Receiver<String>,
    errors: mpsc::Receiver<String>,
}

impl Storefront {
    pub fn start(arguments: &[&str], redis_url: Option<&str>) -> Self {
        Self::start_with(arguments, &[("STOREFRONT_REDIS", redis_url.unwrap_or_default())])
    }

    pub fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_storefront"));
        command.args(["--port", "0"]).args(arguments);
        command.env_remove("STOREFRONT_REDIS").env_remove("STOREFRONT_AZURE");
        command.envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = lines(child.stdout.take().unwrap());
        let errors = lines(child.stderr.take().unwrap());
        Self { input: child.stdin.take(), child, output, errors }
    }

    /// Waits for the end. Returns how it ended, what it said, and what it complained about.
    pub fn end(mut self) -> (ExitStatus, String, String) {
        let status = until("the end", || self.child.try_wait().unwrap());
        let text = |lines: &mpsc::Receiver<String>| lines.iter().collect::<Vec<_>>().join("\n");
        (status, text(&self.output), text(&self.errors))
    }

    /// The next line that contains this.
    pub fn line_with(&self, part: &str) -> String {
        let mut seen = String::new();
        loop {
            match self.output.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen = seen + &line + "\n",
                Err(_) => {
                    let errors: Vec<_> = self.errors.try_iter().collect();
                    panic!("no line with `{part}`, but\n{seen}\n{}", errors.join("\n"));
                }
            }
        }
    }

    /// Ends its standard input.
    pub fn close_input(&mut self) {
        self.input = None;
    }
}

impl Drop for Storefront {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        let read = BufReader::new(pipe).lines().map_while(Result::ok);
        read.take_while(|line| sender.send(line.clone()).is_ok()).count()
    });
    lines
}

/// One request; `address` is `host:port`. The status and the body, or `None` if nobody answers.
pub fn request(method: &str, address: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// A `GET` that must succeed, and is JSON.
pub fn get(address: &str, path: &str) -> serde_json::Value {
    let (status, body) = request("GET", address, path, "").unwrap();
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// A `redis-server` on a port of its own, killed when dropped.
pub struct Redis {
    port: u16,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Redis {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut redis = Self { port: free_port(), folder, child: None };
        redis.restart();
        redis
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn restart(&mut self) {
        self.kill();
        let binary = std::env::var_os("UNSTALE_REDIS_SERVER").map(PathBuf::from);
        let binary = binary.unwrap_or_else(|| "redis-server".into());
        let child = Command::new(binary)
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .arg("--port")
            .arg(self.port.to_string())
            .arg("--dir")
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "no redis-server ({error}): run `cargo xtask test`, which fetches one, or \
                     `apt-get install redis-server`, or set UNSTALE_REDIS_SERVER"
                )
            });
        self.child = Some(child);
        let address = (Ipv4Addr::LOCALHOST, self.port);
        until("the start of redis-server", || TcpStream::connect(address).ok());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An emulated namespace of Azure Service Bus, without topics, on a port of its own.
pub struct ServiceBus {
    pub emulator: Emulator,
    listening: Listening,
    runtime: tokio::runtime::Runtime,
}

impl ServiceBus {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let emulator = Emulator::new(Options::new(Clock::new(SystemTime::now)));
        let listening = runtime.block_on(emulator.listen("127.0.0.1:0")).unwrap();
        Self { emulator, listening, runtime }
    }

    /// With all rights.
    pub fn connection_string(&self) -> String {
        let address = self.listening.addr().to_string();
        self.emulator.connection_string("RootManageSharedAccessKey", &address).unwrap()
    }
}

/// A port that nobody listens on, below those that the system gives to outgoing connections: a client that
/// retries a dead server's port must not get it as its own.
fn free_port() -> u16 {
    let first = 10_000 + (std::process::id() % 20_000) as u16;
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (first..first + 1_000).find(free).unwrap()
}
