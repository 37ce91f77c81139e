//! A proxy between one instance of a library and Redis, that can do to its connections what networks and brokers do.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::resp::{self, Kind, Splitter};

/// What happens to frames from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Pass,
    /// All wait for their release.
    Hold,
    /// What the server sends on its own account is thrown away; answers pass.
    Swallow,
}

/// A frame that waits, and the connection it waits for.
struct Held {
    to_client: mpsc::UnboundedSender<Vec<u8>>,
    frame: Vec<u8>,
    kind: Kind,
}

struct State {
    flow: Flow,
    held: Vec<Held>,
    swallowed: usize,
}

struct Shared {
    server: SocketAddr,
    state: Mutex<State>,
    /// Woken whenever a frame is held or swallowed.
    changed: watch::Sender<()>,
    /// Connections of an older epoch end.
    epoch: watch::Sender<u64>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A frame from the server.
    fn take(&self, frame: Vec<u8>, kind: Kind, to_client: &mpsc::UnboundedSender<Vec<u8>>) {
        let mut state = self.state();
        match state.flow {
            Flow::Swallow if kind == Kind::Pushed => state.swallowed += 1,
            Flow::Pass | Flow::Swallow => {
                // The client may be gone.
                let _ = to_client.send(frame);
                return;
            }
            Flow::Hold => state.held.push(Held { to_client: to_client.clone(), frame, kind }),
        }
        drop(state);
        self.changed.send_replace(());
    }
}

/// Listens on a port of its own. All ends with it.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy on `port` to the server on `server_port`, both on this machine.
    ///
    /// # Errors
    /// When nobody can listen on the port.
    pub async fn start(port: u16, server_port: u16) -> io::Result<Self> {
        let state = State { flow: Flow::Pass, held: Vec::new(), swallowed: 0 };
        let shared = Shared {
            server: (Ipv4Addr::LOCALHOST, server_port).into(),
            state: Mutex::new(state),
            changed: watch::channel(()).0,
            epoch: watch::channel(0).0,
        };
        let mut proxy = Self { port, shared: Arc::new(shared), listener: None };
        proxy.accept().await?;
        Ok(proxy)
    }

    /// The port that clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes all connections and refuses new ones.
    pub async fn cut(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.abort();
            // Its socket is closed when it has ended.
            let _ = listener.await;
        }
        self.shared.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Takes connections, after [`cut`](Self::cut) again. Nothing happens where it does.
    ///
    /// # Errors
    /// When nobody can listen on the port.
    pub async fn accept(&mut self) -> io::Result<()> {
        if self.listener.is_some() {
            return Ok(());
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await?;
        let shared = Arc::clone(&self.shared);
        self.listener = Some(tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // From here on: whoever was taken before a cut is cut.
                let epoch = shared.epoch.subscribe();
                tokio::spawn(forward(client, Arc::clone(&shared), epoch));
            }
        }));
        Ok(())
    }

    /// From now on all that the server sends waits here.
    pub fn hold(&self) {
        self.shared.state().flow = Flow::Hold;
    }

    /// From now on messages and invalidations by the server are thrown away; all else passes.
    pub fn swallow(&self) {
        self.shared.state().flow = Flow::Swallow;
    }

    /// All passes again; what was held goes first, in the order in which it came, of all connections together.
    pub fn release(&self) {
        let mut state = self.shared.state();
        state.flow = Flow::Pass;
        for held in state.held.drain(..) {
            let _ = held.to_client.send(held.frame);
        }
    }

    /// How many frames have been thrown away.
    pub fn swallowed(&self) -> usize {
        self.shared.state().swallowed
    }

    /// How many frames are held that the server sent on its own account.
    pub fn held_pushes(&self) -> usize {
        self.shared.state().held.iter().filter(|held| held.kind == Kind::Pushed).count()
    }

    /// Whether an answer that contains this text is held.
    pub fn holds_reply(&self, text: &str) -> bool {
        self.holds(text, |kind| kind != Kind::Pushed)
    }

    /// Whether a message or an invalidation that contains this text is held.
    pub fn holds_push(&self, text: &str) -> bool {
        self.holds(text, |kind| kind == Kind::Pushed)
    }

    fn holds(&self, text: &str, is_meant: impl Fn(Kind) -> bool) -> bool {
        let state = self.shared.state();
        let mut meant = state.held.iter().filter(|held| is_meant(held.kind));
        meant.any(|held| resp::contains(&held.frame, text.as_bytes()))
    }

    /// Waits until a condition on what is held or was thrown away is met.
    pub async fn until(&self, mut condition: impl FnMut(&Self) -> bool) {
        let mut changed = self.shared.changed.subscribe();
        // The sender lives as long as this.
        let _ = changed.wait_for(|()| condition(self)).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
        self.shared.epoch.send_modify(|epoch| *epoch += 1);
    }
}

async fn forward(client: TcpStream, shared: Arc<Shared>, mut epoch: watch::Receiver<u64>) {
    let Ok(server) = TcpStream::connect(shared.server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (frames, queue) = mpsc::unbounded_channel();
    // The end of any of them closes both connections.
    tokio::select! {
        _ = copy(from_client, to_server) => {}
        _ = split(from_server, frames, &shared) => {}
        _ = write(queue, to_client) => {}
        _ = epoch.changed() => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    tokio::io::copy(&mut from, &mut to).await.map(drop)
}

async fn split(
    mut from: OwnedReadHalf,
    frames: mpsc::UnboundedSender<Vec<u8>>,
    shared: &Shared,
) -> io::Result<()> {
    let mut splitter = Splitter::default();
    let mut buffer = vec![0; 64 * 1024];
    let mut subscribed = false;
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        splitter.extend(&buffer[..read]);
        while let Some(frame) = splitter.next_frame().map_err(io::Error::other)? {
            let kind = resp::kind(&frame, subscribed);
            subscribed |= kind == Kind::Subscribed;
            shared.take(frame, kind, &frames);
        }
    }
}

/// Writes what is queued, as much at a time as there is.
async fn write(
    mut queue: mpsc::UnboundedReceiver<Vec<u8>>,
    mut to: OwnedWriteHalf,
) -> io::Result<()> {
    while let Some(mut bytes) = queue.recv().await {
        while let Ok(more) = queue.try_recv() {
            bytes.extend(more);
        }
        to.write_all(&bytes).await?;
    }
    Ok(())
}
