//! Azure Service Bus in a world: the emulator on a host, the real client, and what faults do to them.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional, duplex};
use tokio::sync::mpsc;
use turmoil::net::{TcpListener, TcpStream};
use unstale::transport::SubscriptionExt;
use unstale::{Runtime, Transport};
use unstale_azure::{AzureTransport, AzureTransportBuilder, Connector, Stream};
use unstale_servicebus_emulator::{
    Clock, CopyFate, Emulator, Fate, Interceptor, Message, Options, Policy, Refusal, Rights, Scope,
};

use super::brokers::node_of;
use super::machine::{Gate, Gated, MachineRuntime, sleep_ns};
use super::universe::Universe;
use crate::clock::{MachineClock, TrueTime};
use crate::frames;
use crate::history::Event;
use crate::plan::Topology;
use crate::rng::Seeds;

pub(super) const HOST: &str = "servicebus";
/// Where a node runs that was given somebody else's subscription.
const STRANGER: &str = "stranger";
const PORT: u16 = 5672;
const TOPIC: &str = "sim";
const POLICY: &str = "nodes";
const KEY: &str = "a key";
const EPOCH: Duration = Duration::from_secs(1_700_000_000);
/// What an attempt may take, as over Redis.
const ATTEMPT: Duration = Duration::from_secs(3);
/// Accepted frames that are remembered, to be accepted again.
const REMEMBERED: usize = 64;

/// The namespace, and what is wrong with it.
#[derive(Clone)]
pub(super) struct ServiceBus {
    emulator: Emulator,
    orders: Arc<Orders>,
    stalled: Arc<Gate>,
    strangers: mpsc::UnboundedSender<Stranger>,
    asked: Arc<Mutex<Option<mpsc::UnboundedReceiver<Stranger>>>>,
}

/// A subscription that is read by somebody else too.
struct Stranger {
    subscription: String,
    for_ms: u64,
}

/// What was ordered to go wrong with single frames.
struct Orders {
    universe: Arc<Universe>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    down: u32,
    wrong_credentials: u32,
    restarts: u32,
    lose_accepted: u32,
    /// The frame that is copied now reaches nobody.
    losing: bool,
    nodes: BTreeMap<usize, NodeOrders>,
    accepted: VecDeque<Bytes>,
    zombies: Vec<(u64, Bytes)>,
}

#[derive(Default)]
struct NodeOrders {
    lose: u32,
    lose_answers: u32,
    rejects: u32,
    /// When the next publishes are accepted, in milliseconds; never for `None`.
    ambiguous: VecDeque<Option<u64>>,
}

/// Takes one of those that are left.
fn take_one(left: &mut u32) -> bool {
    let any = *left > 0;
    *left = left.saturating_sub(1);
    any
}

impl ServiceBus {
    pub(super) fn new(universe: Arc<Universe>) -> Self {
        let time = universe.time.clone();
        let clock = Clock::new(move || wall_clock(&time));
        let emulator =
            Emulator::new(Options { policies: vec![policy(KEY)], ..Options::new(clock) });
        // Nothing has this name yet.
        let _created = emulator.create_topic(TOPIC);
        let orders = Arc::new(Orders { universe, state: Mutex::default() });
        emulator.set_interceptor(Arc::clone(&orders) as Arc<dyn Interceptor>);
        let (strangers, asked) = mpsc::unbounded_channel();
        let asked = Arc::new(Mutex::new(Some(asked)));
        Self { emulator, orders, stalled: Arc::default(), strangers, asked }
    }

    pub(super) fn install(&self, sim: &mut turmoil::Sim<'_>) {
        let bus = self.clone();
        sim.host(HOST, move || bus.clone().run());
        let bus = self.clone();
        sim.host(STRANGER, move || bus.clone().be_strange());
    }

    /// Accepts connections for ever.
    async fn run(self) -> turmoil::Result {
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
        loop {
            let (stream, address) = listener.accept().await?;
            let peer = turmoil::reverse_lookup(address.ip()).unwrap_or_default();
            let stream = GatedStream { gate: Arc::clone(&self.stalled), inner: stream };
            let emulator = self.emulator.clone();
            tokio::task::spawn_local(async move { emulator.serve_from(peer, stream).await });
        }
    }

