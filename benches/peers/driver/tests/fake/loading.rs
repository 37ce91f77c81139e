//! A cache with loaders, whose instances tell each other by a channel of Redis.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use unstale_peers::redis::Connection;

use super::{Cache, Lines, hello, text};

const CHANNEL: &str = "invalidations";
/// How long a careful cache keeps what it loaded.
const BRIEF: Duration = Duration::from_millis(300);

struct Entry {
    value: String,
    tag: Option<String>,
    loaded: Instant,
}

type Entries = Arc<Mutex<HashMap<String, Entry>>>;

pub(crate) struct Loading {
    a: u16,
    is_brief: bool,
    entries: Entries,
    lines: Lines,
    tickets: AtomicU64,
    loads: Mutex<HashMap<u64, oneshot::Sender<String>>>,
    subscriber: JoinHandle<()>,
}

impl Loading {
    pub(crate) async fn open(a: u16, b: u16, is_brief: bool, lines: Lines) -> Arc<Self> {
        let entries = Entries::default();
        let subscribed = Arc::new(Notify::new());
        let subscriber = tokio::spawn(subscribe(b, Arc::clone(&entries), Arc::clone(&subscribed)));
        subscribed.notified().await;
        let (tickets, loads) = (AtomicU64::new(1), Mutex::default());
        Arc::new(Self { a, is_brief, entries, lines, tickets, loads, subscriber })
    }

    fn cached(&self, key: &str) -> Option<String> {
        let entries = self.entries.lock().expect("no panic");
        let entry = entries.get(key)?;
        let serves = !self.is_brief || entry.loaded.elapsed() < BRIEF;
        serves.then(|| entry.value.clone())
    }

    async fn read(&self, key: &str, tag: Option<&str>) -> String {
        if let Some(value) = self.cached(key) {
            return value;
        }
        let (loaded, ticket) = (Instant::now(), self.tickets.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = oneshot::channel();
        self.loads.lock().expect("no panic").insert(ticket, sender);
        self.lines.send(json!({ "load": key, "ticket": ticket })).expect("a driver");
        let value = receiver.await.expect("an answer");
        let entry = Entry { value: value.clone(), tag: tag.map(str::to_owned), loaded };
        self.entries.lock().expect("no panic").insert(key.to_owned(), entry);
        value
    }

    async fn publish(&self, message: &str) -> io::Result<()> {
        Connection::open(self.a).await?.ask(&["PUBLISH", CHANNEL, message]).await.map(drop)
    }
}

impl Cache for Loading {
    async fn perform(&self, request: &Value) -> io::Result<Value> {
        match text(request, "op") {
            "hello" => return Ok(hello("loading", true)),
            "read" => {
                let value = self.read(text(request, "key"), request["tag"].as_str()).await;
                return Ok(value.into());
            }
            "invalidate" => self.publish(&format!("key {}", text(request, "key"))).await?,
            "invalidate_tag" => self.publish(&format!("tag {}", text(request, "tag"))).await?,
            "clear" => self.publish("clear").await?,
            other => panic!("{other}"),
        }
        Ok(Value::Null)
    }

    fn answered(&self, ticket: u64, value: &str) {
        let load = self.loads.lock().expect("no panic").remove(&ticket);
        let _ = load.expect("a load").send(value.to_owned());
    }

    fn end(&self) {
        self.subscriber.abort();
    }
}

/// Does what it hears, and subscribes again when it hears nothing any more.
async fn subscribe(port: u16, entries: Entries, subscribed: Arc<Notify>) {
    loop {
        let _ = hear(port, &entries, &subscribed).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn hear(port: u16, entries: &Entries, subscribed: &Notify) -> io::Result<()> {
    let mut connection = Connection::open(port).await?;
    // As if there were much to do first: what is published as soon as the broker is back is missed.
    tokio::time::sleep(Duration::from_millis(200)).await;
    connection.ask(&["SUBSCRIBE", CHANNEL]).await?;
    subscribed.notify_one();
    loop {
        let frame = connection.next_frame().await?;
        let frame = String::from_utf8(frame).expect("text");
        let message = frame.trim_end().rsplit("\r\n").next().expect("a message");
        let mut entries = entries.lock().expect("no panic");
        match message.split_once(' ') {
            Some(("key", key)) => drop(entries.remove(key)),
            Some(("tag", tag)) => entries.retain(|_, entry| entry.tag.as_deref() != Some(tag)),
            _ => entries.clear(),
        }
    }
}
