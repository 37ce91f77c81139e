//! A broker and nodes in one heap of events: the state machines of [`ManualNode`], moved by hand, as in the second tier;
//! without faults, so that every frame can be counted by its kind.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use unstale::runtime::BoxFuture;
use unstale::simulation::{ManualNode, Opened, Request};
use unstale::transport::{SequencerId, TransportErrorKind};
use unstale::{Cache, Counters, Freshness, Runtime, State, Timestamp};

/// Kinds of frames, by `docs/wire-format.md`.
pub(crate) const BEACON: u8 = 2;
pub(crate) const SYNC: u8 = 17;
pub(crate) const REPLAY: u8 = 18;
pub(crate) const SYNCED: u8 = 19;

const NAMESPACE: &str = "crowd";
/// One way, from a node to the broker or back, in nanoseconds: a network within a data centre, and a busy one.
const LATENCY_NS: std::ops::Range<u64> = 200_000..1_000_000;

/// What a processor spends where nothing is slow, in nanoseconds. The broker for a command, for a connection with its
/// handshake, for each delivery and each byte of it; a node for a frame, each byte of it, and anything else.
const COMMAND_NS: u64 = 50_000;
const CONNECTING_NS: u64 = 300_000;
const DELIVERY_NS: u64 = 1_500;
const DELIVERED_BYTE_NS: u64 = 1;
const HEARD_NS: u64 = 3_000;
const HEARD_BYTE_NS: u64 = 2;
const INPUT_NS: u64 = 20_000;

/// Does one thing after the other.
#[derive(Clone, Copy, Default)]
struct Processor {
    slowness: u64,
    free: u64,
}

impl Processor {
    /// When it is done with what takes so long where nothing is slow.
    fn work(&mut self, spent: u64, now: u64) -> u64 {
        self.free = self.free.max(now) + spent * self.slowness;
        self.free
    }
}

/// Frames that the broker accepted, and their bytes, by kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accepted {
    pub(crate) frames: BTreeMap<u8, u64>,
    pub(crate) bytes: u64,
}

impl Accepted {
    pub(crate) fn of(&self, kind: u8) -> u64 {
        self.frames.get(&kind).copied().unwrap_or(0)
    }

    pub(crate) fn all(&self) -> u64 {
        self.frames.values().sum()
    }
}

pub(crate) struct World {
    time: Arc<AtomicU64>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    scheduled: u64,
    random: fastrand::Rng,
    nodes: Vec<Slot>,
    pub(crate) accepted: Accepted,
    /// How far every node is behind what the broker has sent, in nanoseconds.
    behind: u64,
    /// What the broker does, and what all nodes do.
    processors: [Processor; 2],
}

struct Slot {
    manual: ManualNode,
    cache: Cache<u64, u64>,
    /// The connection of its subscription; what was sent on an older one is lost.
    connection: u64,
    subscribed: bool,
    /// When the last thing that the broker sent arrives: nothing overtakes it.
    stream: u64,
    wake_at: u64,
}

enum Event {
    Subscribe {
        node: usize,
        connection: u64,
    },
    Publish {
        node: usize,
        id: u64,
        frame: Bytes,
    },
    Fence {
        node: usize,
        connection: u64,
        token: u64,
    },
    Confirmed {
        node: usize,
        connection: u64,
    },
    Frame {
        node: usize,
        connection: u64,
        frame: Frame,
    },
    Fenced {
        node: usize,
        connection: u64,
        token: u64,
    },
    Published {
        node: usize,
        id: u64,
    },
    /// The deadline that a node had; it may have an earlier one by now.
    Timeout {
        node: usize,
        due: u64,
    },
    /// A node gets to it, after what the processor had to do before.
    Turn(Box<Event>),
}

/// Whoever reads it first opens it for all.
type Frame = Arc<(Bytes, OnceLock<Opened>)>;

impl World {
    pub(crate) fn new(nodes: usize, seed: u64) -> Self {
        let time = Arc::new(AtomicU64::new(1_000_000_000));
        let mut world = Self {
            time: Arc::clone(&time),
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            scheduled: 0,
            random: fastrand::Rng::with_seed(seed),
            nodes: Vec::new(),
            accepted: Accepted::default(),
            behind: 0,
            processors: [Processor::default(); 2],
        };
        for node in 0..nodes {
            let seeds = AtomicU64::new(world.random.u64(..));
            let runtime = Arc::new(Virtual { time: Arc::clone(&time), seeds });
            let freshness = Freshness::Within(Duration::from_secs(5));
            let manual = ManualNode::builder(NAMESPACE, runtime).freshness(freshness).build();
            let cache = manual.cache("rows").capacity(1_000).build().unwrap();
            world.nodes.push(Slot::new(manual, cache));
            // A deployment takes some seconds.
            let at = world.now() + world.random.u64(..2_000_000_000);
            world.nodes[node].wake_at = at;
            world.schedule(at, Event::Timeout { node, due: at });
        }
        world
    }

