//! The in-memory hub as a server: `unstale_memory`'s broker behind simulated connections.
//!
//! A connection begins with the node's number and what it is for. On a subscriber's, fences go one way and items the
//! other; on a publisher's each frame is answered by one byte.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use turmoil::net::{TcpListener, TcpStream};
use unstale::transport::{Item, Subscription};
use unstale::{NodeId, Transport};
use unstale_memory::{Hub, MemoryTransport};

use super::machine::Gate;
use super::universe::Universe;
use crate::frames;
use crate::history::Event;

pub(super) const HOST: &str = "hub";
pub(super) const PORT: u16 = 7000;
pub(super) const SUBSCRIBE: u8 = b'S';
pub(super) const PUBLISH: u8 = b'P';
pub(super) const FRAME: u8 = b'F';
pub(super) const FENCED: u8 = b'N';
pub(super) const ACCEPTED: u8 = b'K';
pub(super) const REJECTED: u8 = b'R';

/// Accepted frames that are remembered, to be accepted again.
const REMEMBERED: usize = 64;

/// The server and what is wrong with it.
#[derive(Clone)]
pub(super) struct HubServer {
    hub: Hub,
    transport: MemoryTransport,
    universe: Arc<Universe>,
    stalled: Arc<Gate>,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Default)]
struct Faults {
    /// Counts the brokers that have ordered the channel.
    lives: u32,
    down: u32,
    lose_accepted: u32,
    lose_to: BTreeMap<usize, u32>,
    /// Nodes to which the parts of answers are lost, and how many faults say so.
    lose_answers: BTreeMap<usize, u32>,
    /// How many publishes of each node are refused for good.
    rejects: BTreeMap<usize, u32>,
    /// For each node: when its next publishes are accepted, in milliseconds; never for `None`.
    ambiguous: BTreeMap<usize, VecDeque<Option<u64>>>,
    accepted: VecDeque<(Bytes, usize)>,
    zombies: Vec<(u64, Bytes, usize)>,
    origins: BTreeMap<NodeId, usize>,
    /// Counts the times that each node's connections were closed.
    cuts: BTreeMap<usize, watch::Sender<u64>>,
}