    /// Reads the subscriptions of others, when told to.
    async fn be_strange(self) -> turmoil::Result {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut asked) = asked else { return Ok(()) };
        let time = self.orders.universe.time.clone();
        let clock = Arc::new(MachineClock::new(time, Duration::ZERO, 0));
        let seeds = Seeds::of(self.orders.universe.plan.seed, usize::MAX, 0);
        let gate = Arc::<Gate>::default();
        let runtime: Arc<dyn Runtime> =
            Arc::new(MachineRuntime::new(clock, Arc::clone(&gate), seeds));
        while let Some(Stranger { subscription, for_ms }) = asked.recv().await {
            let transport = self.builder(&runtime, &gate).subscription(subscription).build()?;
            let read = async {
                // It fails where the other one does: what matters is what it took.
                let Ok(mut opened) = transport.subscribe().await else { return };
                while opened.next().await.is_ok() {}
            };
            tokio::select! {
                biased;
                () = sleep_ns(for_ms * 1_000_000) => {}
                () = read => {}
            }
        }
        Ok(())
    }

    fn builder(&self, runtime: &Arc<dyn Runtime>, gate: &Arc<Gate>) -> AzureTransportBuilder {
        let time = self.orders.universe.time.clone();
        AzureTransport::builder()
            .connection_string(format!(
                "Endpoint=sb://{HOST}:{PORT};SharedAccessKeyName={POLICY};SharedAccessKey={KEY};\
                 UseDevelopmentEmulator=true"
            ))
            .topic(TOPIC)
            .connector(TurmoilConnector { gate: Arc::clone(gate) })
            .runtime(Arc::clone(runtime))
            .wall_clock(move || wall_clock(&time))
            .connect_timeout(ATTEMPT)
            .publish_timeout(ATTEMPT)
    }

    /// A node's way to the namespace.
    pub(super) fn transport(
        &self,
        topology: &Topology,
        runtime: &Arc<dyn Runtime>,
        node: usize,
    ) -> Result<Arc<dyn Transport>, Box<dyn std::error::Error>> {
        let gate = &self.orders.universe.slots[node].gate;
        let mut builder = self.builder(runtime, gate).subscription_prefix(prefix(node));
        if topology.tiny_tables {
            builder = builder.max_frame_bytes(4 * 1024);
        }
        Ok(Arc::new(builder.build()?))
    }

    // Faults.

    pub(super) fn cut(&self, host: &str) {
        self.emulator.cut_peer(host, None);
    }

    pub(super) fn cut_publishing(&self, host: &str) {
        self.emulator.cut_peer(host, Some(TOPIC));
    }

    /// Every second time all subscriptions are gone, too.
    pub(super) fn restart(&self) {
        let mut state = self.orders.state();
        state.restarts += 1;
        let empty = state.restarts.is_multiple_of(2);
        drop(state);
        if empty { self.emulator.restart_empty() } else { self.emulator.restart() }
    }

    pub(super) fn set_down(&self, down: bool) {
        let mut state = self.orders.state();
        state.down = if down { state.down + 1 } else { state.down.saturating_sub(1) };
        let down = state.down > 0;
        drop(state);
        self.emulator.refuse_connections(down);
    }

    pub(super) fn is_down(&self) -> bool {
        self.orders.state().down > 0
    }

    /// While it lasts the nodes' key is not the right one.
    pub(super) fn set_wrong_credentials(&self, wrong: bool) {
        let mut state = self.orders.state();
        let count = &mut state.wrong_credentials;
        *count = if wrong { *count + 1 } else { count.saturating_sub(1) };
        let key = if *count > 0 { "another key" } else { KEY };
        drop(state);
        self.emulator.set_policies(vec![policy(key)]);
        if wrong {
            self.emulator.cut_all();
        }
    }

    pub(super) fn stall(&self, stalled: bool) {
        if stalled {
            self.stalled.close();
        } else {
            self.stalled.open();
        }
    }

    /// All links are detached, as when a namespace moves to another machine. Connections live on.
    pub(super) fn detach_all(&self) {
        let reason = Refusal::new("amqp:link:detach-forced", "The link is detached by the broker.");
        for name in self.emulator.subscriptions(TOPIC) {
            self.emulator.detach_receivers(TOPIC, &name, &reason);
        }
        self.emulator.detach_senders(TOPIC, &reason);
    }

    pub(super) fn lose_accepted(&self, frames: u32) {
        self.orders.state().lose_accepted += frames;
    }

    pub(super) fn lose_to(&self, node: usize, frames: u32) {
        self.orders.state().nodes.entry(node).or_default().lose += frames;
    }

    pub(super) fn lose_answers(&self, node: usize, lose: bool) {
        let mut state = self.orders.state();
        let losing = &mut state.nodes.entry(node).or_default().lose_answers;
        *losing = if lose { *losing + 1 } else { losing.saturating_sub(1) };
    }

    pub(super) fn reject(&self, node: usize, frames: u32) {
        self.orders.state().nodes.entry(node).or_default().rejects += frames;
    }

    pub(super) fn ambiguous(&self, node: usize, frames: u32, accepted_after_ms: Option<u64>) {
        let mut state = self.orders.state();
        let ambiguous = &mut state.nodes.entry(node).or_default().ambiguous;
        ambiguous.extend((0..frames).map(|_| accepted_after_ms));
    }

    /// A node's subscriptions are deleted under it.
    pub(super) fn expire(&self, node: usize) {
        for name in self.subscriptions_of(node) {
            // It may have been deleted by its node just now.
            let _ = self.emulator.delete_subscription(TOPIC, &name);
        }
    }

    /// Somebody else reads a node's subscription for a while.
    pub(super) fn share(&self, node: usize, for_ms: u64) {
        for subscription in self.subscriptions_of(node) {
            // The stranger lives as long as the world.
            let _ = self.strangers.send(Stranger { subscription, for_ms });
        }
    }

    fn subscriptions_of(&self, node: usize) -> Vec<String> {
        let mut names = self.emulator.subscriptions(TOPIC);
        names.retain(|name| node_of_subscription(name) == Some(node));
        names.retain(|name| {
            self.emulator.subscription_info(TOPIC, name).is_some_and(|info| info.receivers > 0)
        });
        names
    }

    /// Takes back what was ordered and has not struck yet.
    pub(super) fn heal(&self) {
        let mut state = self.orders.state();
        state.lose_accepted = 0;
        state.nodes.clear();
    }

    /// The how-manieth last frame is accepted again.
    pub(super) fn again(&self, back: usize) {
        let again = {
            let state = self.orders.state();
            let place = state.accepted.len().checked_sub(back + 1);
            place.map(|place| state.accepted[place].clone())
        };
        if let Some(frame) = again {
            self.publish_now(frame);
        }
    }

    /// What somebody else publishes.
    pub(super) fn publish_now(&self, frame: Bytes) {
        if !self.is_down() {
            // A topic that is full refuses it: then nobody hears it.
            let _ = self.emulator.send_raw(TOPIC, Message::new(frame));
        }
    }

    /// Accepts the publishes whose time has come.
    pub(super) fn release_zombies(&self, now: u64) {
        let due: Vec<_> = {
            let mut state = self.orders.state();
            let (due, later) =
                std::mem::take(&mut state.zombies).into_iter().partition(|it| it.0 <= now);
            state.zombies = later;
            due
        };
        due.into_iter().for_each(|(_, frame)| self.publish_now(frame));
    }
}