    fn now(&self) -> u64 {
        self.time.load(Ordering::Relaxed)
    }

    /// What the broker has accepted since this was last asked.
    pub(crate) fn take_accepted(&mut self) -> Accepted {
        std::mem::take(&mut self.accepted)
    }

    pub(crate) fn live(&self) -> usize {
        let live = |slot: &&Slot| slot.manual.status().state == State::Live;
        self.nodes.iter().filter(live).count()
    }

    /// The sum of a counter over all nodes.
    pub(crate) fn total(&self, of: impl Fn(&Counters) -> u64) -> u64 {
        self.nodes.iter().map(|slot| of(&slot.manual.counters())).sum()
    }

    /// How many nodes hold this key.
    pub(crate) fn holders(&self, key: u64) -> usize {
        self.nodes.iter().filter(|slot| slot.cache.contains(&key)).count()
    }

    /// Every node stores this key.
    pub(crate) fn fill(&self, key: u64) {
        for slot in &self.nodes {
            assert!(slot.cache.begin_fill(&key).insert(key), "{key} was not stored");
        }
    }

    /// One node invalidates these keys, one by one, at one moment.
    pub(crate) fn invalidate(&mut self, node: usize, keys: impl IntoIterator<Item = u64>) {
        for key in keys {
            drop(self.nodes[node].cache.invalidate(&key));
        }
        self.nodes[node].manual.wake(false);
        self.follow(node);
    }

    /// From now on every node has so much to do that it meets everything this much later.
    pub(crate) fn fall_behind(&mut self, by: Duration) {
        self.behind = u64::try_from(by.as_nanos()).unwrap();
    }

    /// From now on what is done takes time: the broker has one processor, and all nodes share another. `slowness` is how
    /// many times as long as measured on one Redis (`docs/scaling.md`).
    pub(crate) fn take_time(&mut self, slowness: u64) {
        for processor in &mut self.processors {
            *processor = Processor { slowness, free: self.time.load(Ordering::Relaxed) };
        }
    }

    /// The connection of a node's subscription breaks.
    pub(crate) fn cut(&mut self, node: usize) {
        let slot = &mut self.nodes[node];
        slot.subscribed = false;
        slot.connection += 1;
        let error = TransportErrorKind::Unreachable.error("cut");
        slot.manual.subscription_ended(&error);
        self.follow(node);
    }

    /// Lets everything happen that is due within this time.
    pub(crate) fn run(&mut self, duration: Duration) {
        let until = self.now() + u64::try_from(duration.as_nanos()).unwrap();
        while let Some(&Reverse((at, number))) = self.queue.peek()
            && at <= until
        {
            self.queue.pop();
            self.time.store(at, Ordering::Relaxed);
            if let Some(event) = self.events.remove(&number) {
                self.happen(event);
            }
        }
        self.time.store(until, Ordering::Relaxed);
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.scheduled += 1;
        self.queue.push(Reverse((at, self.scheduled)));
        self.events.insert(self.scheduled, event);
    }

    fn hop(&mut self) -> u64 {
        self.now() + self.random.u64(LATENCY_NS)
    }

    /// The broker, which is done with it at `done`, sends something on a subscription, behind everything that it has
    /// sent before.
    fn send(&mut self, done: u64, node: usize, event: Event) {
        let at = done + self.random.u64(LATENCY_NS) + self.behind;
        let at = at.max(self.nodes[node].stream + 1);
        self.nodes[node].stream = at;
        self.schedule(at, event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Subscribe { node, connection } => {
                let done = self.serve(CONNECTING_NS);
                if self.nodes[node].connection == connection {
                    self.nodes[node].subscribed = true;
                    self.send(done, node, Event::Confirmed { node, connection });
                }
            }
            Event::Publish { node, id, frame } => self.accept(node, id, &frame),
            Event::Fence { node, connection, token } => {
                let done = self.serve(COMMAND_NS);
                self.send(done, node, Event::Fenced { node, connection, token });
            }
            Event::Turn(event) => self.turn(*event),
            event => {
                let spent = match &event {
                    Event::Frame { frame, .. } => HEARD_NS + frame.0.len() as u64 * HEARD_BYTE_NS,
                    _ => INPUT_NS,
                };
                let now = self.now();
                match self.processors[1].work(spent, now) {
                    done if done == now => self.turn(event),
                    done => self.schedule(done, Event::Turn(Box::new(event))),
                }
            }
        }
    }

