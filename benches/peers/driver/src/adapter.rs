//! An adapter: a program that holds two instances of a library and does what it is told, in lines of JSON.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::rows::Rows;

/// How long an operation may take that no fault holds up.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long an adapter may take to connect.
const START: Duration = Duration::from_secs(30);

/// One of the two instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instance {
    /// It writes and invalidates; connected to Redis directly.
    A,
    /// It reads; connected through the proxy.
    B,
}

impl Instance {
    fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The operation failed.
    Failed(String),
    /// The library has no such thing; in a few words.
    Unsupported(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(why) => f.write_str(why),
            Self::Unsupported(why) => write!(f, "unsupported: {why}"),
        }
    }
}

impl std::error::Error for Refusal {}

/// What an adapter answers.
pub type Answer = Result<Value, Refusal>;

/// Where the values of a library come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// From a loader: get or set.
    Loading,
    /// From Redis: a read is a `GET` that the client caches.
    Tracking,
}

/// What an adapter says of itself.
#[derive(Clone, Debug, Deserialize)]
pub struct Hello {
    /// The library's name.
    pub name: String,
    /// Its version, of what is really installed.
    pub version: String,
    /// Its language.
    pub language: String,
    /// Where its values come from.
    pub kind: Kind,
    /// Whether it can invalidate by tag, or by something near to that.
    pub tags: bool,
    /// Whether it can empty the caches of all instances by itself.
    pub clear: bool,
    /// Whether both instances are one and the same cache, for nothing would tell another one.
    #[serde(default)]
    pub local: bool,
    /// What a reader of the results should know.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// What an adapter reads and writes, and the process behind it, if it is one.
pub struct Streams {
    /// Where its lines come from.
    pub from: Box<dyn AsyncRead + Send + Unpin>,
    /// Where its requests go.
    pub to: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its process.
    pub child: Option<Child>,
}

/// Who waits for which answer; nobody any more when the adapter has ended.
type Pending = Mutex<Option<HashMap<u64, oneshot::Sender<Answer>>>>;

/// A connected adapter.
pub struct Adapter {
    /// What it says of itself.
    pub hello: Hello,
    link: Link,
    tasks: Vec<JoinHandle<()>>,
    child: Option<Child>,
}

struct Link {
    requests: mpsc::UnboundedSender<Value>,
    pending: Arc<Pending>,
    next_id: AtomicU64,
}

impl Adapter {
    /// Talks to an adapter, whose loaders are answered from `rows`, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn greet(streams: Streams, rows: Arc<Rows>) -> io::Result<Self> {
        let Streams { from, to, child } = streams;
        let (requests, queue) = mpsc::unbounded_channel();
        let pending = Arc::new(Pending::new(Some(HashMap::new())));
        let reader = read_lines(from, Arc::clone(&pending), rows, requests.clone());
        let tasks = vec![tokio::spawn(reader), tokio::spawn(write_lines(to, queue))];
        let link = Link { requests, pending, next_id: AtomicU64::new(1) };
        let hello = link.ask(json!({ "op": "hello" }), START).await.map_err(io::Error::other)?;
        let hello = serde_json::from_value(hello)
            .map_err(|error| io::Error::other(format!("hello: {error}")))?;
        Ok(Self { hello, link, tasks, child })
    }

    /// A read, as the library recommends.
    ///
    /// # Errors
    /// When it fails, or takes longer than `limit`.
    pub async fn read(
        &self,
        instance: Instance,
        key: &str,
        tag: Option<&str>,
        limit: Duration,
    ) -> Result<Option<String>, Refusal> {
        let mut request = json!({ "op": "read", "instance": instance.name(), "key": key });
        if let Some(tag) = tag {
            request["tag"] = tag.into();
        }
        let value = self.link.ask(request, limit).await?;
        Ok(value.as_str().map(str::to_owned))
    }

    /// An invalidation of a key at `a`; where the library writes through, the write of this value.
    ///
    /// # Errors
    /// When it fails, or takes longer than `limit`.
    pub async fn invalidate(&self, key: &str, value: &str, limit: Duration) -> Answer {
        let instance = Instance::A.name();
        let request =
            json!({ "op": "invalidate", "instance": instance, "key": key, "value": value });
        self.link.ask(request, limit).await
    }

