//! Clients over in-process streams, in paused time: a wait without end fails at once.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use unstale::runtime::BoxFuture;
use unstale::transport::{Item, Subscription, SubscriptionExt, TransportError};
use unstale::{Runtime, Timestamp, Transport};
use unstale_redis::{Address, Connector, RedisTransport, RedisTransportBuilder, Stream};
use unstale_sim::redis::{Observer, Server};

pub(crate) const CHANNEL: &str = "unstale:shop";

const LIMIT: Duration = Duration::from_secs(600);

/// `work`, which must not take for ever.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.expect("it takes for ever")
}

/// Tokio's time and tasks, both of which a test or a simulation controls.
#[derive(Debug)]
pub(crate) struct TestRuntime {
    start: tokio::time::Instant,
    seeds: AtomicU64,
}

impl TestRuntime {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { start: tokio::time::Instant::now(), seeds: AtomicU64::new(1) })
    }
}

impl Runtime for TestRuntime {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(1_000_000_000).after(self.start.elapsed())
    }

    fn upper_now(&self) -> Timestamp {
        self.now()
    }

    fn resynchronize(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(deadline.since(self.now())))
    }

    fn spawn(&self, _: &'static str, task: BoxFuture<()>) {
        tokio::spawn(task);
    }

    fn random_seed(&self) -> u64 {
        self.seeds.fetch_add(1, Ordering::Relaxed)
    }
}

/// A stream to the server, served by a task.
pub(crate) fn stream(server: &Server, peer: &str) -> DuplexStream {
    stream_of(server, peer, 64 * 1024)
}

/// As [`stream`]; so much fits into it.
pub(crate) fn stream_of(server: &Server, peer: &str, bytes: usize) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(bytes);
    let (server, peer) = (server.clone(), peer.to_owned());
    tokio::spawn(async move { server.serve(theirs, peer).await });
    ours
}

/// Leads to servers by their names.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    pub(crate) servers: Vec<Server>,
    pub(crate) peer: String,
}

#[async_trait]
impl Connector for Streams {
    async fn connect(&self, address: &Address) -> io::Result<Box<dyn Stream>> {
        let Address::Tcp { host, .. } = address else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        match self.servers.iter().find(|server| server.name() == host && server.is_up()) {
            Some(server) => Ok(Box::new(stream(server, &self.peer))),
            None => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}

/// The transport of `peer` to whichever of the servers is the primary.
pub(crate) fn builder(servers: &[&Server], peer: &str) -> RedisTransportBuilder {
    RedisTransport::builder()
        .urls(servers.iter().map(|server| format!("redis://{}", server.name())))
        .channel(CHANNEL)
        .connector(Streams {
            servers: servers.iter().map(|server| (*server).clone()).collect(),
            peer: peer.to_owned(),
        })
        .runtime(TestRuntime::new())
}

pub(crate) fn transport(server: &Server, peer: &str) -> RedisTransport {
    builder(&[server], peer).build().unwrap()
}

pub(crate) async fn subscribe(transport: &RedisTransport) -> Box<dyn Subscription> {
    soon(transport.subscribe()).await.unwrap()
}

pub(crate) async fn publish(
    transport: &RedisTransport,
    frame: &'static str,
) -> Result<(), TransportError> {
    soon(transport.publish(Bytes::from_static(frame.as_bytes()))).await
}

pub(crate) async fn next(subscription: &mut Box<dyn Subscription>) -> Result<Item, TransportError> {
    soon(subscription.next()).await
}

/// The frames up to this fence.
pub(crate) async fn frames(subscription: &mut Box<dyn Subscription>, token: u64) -> Vec<Bytes> {
    subscription.fence(token);
    let mut frames = Vec::new();
    loop {
        match next(subscription).await.unwrap() {
            Item::Frame(frame) => frames.push(frame),
            Item::Fenced(passed) => {
                assert_eq!(passed, token);
                return frames;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A client that says and expects bytes.
pub(crate) struct Raw(pub(crate) DuplexStream);

impl Raw {
    pub(crate) fn new(server: &Server, peer: &str) -> Self {
        Self(stream(server, peer))
    }

    /// Sends commands, one a line, their words separated by spaces.
    pub(crate) async fn say(&mut self, commands: &str) {
        soon(self.0.write_all(&encode(commands))).await.unwrap();
    }

    /// What comes next must be this.
    pub(crate) async fn hear(&mut self, expected: &str) {
        let mut got = vec![0; expected.len()];
        soon(self.0.read_exact(&mut got)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&got), expected);
    }

    /// Says this and must hear that.
    pub(crate) async fn ask(&mut self, commands: &str, expected: &str) {
        self.say(commands).await;
        self.hear(expected).await;
    }

    /// All that comes until the connection ends.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        soon(self.0.read_to_end(&mut rest)).await.unwrap();
        String::from_utf8_lossy(&rest).into_owned()
    }
}

pub(crate) fn encode(commands: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for command in commands.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<_> = command.split(' ').collect();
        bytes.extend(format!("*{}\r\n", words.len()).bytes());
        for word in words {
            bytes.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
        }
    }
    bytes
}

/// A message as a subscriber sees it.
pub(crate) fn message(resp3: bool, channel: &str, frame: &str) -> String {
    let (kind, channel_bytes, bytes) = (if resp3 { '>' } else { '*' }, channel.len(), frame.len());
    format!("{kind}3\r\n$7\r\nmessage\r\n${channel_bytes}\r\n{channel}\r\n${bytes}\r\n{frame}\r\n")
}

/// Remembers what it is told, as lines.
#[derive(Default)]
pub(crate) struct Witness(Mutex<Vec<String>>);

impl Witness {
    pub(crate) fn of(server: &Server) -> Arc<Self> {
        let witness = Arc::new(Self::default());
        server.set_observer(Arc::clone(&witness) as Arc<dyn Observer>);
        witness
    }

    /// What came since it was last asked.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn note(&self, line: fmt::Arguments<'_>) {
        self.0.lock().unwrap().push(line.to_string());
    }
}

impl Observer for Witness {
    fn accepted(&self, sequence: u64, publisher: Option<&str>, frame: &Bytes) {
        let publisher = publisher.unwrap_or("someone");
        self.note(format_args!("{sequence} {publisher} {}", frame.escape_ascii()));
    }

    fn dropped(&self, peer: &str, frame: &Bytes, sequence: u64) {
        self.note(format_args!("{sequence} lost to {peer}: {}", frame.escape_ascii()));
    }

    fn cut_off(&self, peer: &str) {
        self.note(format_args!("{peer} cut off"));
    }
}
