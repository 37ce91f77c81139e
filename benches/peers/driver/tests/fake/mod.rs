//! Caches that are simple enough to know what they do.

mod loading;
mod tracking;

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf};
use tokio::sync::mpsc;
use unstale_peers::adapter::Streams;
use unstale_peers::bench::Launch;

use loading::Loading;
use tracking::Tracking;

/// What such a cache does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Loads, keeps what it loaded until it is told otherwise, and believes that it is told everything.
    Trusting,
    /// Loads, and keeps nothing for long.
    Brief,
    /// Reads through `CLIENT TRACKING`: drops what it is told to drop, stores what was answered, and forgets all when it
    /// reconnects.
    Tracking,
}

/// Starts such a cache in this process.
pub(crate) struct Fake(pub(crate) Habit);

impl Launch for Fake {
    fn launch(&self, a: u16, b: u16) -> io::Result<Streams> {
        let (driver, adapter) = tokio::io::duplex(1 << 20);
        let (from, to) = tokio::io::split(driver);
        tokio::spawn(serve(self.0, adapter, a, b));
        Ok(Streams { from: Box::new(from), to: Box::new(to), child: None })
    }
}

pub(crate) type Lines = mpsc::UnboundedSender<Value>;

async fn serve(habit: Habit, stream: DuplexStream, a: u16, b: u16) {
    let (from, mut to) = tokio::io::split(stream);
    let (lines, mut queue) = mpsc::unbounded_channel::<Value>();
    let writer = tokio::spawn(async move {
        while let Some(line) = queue.recv().await {
            if to.write_all(format!("{line}\n").as_bytes()).await.is_err() {
                return;
            }
        }
    });
    match habit {
        Habit::Trusting | Habit::Brief => {
            let cache = Loading::open(a, b, habit == Habit::Brief, lines.clone()).await;
            requests(from, &lines, cache).await;
        }
        Habit::Tracking => requests(from, &lines, Tracking::open(a, b).await).await,
    }
    writer.abort();
}

/// What a fake does with requests.
pub(crate) trait Cache: Send + Sync + 'static {
    fn perform(&self, request: &Value) -> impl Future<Output = io::Result<Value>> + Send;

    fn answered(&self, _ticket: u64, _value: &str) {}

    fn end(&self);
}

async fn requests(from: ReadHalf<DuplexStream>, lines: &Lines, cache: Arc<impl Cache>) {
    let mut from = BufReader::new(from).lines();
    while let Ok(Some(text)) = from.next_line().await {
        let request: Value = serde_json::from_str(&text).expect("JSON");
        if let Some(ticket) = request["ticket"].as_u64() {
            cache.answered(ticket, request["value"].as_str().expect("a value"));
            continue;
        }
        let (cache, lines) = (Arc::clone(&cache), lines.clone());
        tokio::spawn(async move {
            let id = &request["id"];
            let answer = match cache.perform(&request).await {
                Ok(value) => json!({ "id": id, "ok": value }),
                Err(error) => json!({ "id": id, "error": error.to_string() }),
            };
            let _ = lines.send(answer);
        });
    }
    cache.end();
}

pub(crate) fn hello(kind: &str, has_tags: bool) -> Value {
    json!({
        "name": "fake", "version": "1", "language": "Rust", "kind": kind,
        "tags": has_tags, "clear": has_tags, "notes": [],
    })
}

pub(crate) fn text<'r>(request: &'r Value, field: &str) -> &'r str {
    request[field].as_str().expect("a text")
}