    /// An invalidation of a tag at `a`.
    ///
    /// # Errors
    /// When it fails, or the library has no tags.
    pub async fn invalidate_tag(&self, tag: &str) -> Answer {
        let request = json!({ "op": "invalidate_tag", "instance": Instance::A.name(), "tag": tag });
        self.link.ask(request, PATIENCE).await
    }

    /// Empties the caches, from `a`.
    ///
    /// # Errors
    /// When it fails, or the library has no such thing.
    pub async fn clear(&self) -> Answer {
        self.link.ask(json!({ "op": "clear", "instance": Instance::A.name() }), PATIENCE).await
    }

    /// One of the measurements, which the adapter makes by itself.
    ///
    /// # Errors
    /// When it fails, or there is nothing to be measured.
    pub async fn measure(&self, op: &str, parameters: Value) -> Answer {
        let mut request = parameters;
        request["op"] = op.into();
        self.link.ask(request, Duration::from_secs(120)).await
    }

    /// Answers a load that was held up.
    pub fn answer_load(&self, (ticket, value): (Value, String)) {
        let _ = self.link.requests.send(load_answer(&ticket, &value));
    }

    /// Ends it: it is asked to by the end of its input, and killed if it stays.
    pub async fn end(mut self) {
        // The writing task ends, and with it the adapter's input.
        for task in &self.tasks {
            task.abort();
        }
        for task in self.tasks.drain(..) {
            let _ = task.await;
        }
        if let Some(mut child) = self.child.take()
            && tokio::time::timeout(Duration::from_secs(2), child.wait()).await.is_err()
        {
            let _ = child.kill().await;
        }
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Link {
    async fn ask(&self, mut request: Value, limit: Duration) -> Answer {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        request["id"] = id.into();
        let (sender, receiver) = oneshot::channel();
        // Where the adapter has ended, the sender is dropped, and the receiver knows.
        if let Some(pending) = &mut *lock(&self.pending) {
            pending.insert(id, sender);
        }
        let _ = self.requests.send(request);
        match tokio::time::timeout(limit, receiver).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Refusal::Failed("the adapter has ended".into())),
            Err(_) => {
                forget(&self.pending, id);
                Err(Refusal::Failed(format!("no answer within {limit:?}")))
            }
        }
    }
}

fn lock(pending: &Pending) -> MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Answer>>>> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

fn forget(pending: &Pending, id: u64) -> Option<oneshot::Sender<Answer>> {
    lock(pending).as_mut()?.remove(&id)
}

fn load_answer(ticket: &Value, value: &str) -> Value {
    json!({ "ticket": ticket, "value": value })
}

/// A line from an adapter: an answer, or a load.
#[derive(Deserialize)]
struct Line {
    id: Option<u64>,
    #[serde(default)]
    ok: Value,
    error: Option<String>,
    unsupported: Option<String>,
    load: Option<String>,
    #[serde(default)]
    ticket: Value,
}

async fn read_lines(
    from: impl AsyncRead + Unpin,
    pending: Arc<Pending>,
    rows: Arc<Rows>,
    requests: mpsc::UnboundedSender<Value>,
) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(text)) = lines.next_line().await {
        let line: Line = match serde_json::from_str(&text) {
            Ok(line) => line,
            Err(error) => {
                eprintln!("not a line of the protocol ({error}): {text}");
                continue;
            }
        };
        if let Some(key) = line.load {
            if let Some((ticket, value)) = rows.load(&key, line.ticket) {
                let _ = requests.send(load_answer(&ticket, &value));
            }
            continue;
        }
        let answer = match (line.error, line.unsupported) {
            (Some(error), _) => Err(Refusal::Failed(error)),
            (None, Some(why)) => Err(Refusal::Unsupported(why)),
            (None, None) => Ok(line.ok),
        };
        // Nobody waits for an answer that came too late.
        if let Some(waiting) = line.id.and_then(|id| forget(&pending, id)) {
            let _ = waiting.send(answer);
        }
    }
    // The adapter is gone: nobody is to wait for it.
    lock(&pending).take();
}

/// Writes lines, as many at a time as there are.
async fn write_lines(mut to: impl AsyncWrite + Unpin, mut queue: mpsc::UnboundedReceiver<Value>) {
    while let Some(first) = queue.recv().await {
        let mut text = format!("{first}\n");
        while let Ok(more) = queue.try_recv() {
            text.push_str(&format!("{more}\n"));
        }
        if to.write_all(text.as_bytes()).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}