fn policy(key: &str) -> Policy {
    Policy {
        name: POLICY.to_owned(),
        key: key.to_owned(),
        rights: Rights::MANAGE,
        scope: Scope::Namespace,
    }
}

fn wall_clock(time: &TrueTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + EPOCH + Duration::from_nanos(time.now())
}

fn prefix(node: usize) -> String {
    format!("n{node}")
}

fn node_of_subscription(name: &str) -> Option<usize> {
    name.strip_prefix('n')?.split_once('-')?.0.parse().ok()
}

impl Orders {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record_lost(&self, frame: &[u8], to_all: bool) {
        if let Some((origin, number)) = frames::numbered(frame) {
            let from = self.universe.origin(origin);
            let names = frames::may_name(frame);
            self.universe.record(&Event::Lost { from, origin, number, to_all, names });
        }
    }

    /// Whether a frame is lost on its way to a node.
    fn loses(&self, frame: &[u8], node: usize) -> bool {
        let lost = {
            let mut state = self.state();
            let Some(orders) = state.nodes.get_mut(&node) else { return false };
            if frames::is_replay(frame) {
                return orders.lose_answers > 0;
            }
            frames::numbered(frame).is_some() && take_one(&mut orders.lose)
        };
        if lost {
            self.record_lost(frame, false);
        }
        lost
    }
}

