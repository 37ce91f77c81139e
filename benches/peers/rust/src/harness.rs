//! The protocol: requests as lines on standard input, answers and loads as lines on standard output.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, stdin, stdout};
use tokio::sync::{mpsc, oneshot};

use crate::library::{Instance, Library, Outcome, Refusal, failed};
use crate::measure;

/// Asks the driver for rows.
#[derive(Clone)]
pub(crate) struct Loads {
    lines: mpsc::UnboundedSender<Value>,
    waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<String>>>>,
    last: Arc<AtomicU64>,
}

impl Loads {
    /// The value of a row.
    pub(crate) async fn load(&self, key: &str) -> Outcome<String> {
        let ticket = self.last.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(ticket, sender);
        let _ = self.lines.send(json!({ "load": key, "ticket": ticket }));
        receiver.await.map_err(failed)
    }

    fn answer(&self, ticket: u64, value: String) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = waiting.remove(&ticket) {
            // A load may have been given up.
            let _ = sender.send(value);
        }
    }
}

#[derive(Deserialize)]
struct Request {
    id: Option<u64>,
    #[serde(default)]
    op: String,
    instance: Option<Instance>,
    #[serde(default)]
    key: String,
    tag: Option<String>,
    value: Option<String>,
    ticket: Option<u64>,
    #[serde(default)]
    keys: u64,
    #[serde(default)]
    reads: u64,
    #[serde(default)]
    rounds: u64,
}

/// Does what standard input says, until it ends.
pub(crate) async fn serve(library: impl Library) -> io::Result<()> {
    let library = Arc::new(library);
    let (lines, queue) = mpsc::unbounded_channel();
    let loads = Loads { lines: lines.clone(), waiting: Arc::default(), last: Arc::default() };
    tokio::spawn(write(queue));
    let mut input = BufReader::new(stdin()).lines();
    while let Some(text) = input.next_line().await? {
        let request: Request = serde_json::from_str(&text)?;
        if let Some(ticket) = request.ticket {
            loads.answer(ticket, request.value.unwrap_or_default());
            continue;
        }
        let (library, loads, lines) = (Arc::clone(&library), loads.clone(), lines.clone());
        tokio::spawn(async move {
            let id = request.id;
            let answer = match perform(&*library, request, &loads).await {
                Ok(value) => json!({ "id": id, "ok": value }),
                Err(Refusal::Failed(error)) => json!({ "id": id, "error": error }),
                Err(Refusal::Unsupported(why)) => json!({ "id": id, "unsupported": why }),
            };
            let _ = lines.send(answer);
        });
    }
    Ok(())
}

async fn write(mut queue: mpsc::UnboundedReceiver<Value>) -> io::Result<()> {
    let mut output = stdout();
    while let Some(first) = queue.recv().await {
        let mut text = format!("{first}\n");
        while let Ok(more) = queue.try_recv() {
            text.push_str(&format!("{more}\n"));
        }
        output.write_all(text.as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}

async fn perform(library: &impl Library, request: Request, loads: &Loads) -> Outcome<Value> {
    let Request { instance, key, tag, value, keys, reads, rounds, .. } = request;
    let instance = instance.unwrap_or(Instance::A);
    let tag = tag.as_deref();
    match request.op.as_str() {
        "hello" => serde_json::to_value(library.about()).map_err(failed),
        "read" => library.read(instance, &key, tag, loads).await.map(Value::from),
        "invalidate" => {
            let value = value.as_deref().unwrap_or_default();
            library.invalidate(instance, &key, value).await.map(Value::from)
        }
        "invalidate_tag" => {
            library.invalidate_tag(instance, tag.unwrap_or_default()).await.map(Value::from)
        }
        "clear" => library.clear(instance).await.map(Value::from),
        "measure_hits" => measure::hits(library, keys, reads).await,
        "measure_latency" => measure::latency(library, rounds).await,
        "measure_throughput" => measure::throughput(library, keys).await,
        other => Err(failed(format!("no such operation: {other}"))),
    }
}
