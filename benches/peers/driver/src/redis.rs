//! A Redis of our own, and one connection to it.

use std::io;
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::resp::{self, Splitter};

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(10);

/// A port that nobody listens on, below the range from which the system draws the ports of outgoing connections: a client
/// that retries a port of which the server is gone could otherwise connect to itself.
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static DRAWN: AtomicU32 = AtomicU32::new(0);
    loop {
        // Programs that run side by side begin at different places.
        let offset = (std::process::id() % 1_000) * 97 + DRAWN.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + offset % COUNT).unwrap_or(u16::MAX);
        if StdListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A server that stores nothing on disk, and ends with this.
pub struct Server {
    program: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl Server {
    /// Starts one on a free port, and waits until it answers.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start(program: &Path) -> io::Result<Self> {
        let mut server = Self { program: program.to_owned(), port: free_port(), child: None };
        server.restart().await?;
        Ok(server)
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `SIGKILL`.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&mut self) -> io::Result<()> {
        match self.child.take() {
            Some(mut child) => child.kill().await,
            None => Ok(()),
        }
    }

    /// Starts it, empty, on the same port, and waits until it answers.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.kill().await?;
        let port = self.port.to_string();
        let mut command = Command::new(&self.program);
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        self.child = Some(command.spawn()?);
        let answers = async {
            loop {
                if let Ok(mut connection) = Connection::open(self.port).await
                    && connection.ask(&["PING"]).await.is_ok()
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let answered = tokio::time::timeout(START, answers).await;
        answered.map_err(|_| io::Error::other("redis-server does not answer"))
    }
}

/// A connection of the driver's own, around the proxy.
pub struct Connection {
    stream: TcpStream,
    splitter: Splitter,
}

impl Connection {
    /// Connects to the server on this port.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, splitter: Splitter::default() })
    }

    /// Sends a command and returns the frame that answers it.
    ///
    /// # Errors
    /// When the connection breaks, or the server answers with an error.
    pub async fn ask(&mut self, command: &[&str]) -> io::Result<Vec<u8>> {
        self.stream.write_all(&resp::command(command)).await?;
        let frame = self.next_frame().await?;
        if frame.starts_with(b"-") {
            return Err(io::Error::other(String::from_utf8_lossy(&frame).into_owned()));
        }
        Ok(frame)
    }

    /// The next frame that the server sends.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn next_frame(&mut self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            if let Some(frame) = self.splitter.next_frame().map_err(io::Error::other)? {
                return Ok(frame);
            }
            match self.stream.read(&mut buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.splitter.extend(&buffer[..read]),
            }
        }
    }

    /// One line of `INFO`.
    ///
    /// # Errors
    /// When the connection breaks, or there is no such line.
    pub async fn info(&mut self, section: &str, name: &str) -> io::Result<String> {
        let answer = self.ask(&["INFO", section]).await?;
        let text = String::from_utf8_lossy(&answer);
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let line = line.ok_or_else(|| io::Error::other(format!("INFO has no {name}")))?;
        Ok(line.trim().to_owned())
    }

    /// How often the server has been asked for the value of a key.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn lookups(&mut self) -> io::Result<u64> {
        let mut sum = 0;
        for name in ["keyspace_hits", "keyspace_misses"] {
            let number: Result<u64, _> = self.info("stats", name).await?.parse();
            sum += number.map_err(io::Error::other)?;
        }
        Ok(sum)
    }
}
