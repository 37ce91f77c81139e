//! Redis servers of a benchmark's own, and what they have done so far.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

#[path = "../../tests/weather/free_port.rs"]
#[expect(unreachable_pub, reason = "the tests of the transports share it")]
mod free_port;
use free_port::free_port;

/// The environment variable that names the server's binary.
const VARIABLE: &str = "UNSTALE_REDIS_SERVER";

/// How long a server may take to start, or a cluster to form.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A server on loopback, killed and its files removed when dropped.
#[derive(Debug)]
pub struct RedisServer {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl RedisServer {
    /// Starts a server that keeps nothing.
    ///
    /// # Errors
    /// One line that says what is missing.
    pub fn start() -> Result<Self, String> {
        Self::start_with(&[])
    }

    fn start_with(settings: &[&str]) -> Result<Self, String> {
        let binary =
            std::env::var_os(VARIABLE).map_or_else(|| "redis-server".into(), PathBuf::from);
        let folder =
            tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        let port = free_port();
        let mut command = Command::new(&binary);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.arg("--dir").arg(folder.path()).args(settings);
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.map_err(|error| {
            format!(
                "no redis-server ({}: {error}): install Redis 7 or set {VARIABLE} to its binary",
                binary.display()
            )
        })?;
        let mut server = Self { child, port, _folder: folder };
        server.wait_until_up()?;
        Ok(server)
    }

    fn wait_until_up(&mut self) -> Result<(), String> {
        let address = (Ipv4Addr::LOCALHOST, self.port);
        poll(|| {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("redis-server ended at once ({status})"));
            }
            Ok(std::net::TcpStream::connect(address).ok().map(drop))
        })
    }

    /// The server as a URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A client of the `redis` crate.
    ///
    /// # Panics
    /// Never: the URL is a valid one.
    pub fn client(&self) -> redis::Client {
        redis::Client::open(self.url()).expect("a valid URL")
    }

    /// One command.
    fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> Result<T, String> {
        let answer = || {
            let mut connection = self.client().get_connection()?;
            redis::cmd(command[0]).arg(&command[1..]).query(&mut connection)
        };
        answer().map_err(|error: redis::RedisError| format!("{command:?}: {error}"))
    }

    /// A connection that asks what the server has done.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn meter(&self) -> Meter {
        let connection = self.client().get_connection().expect("a connection to the server");
        let mut meter = Meter { connection };
        // What opening the connection took is not to be found in the first difference.
        meter.read();
        meter
    }
}

/// Asks a server what it has done; blocks the thread for one round trip.
pub struct Meter {
    connection: redis::Connection,
}