impl Interceptor for Orders {
    fn sent(&self, peer: Option<&str>, _topic: &str, message: &Message) -> Fate {
        let frame = message.body().unwrap_or_default();
        self.state().losing = false;
        if frame.is_empty() {
            // A fence.
            return Fate::Accept;
        }
        let node = peer.and_then(node_of);
        if let (Some(node), Some((origin, _))) = (node, frames::numbered(&frame)) {
            self.universe.note_origin(origin, node);
        }
        let mut fate = Fate::Accept;
        if let Some(node) = node {
            let mut state = self.state();
            let State { nodes, zombies, .. } = &mut *state;
            if let Some(orders) = nodes.get_mut(&node) {
                if take_one(&mut orders.rejects) {
                    let condition = "amqp:link:message-size-exceeded";
                    return Fate::Refuse(Refusal::new(condition, "Not this one."));
                }
                match orders.ambiguous.pop_front() {
                    None => {}
                    Some(Some(0)) => fate = Fate::AcceptAndCut,
                    Some(None) => return Fate::Cut,
                    Some(Some(ms)) => {
                        let at = self.universe.time.now() + ms * 1_000_000;
                        zombies.push((at, frame));
                        return Fate::Cut;
                    }
                }
            }
        }
        self.universe.record(&Event::Accepted { bytes: frame.len() });
        let mut state = self.state();
        state.losing = take_one(&mut state.lose_accepted);
        let losing = state.losing;
        state.accepted.push_back(frame.clone());
        if state.accepted.len() > REMEMBERED {
            state.accepted.pop_front();
        }
        drop(state);
        if losing {
            self.record_lost(&frame, true);
        }
        fate
    }

    fn copied(&self, _topic: &str, subscription: &str, message: &Message) -> CopyFate {
        if self.state().losing {
            return CopyFate::Swallow;
        }
        let frame = message.body().unwrap_or_default();
        let node = node_of_subscription(subscription);
        if node.is_some_and(|node| self.loses(&frame, node)) {
            return CopyFate::Swallow;
        }
        CopyFate::Make
    }
}

/// What is on its way between the client and its socket, in bytes.
const PIPE_BYTES: usize = 64 * 1024;

/// Opens simulated connections, which stand still with their process.
///
/// The client gets a pipe, and a task of the host has the socket: the client's own tasks are ordered by numbers that
/// all threads of the process share, so that in a crash its sockets would close in an order that does not repeat itself.
#[derive(Debug)]
struct TurmoilConnector {
    gate: Arc<Gate>,
}

#[async_trait]
impl Connector for TurmoilConnector {
    async fn connect(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
        let mut socket = TcpStream::connect((host, port)).await?;
        let (ours, mut theirs) = duplex(PIPE_BYTES);
        let pump = async move {
            // However it ends, both sides see it.
            let _ended = copy_bidirectional(&mut theirs, &mut socket).await;
        };
        tokio::task::spawn_local(Gated::new(&self.gate, pump));
        Ok(Box::new(ours))
    }
}

/// A stream on which nothing moves while its gate is closed.
#[derive(Debug)]
struct GatedStream {
    gate: Arc<Gate>,
    inner: TcpStream,
}

impl AsyncRead for GatedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        std::task::ready!(self.gate.poll(context));
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for GatedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        std::task::ready!(self.gate.poll(context));
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.gate.poll(context));
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.gate.poll(context));
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