    /// When the broker is done with this.
    fn serve(&mut self, spent: u64) -> u64 {
        let now = self.now();
        self.processors[0].work(spent, now)
    }

    /// Something reaches a node.
    fn turn(&mut self, event: Event) {
        match event {
            Event::Confirmed { node, connection } => self.input(node, connection, |manual| {
                manual.subscribed(Some(SequencerId::new("the broker")));
            }),
            Event::Frame { node, connection, frame } => self.input(node, connection, |manual| {
                manual.opened(frame.1.get_or_init(|| manual.open(&frame.0)));
            }),
            Event::Fenced { node, connection, token } => {
                self.input(node, connection, |manual| manual.fenced(token));
            }
            Event::Published { node, id } => {
                self.nodes[node].manual.published(id, Ok(()));
                self.follow(node);
            }
            Event::Timeout { node, due } if self.nodes[node].wake_at == due => {
                self.nodes[node].wake_at = u64::MAX;
                self.nodes[node].manual.handle_timeout();
                self.follow(node);
            }
            _ => {}
        }
    }

    fn accept(&mut self, from: usize, id: u64, frame: &Bytes) {
        *self.accepted.frames.entry(kind(frame)).or_default() += 1;
        self.accepted.bytes += frame.len() as u64;
        let hearing = self.nodes.iter().filter(|slot| slot.subscribed).count() as u64;
        let each = DELIVERY_NS + frame.len() as u64 * DELIVERED_BYTE_NS;
        let done = self.serve(COMMAND_NS + hearing * each);
        let shared: Frame = Arc::new((frame.clone(), OnceLock::new()));
        for node in 0..self.nodes.len() {
            if self.nodes[node].subscribed {
                let connection = self.nodes[node].connection;
                let frame = Arc::clone(&shared);
                self.send(done, node, Event::Frame { node, connection, frame });
            }
        }
        let at = done + self.random.u64(LATENCY_NS);
        self.schedule(at, Event::Published { node: from, id });
    }

    fn input(&mut self, node: usize, connection: u64, give: impl FnOnce(&mut ManualNode)) {
        let slot = &mut self.nodes[node];
        if slot.connection == connection {
            give(&mut slot.manual);
            self.follow(node);
        }
    }

    /// Does what a node asks for after an input, and sees to its next deadline.
    fn follow(&mut self, node: usize) {
        while let Some(request) = self.nodes[node].manual.poll_request() {
            let connection = self.nodes[node].connection;
            let at = self.hop();
            match request {
                Request::Subscribe => self.schedule(at, Event::Subscribe { node, connection }),
                Request::Unsubscribe => {
                    self.nodes[node].subscribed = false;
                    self.nodes[node].connection += 1;
                }
                Request::Publish { id, frame } => {
                    self.schedule(at, Event::Publish { node, id, frame });
                }
                Request::CancelPublish(_) => {}
                Request::Fence(token) => {
                    self.schedule(at, Event::Fence { node, connection, token });
                }
            }
        }
        let deadline =
            self.nodes[node].manual.next_deadline().map_or(u64::MAX, Timestamp::as_nanos);
        let deadline = deadline.max(self.now() + 1);
        if deadline < self.nodes[node].wake_at {
            self.nodes[node].wake_at = deadline;
            self.schedule(deadline, Event::Timeout { node, due: deadline });
        }
    }
}

impl Slot {
    fn new(mut manual: ManualNode, cache: Cache<u64, u64>) -> Self {
        manual.adapt_fences();
        let (connection, subscribed, stream, wake_at) = (1, false, 0, u64::MAX);
        Self { manual, cache, connection, subscribed, stream, wake_at }
    }
}

/// The kind of a frame without authentication that has an origin.
fn kind(frame: &[u8]) -> u8 {
    // Magic, namespace, attempt, key id, version, flags, origin, number.
    frame[4 + 1 + NAMESPACE.len() + 4 + 2 + 1 + 1 + 16 + 8]
}

/// The time of the heap, the same for all.
#[derive(Debug)]
struct Virtual {
    time: Arc<AtomicU64>,
    seeds: AtomicU64,
}

impl Runtime for Virtual {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.time.load(Ordering::Relaxed))
    }

    fn upper_now(&self) -> Timestamp {
        self.now()
    }

    fn resynchronize(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep_until(&self, _deadline: Timestamp) -> BoxFuture<()> {
        Box::pin(std::future::pending())
    }

    fn spawn(&self, _name: &'static str, _task: BoxFuture<()>) {}

    fn random_seed(&self) -> u64 {
        self.seeds.fetch_add(1, Ordering::Relaxed)
    }
}