impl Meter {
    /// What the server has done since its start.
    ///
    /// # Panics
    /// If it does not say.
    pub fn read(&mut self) -> Work {
        let answer: String = redis::cmd("INFO")
            .arg("all")
            .query(&mut self.connection)
            .expect("what the server has done");
        Work::from_info(&answer)
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Three primaries that share the slots of a cluster.
#[derive(Debug)]
pub struct Cluster {
    primaries: Vec<RedisServer>,
}

impl Cluster {
    /// Starts it, and waits until its nodes know each other.
    ///
    /// # Errors
    /// One line that says what is missing.
    pub fn start() -> Result<Self, String> {
        let mut primaries = Vec::new();
        for (from, to) in [("0", "5460"), ("5461", "10922"), ("10923", "16383")] {
            let bus = free_port().to_string();
            let settings = ["--cluster-enabled", "yes", "--cluster-port", &bus];
            let primary = RedisServer::start_with(&settings)?;
            primary.ask::<()>(&["CLUSTER", "ADDSLOTSRANGE", from, to])?;
            if let Some(first) = primaries.first() {
                let first: &RedisServer = first;
                let port = primary.port.to_string();
                first.ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
            }
            primaries.push(primary);
        }
        for primary in &primaries {
            poll(|| {
                let info: String = primary.ask(&["CLUSTER", "INFO"])?;
                let formed = ["cluster_state:ok", "cluster_known_nodes:3"];
                Ok(formed.iter().all(|line| info.contains(line)).then_some(()))
            })?;
        }
        Ok(Self { primaries })
    }

    /// The primaries.
    pub fn primaries(&self) -> &[RedisServer] {
        &self.primaries
    }

    /// Which of them owns the slot of a channel.
    ///
    /// # Errors
    /// One line, if a server does not say.
    pub fn owner(&self, channel: &str) -> Result<usize, String> {
        let slot = self.primaries[0].ask::<usize>(&["CLUSTER", "KEYSLOT", channel])?;
        Ok([5_461, 10_923].iter().filter(|first| slot >= **first).count())
    }

    /// All of them as URLs.
    pub fn urls(&self) -> Vec<String> {
        self.primaries.iter().map(RedisServer::url).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "waits for another process")]
fn poll(mut condition: impl FnMut() -> Result<Option<()>, String>) -> Result<(), String> {
    for _ in 0..PATIENCE.as_millis() / POLL.as_millis() {
        if condition()?.is_some() {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
    Err(format!("redis-server was not ready within {} s", PATIENCE.as_secs()))
}

/// `INFO all` as it is sent.
const QUESTION_BYTES: u64 = "*2\r\n$4\r\nINFO\r\n$3\r\nall\r\n".len() as u64;

/// What a server has done: since its start, or between two moments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Work {
    /// Calls by the name of the command, in small letters.
    pub calls: BTreeMap<String, u64>,
    /// Times that it read from a connection: commands that were sent together count once.
    pub reads: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Processor time.
    pub cpu: Duration,
    /// The length of the answer that says all this.
    answer_bytes: u64,
}

impl Work {
    fn from_info(info: &str) -> Self {
        let mut work = Self { answer_bytes: info.len() as u64, ..Self::default() };
        for (name, value) in info.lines().filter_map(|line| line.trim_end().split_once(':')) {
            if let Some(command) = name.strip_prefix("cmdstat_") {
                let calls = value.split(',').find_map(|part| part.strip_prefix("calls="));
                let calls = calls.and_then(|calls| calls.parse().ok()).unwrap_or(0);
                work.calls.insert(command.to_owned(), calls);
            }
            let number = || value.parse().unwrap_or(0);
            match name {
                "total_reads_processed" => work.reads = number(),
                "total_net_input_bytes" => work.bytes_in = number(),
                "total_net_output_bytes" => work.bytes_out = number(),
                "used_cpu_sys" | "used_cpu_user" => {
                    work.cpu += Duration::from_secs_f64(value.parse().unwrap_or(0.0));
                }
                _ => {}
            }
        }
        work
    }

    /// What was done since `earlier`, apart from asking.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        // The earlier question is not in its own answer, but in the later one.
        let asking = |name: &str| u64::from(name == "info");
        let calls = self.calls.iter().map(|(name, calls)| {
            let before = earlier.calls.get(name).copied().unwrap_or(0);
            (name.clone(), calls.saturating_sub(before + asking(name)))
        });
        Self {
            calls: calls.collect(),
            reads: self.reads.saturating_sub(earlier.reads + 1),
            bytes_in: self.bytes_in.saturating_sub(earlier.bytes_in + QUESTION_BYTES),
            bytes_out: self.bytes_out.saturating_sub(earlier.bytes_out + earlier.answer_bytes),
            cpu: self.cpu.saturating_sub(earlier.cpu),
            answer_bytes: self.answer_bytes,
        }
    }

    /// Calls of one command, and in a cluster of its sharded form.
    pub fn calls(&self, command: &str) -> u64 {
        let of = |name: &str| self.calls.get(name).copied().unwrap_or(0);
        of(command) + of(&format!("s{command}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_read_and_subtracted() {
        let info = |publishes: u32, infos: u32| {
            format!(
                "# Stats\r\ntotal_net_input_bytes:{publishes}00\r\ntotal_reads_processed:{publishes}\r\n\
                 used_cpu_sys:0.5\r\nused_cpu_user:1.{publishes}\r\n\
                 cmdstat_publish:calls={publishes},usec=3\r\ncmdstat_info:calls={infos},usec=3\r\n"
            )
        };
        let (before, after) = (Work::from_info(&info(1, 1)), Work::from_info(&info(5, 3)));
        let work = after.since(&before);
        assert_eq!((work.calls("publish"), work.calls("info"), work.calls("ping")), (4, 1, 0));
        assert_eq!((work.reads, work.bytes_in), (3, 400 - QUESTION_BYTES));
        assert_eq!(work.cpu, Duration::from_millis(400));
    }
}