impl HubServer {
    pub(super) fn new(universe: Arc<Universe>) -> Self {
        let queue = universe.plan.topology.broker_buffer_bytes.max(16 * 1024);
        let built = Hub::builder().max_frame_bytes(4 * 1024).queue_bytes(queue).build();
        let hub = built.unwrap_or_default();
        let transport = hub.channel("sim");
        Self { hub, transport, universe, stalled: Arc::default(), faults: Arc::default() }
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts connections for ever.
    pub(super) async fn run(self) -> turmoil::Result {
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            let server = self.clone();
            tokio::task::spawn_local(async move {
                // However a connection ends, its peer sees it.
                let _ended = server.serve(stream).await;
            });
        }
    }

    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let node = usize::try_from(stream.read_u32().await?).unwrap_or(0);
        let purpose = stream.read_u8().await?;
        if self.faults().down > 0 {
            return Ok(());
        }
        let mut cut = {
            let mut faults = self.faults();
            faults.cuts.entry(node).or_insert_with(|| watch::Sender::new(0)).subscribe()
        };
        cut.borrow_and_update();
        let served = async {
            match purpose {
                SUBSCRIBE => self.subscriber(stream, node).await,
                _ => self.publisher(stream, node).await,
            }
        };
        tokio::select! {
            biased;
            _ = cut.changed() => Ok(()),
            served = served => served,
        }
    }

    async fn pass(&self) {
        poll_fn(|context| self.stalled.poll(context)).await;
    }

    async fn subscriber(&self, mut stream: TcpStream, node: usize) -> io::Result<()> {
        self.pass().await;
        let mut subscription = self.transport.subscribe().await.map_err(io::Error::other)?;
        // Not the hub's own: all hubs of the process share the counter that it comes from.
        let identity = format!("hub {:08}", self.faults().lives).into_bytes();
        let mut hello = vec![u8::try_from(identity.len()).unwrap_or(0)];
        hello.extend(identity);
        stream.write_all(&hello).await?;
        let (mut from, mut to) = stream.into_split();
        let (tokens, mut asked) = tokio::sync::mpsc::unbounded_channel();
        let read = async move {
            loop {
                let token = from.read_u64().await?;
                if tokens.send(token).is_err() {
                    return Ok::<(), io::Error>(());
                }
            }
        };
        let write = async {
            loop {
                self.pass().await;
                match next(&mut subscription, &mut asked).await? {
                    Item::Frame(frame) if self.loses(&frame, node) => {}
                    Item::Frame(frame) => {
                        let mut item = BytesMut::with_capacity(5 + frame.len());
                        item.put_u8(FRAME);
                        item.put_u32(u32::try_from(frame.len()).unwrap_or(u32::MAX));
                        item.put_slice(&frame);
                        to.write_all(&item).await?;
                    }
                    Item::Fenced(token) => {
                        let mut item = BytesMut::with_capacity(9);
                        item.put_u8(FENCED);
                        item.put_u64(token);
                        to.write_all(&item).await?;
                    }
                    _ => {}
                }
            }
        };
        tokio::select! {
            biased;
            ended = read => ended,
            ended = write => ended,
        }
    }

    async fn publisher(&self, mut stream: TcpStream, node: usize) -> io::Result<()> {
        loop {
            let len = usize::try_from(stream.read_u32().await?).unwrap_or(0);
            let mut frame = vec![0; len];
            stream.read_exact(&mut frame).await?;
            self.pass().await;
            let frame = Bytes::from(frame);
            if let Some((origin, _)) = frames::numbered(&frame) {
                self.faults().origins.insert(origin, node);
            }
            let rejects = self.faults().rejects.get_mut(&node).is_some_and(|left| {
                let rejects = *left > 0;
                *left -= u32::from(rejects);
                rejects
            });
            if rejects {
                stream.write_u8(REJECTED).await?;
                continue;
            }
            let ambiguous = self.faults().ambiguous.entry(node).or_default().pop_front();
            match ambiguous {
                None => self.accept(&frame, node).await?,
                Some(accepted_after_ms) => {
                    match accepted_after_ms {
                        None => {}
                        Some(0) => self.accept(&frame, node).await?,
                        Some(ms) => {
                            let at = self.universe.time.now() + ms * 1_000_000;
                            self.faults().zombies.push((at, frame, node));
                        }
                    }
                    return Ok(());
                }
            }
            stream.write_u8(ACCEPTED).await?;
        }
    }

    async fn accept(&self, frame: &Bytes, from: usize) -> io::Result<()> {
        let lost = {
            let mut faults = self.faults();
            faults.accepted.push_back((frame.clone(), from));
            if faults.accepted.len() > REMEMBERED {
                faults.accepted.pop_front();
            }
            let lost = faults.lose_accepted > 0;
            faults.lose_accepted -= u32::from(lost);
            lost
        };
        self.universe.record(&Event::Accepted { bytes: frame.len() });
        if lost {
            self.record_lost(frame, from, true);
            return Ok(());
        }
        self.transport.publish(frame.clone()).await.map_err(io::Error::other)
    }

    fn record_lost(&self, frame: &Bytes, from: usize, to_all: bool) {
        if let Some((origin, number)) = frames::numbered(frame) {
            let names = frames::may_name(frame);
            self.universe.record(&Event::Lost { from, origin, number, to_all, names });
        }
    }

    /// Whether a frame is lost on its way to a node.
    fn loses(&self, frame: &Bytes, node: usize) -> bool {
        if frames::is_replay(frame) {
            return self.faults().lose_answers.get(&node).is_some_and(|faults| *faults > 0);
        }
        let Some((origin, _)) = frames::numbered(frame) else { return false };
        let from = {
            let mut faults = self.faults();
            let Some(left) = faults.lose_to.get_mut(&node).filter(|left| **left > 0) else {
                return false;
            };
            *left -= 1;
            faults.origins.get(&origin).copied().unwrap_or(node)
        };
        self.record_lost(frame, from, false);
        true
    }

    // Faults.

    pub(super) fn cut(&self, node: usize) {
        if let Some(cut) = self.faults().cuts.get(&node) {
            cut.send_modify(|count| *count += 1);
        }
    }

    pub(super) fn cut_all(&self) {
        for cut in self.faults().cuts.values() {
            cut.send_modify(|count| *count += 1);
        }
    }

    pub(super) fn set_down(&self, down: bool) {
        {
            let mut faults = self.faults();
            faults.down = if down { faults.down + 1 } else { faults.down.saturating_sub(1) };
            self.hub.set_down(faults.down > 0);
        }
        if down {
            self.cut_all();
        }
    }

    pub(super) fn is_down(&self) -> bool {
        self.faults().down > 0
    }

    /// Another broker from now on.
    pub(super) fn succeed(&self) {
        self.faults().lives += 1;
        self.hub.restart();
        self.cut_all();
    }

    pub(super) fn stall(&self, stalled: bool) {
        if stalled {
            self.stalled.close();
        } else {
            self.stalled.open();
        }
    }

    pub(super) fn lose_to(&self, node: usize, frames: u32) {
        *self.faults().lose_to.entry(node).or_default() += frames;
    }

    pub(super) fn lose_answers(&self, node: usize, lose: bool) {
        let mut faults = self.faults();
        let losing = faults.lose_answers.entry(node).or_default();
        *losing = if lose { *losing + 1 } else { losing.saturating_sub(1) };
    }

    pub(super) fn reject(&self, node: usize, frames: u32) {
        *self.faults().rejects.entry(node).or_default() += frames;
    }

    pub(super) fn lose_accepted(&self, frames: u32) {
        self.faults().lose_accepted += frames;
    }

    pub(super) fn ambiguous(&self, node: usize, frames: u32, accepted_after_ms: Option<u64>) {
        let mut faults = self.faults();
        let ambiguous = faults.ambiguous.entry(node).or_default();
        ambiguous.extend((0..frames).map(|_| accepted_after_ms));
    }

    /// Takes back what was ordered and has not struck yet.
    pub(super) fn heal(&self) {
        let mut faults = self.faults();
        faults.lose_accepted = 0;
        faults.lose_to.clear();
        faults.lose_answers.clear();
        faults.rejects.clear();
        faults.ambiguous.clear();
    }

    /// The how-manieth last frame is accepted again.
    pub(super) fn again(&self, back: usize) {
        let again = {
            let faults = self.faults();
            faults.accepted.len().checked_sub(back + 1).map(|place| faults.accepted[place].clone())
        };
        if let Some((frame, _)) = again {
            self.publish_now(&frame);
        }
    }

    /// What somebody else publishes; `false` while nobody hears.
    pub(super) fn publish_now(&self, frame: &Bytes) -> bool {
        if self.faults().down > 0 {
            return false;
        }
        self.universe.record(&Event::Accepted { bytes: frame.len() });
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let publish = self.transport.publish(frame.clone());
        matches!(std::pin::pin!(publish).poll(&mut context), Poll::Ready(Ok(())))
    }

    /// Accepts the publishes whose time has come.
    pub(super) fn release_zombies(&self, now: u64) {
        let due: Vec<_> = {
            let mut faults = self.faults();
            let (due, later) =
                std::mem::take(&mut faults.zombies).into_iter().partition(|it| it.0 <= now);
            faults.zombies = later;
            due
        };
        for (_, frame, _) in due {
            self.publish_now(&frame);
        }
    }
}

/// The next item, after all fences that were asked for were passed on.
async fn next(
    subscription: &mut Box<dyn Subscription>,
    asked: &mut tokio::sync::mpsc::UnboundedReceiver<u64>,
) -> io::Result<Item> {
    poll_fn(|context| {
        while let Poll::Ready(Some(token)) = asked.poll_recv(context) {
            subscription.fence(token);
        }
        subscription.poll_next(context).map_err(io::Error::other)
    })
    .await
}
