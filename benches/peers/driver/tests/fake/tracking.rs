//! A client that caches what it read, with `CLIENT TRACKING`.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex as AsyncMutex, Notify, oneshot};
use tokio::task::JoinHandle;
use unstale_peers::redis::Connection;
use unstale_peers::resp::{self, Kind, Splitter};

use super::{Cache, hello, text};

#[derive(Default)]
struct State {
    entries: HashMap<String, String>,
    /// Who waits for an answer, the longest first.
    waiting: VecDeque<oneshot::Sender<Option<String>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    writer: AsyncMutex<Option<OwnedWriteHalf>>,
}

pub(crate) struct Tracking {
    a: u16,
    shared: Arc<Shared>,
    reader: JoinHandle<()>,
}

impl Tracking {
    pub(crate) async fn open(a: u16, b: u16) -> Arc<Self> {
        let (shared, connected) = (Arc::new(Shared::default()), Arc::new(Notify::new()));
        let reader = tokio::spawn(keep_connected(b, Arc::clone(&shared), Arc::clone(&connected)));
        connected.notified().await;
        Arc::new(Self { a, shared, reader })
    }

    async fn read(&self, key: &str) -> io::Result<Option<String>> {
        if let Some(value) = self.shared.state.lock().expect("no panic").entries.get(key) {
            return Ok(Some(value.clone()));
        }
        let (sender, receiver) = oneshot::channel();
        {
            let mut writer = self.shared.writer.lock().await;
            let writer = writer.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            self.shared.state.lock().expect("no panic").waiting.push_back(sender);
            writer.write_all(&resp::command(&["GET", key])).await?;
        }
        let value = receiver.await.map_err(io::Error::other)?;
        if let Some(value) = &value {
            self.shared
                .state
                .lock()
                .expect("no panic")
                .entries
                .insert(key.to_owned(), value.clone());
        }
        Ok(value)
    }
}

impl Cache for Tracking {
    async fn perform(&self, request: &Value) -> io::Result<Value> {
        match text(request, "op") {
            "hello" => Ok(hello("tracking", false)),
            "read" => Ok(self.read(text(request, "key")).await?.into()),
            "invalidate" => {
                let mut connection = Connection::open(self.a).await?;
                let command = ["SET", text(request, "key"), text(request, "value")];
                connection.ask(&command).await?;
                Ok(Value::Null)
            }
            other => panic!("{other}"),
        }
    }

    fn end(&self) {
        self.reader.abort();
    }
}

async fn keep_connected(port: u16, shared: Arc<Shared>, connected: Arc<Notify>) {
    loop {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await {
            let _ = stay_connected(stream, &shared, &connected).await;
            *shared.writer.lock().await = None;
            *shared.state.lock().expect("no panic") = State::default();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn stay_connected(stream: TcpStream, shared: &Shared, connected: &Notify) -> io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    let mut splitter = Splitter::default();
    for command in [&["HELLO", "3"][..], &["CLIENT", "TRACKING", "ON"]] {
        writer.write_all(&resp::command(command)).await?;
        next_frame(&mut reader, &mut splitter).await?;
    }
    *shared.writer.lock().await = Some(writer);
    connected.notify_one();
    loop {
        let frame = next_frame(&mut reader, &mut splitter).await?;
        let is_push = resp::kind(&frame, false) == Kind::Pushed;
        let frame = String::from_utf8(frame).expect("text");
        // Of an answer the value, of an invalidation the key.
        let last = frame.trim_end().rsplit("\r\n").next().expect("a line");
        let mut state = shared.state.lock().expect("no panic");
        if !is_push {
            let value = (!frame.starts_with('_')).then(|| last.to_owned());
            let _ = state.waiting.pop_front().expect("somebody waits").send(value);
        } else if last == "_" {
            state.entries.clear();
        } else {
            state.entries.remove(last);
        }
    }
}

async fn next_frame(reader: &mut OwnedReadHalf, splitter: &mut Splitter) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; 4096];
    loop {
        if let Some(frame) = splitter.next_frame().map_err(io::Error::other)? {
            return Ok(frame);
        }
        match reader.read(&mut buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => splitter.extend(&buffer[..read]),
        }
    }
}
