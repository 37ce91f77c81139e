//! The brokers of a world: what nodes connect to, and what faults do to it.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::future::{Either, select};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::Mutex;
use turmoil::net::{TcpListener, TcpStream};
use unstale::transport::{
    Capabilities, Item, SequencerId, Subscription, TransportError, TransportErrorKind,
};
use unstale::{Runtime, Transport};
use unstale_redis::{Address, Connector, RedisTransport, Stream};

use super::hub::{self, HubServer};
use super::own::Own;
use super::servicebus::{self, ServiceBus};
use super::universe::Universe;
use crate::plan::Topology;
use crate::redis::{Observer, Options, Server};
use crate::{frames, history::Event};

/// What all brokers are called by their hosts.
#[derive(Clone)]
pub(super) enum Brokers {
    Redis(Arc<RedisPair>),
    Hub(HubServer),
    Bus(ServiceBus),
    /// A user's own.
    Own(Arc<Own>),
}

/// Two servers, of which one is the primary.
pub(super) struct RedisPair {
    pub(super) servers: [Server; 2],
    primary: AtomicUsize,
}

pub(super) const REDIS_HOSTS: [&str; 2] = ["redis-a", "redis-b"];
const REDIS_PORT: u16 = 6379;
/// The channel of the transport's namespace.
pub(super) const CHANNEL: &str = "unstale:sim";

impl RedisPair {
    pub(super) fn new(universe: &Arc<Universe>) -> Self {
        let options = Options {
            output_limit_bytes: universe.plan.topology.broker_buffer_bytes,
            ..Options::default()
        };
        let servers = REDIS_HOSTS.map(|name| {
            let server = Server::with_options(name, options.clone());
            server.set_observer(Arc::new(Watching { universe: Arc::clone(universe) }));
            server
        });
        servers[1].replicate_from(&servers[0]);
        Self { servers, primary: AtomicUsize::new(0) }
    }

    pub(super) fn primary(&self) -> &Server {
        &self.servers[self.primary.load(Ordering::Relaxed)]
    }

    /// The other one becomes primary; returns the old one.
    pub(super) fn switch(&self) -> (&Server, &Server) {
        let old = self.primary.load(Ordering::Relaxed);
        self.primary.store(1 - old, Ordering::Relaxed);
        (&self.servers[old], &self.servers[1 - old])
    }
}

/// Carries what the servers do to frames into the history.
struct Watching {
    universe: Arc<Universe>,
}

/// The node of a host.
pub(super) fn node_of(host: &str) -> Option<usize> {
    host.strip_prefix("node-")?.parse().ok()
}

pub(super) fn host_of(node: usize) -> String {
    format!("node-{node}")
}

impl Observer for Watching {
    fn accepted(&self, _sequence: u64, publisher: Option<&str>, frame: &Bytes) {
        self.universe.record(&Event::Accepted { bytes: frame.len() });
        if let Some(node) = publisher.and_then(node_of)
            && let Some((origin, _)) = frames::numbered(frame)
        {
            self.universe.note_origin(origin, node);
        }
    }

    fn dropped(&self, _peer: &str, frame: &Bytes, _sequence: u64) {
        if let Some((origin, number)) = frames::numbered(frame) {
            let from = self.universe.origin(origin);
            let names = frames::may_name(frame);
            self.universe.record(&Event::Lost { from, origin, number, to_all: false, names });
        }
    }

    fn cut_off(&self, _peer: &str) {}
}

impl Brokers {
    pub(super) fn hosts(&self) -> Vec<String> {
        match self {
            Self::Redis(_) => REDIS_HOSTS.map(str::to_owned).to_vec(),
            Self::Hub(_) => vec![hub::HOST.to_owned()],
            Self::Bus(_) => vec![servicebus::HOST.to_owned()],
            Self::Own(own) => own.hosts(),
        }
    }

    /// Adds the brokers' hosts.
    pub(super) fn install(&self, sim: &mut turmoil::Sim<'_>) {
        match self {
            Self::Redis(pair) => {
                for server in pair.servers.clone() {
                    let name = server.name().to_owned();
                    sim.host(name, move || serve_redis(server.clone()));
                }
            }
            Self::Hub(server) => {
                let server = server.clone();
                sim.host(hub::HOST, move || server.clone().run());
            }
            Self::Bus(bus) => bus.install(sim),
            Self::Own(own) => own.install(sim),
        }
    }

    /// A node's way to the brokers.
    pub(super) fn transport(
        &self,
        topology: &Topology,
        runtime: &Arc<dyn Runtime>,
        node: usize,
        lane: u16,
    ) -> Result<Arc<dyn Transport>, Box<dyn std::error::Error>> {
        match self {
            Self::Redis(_) => {
                let mut builder = RedisTransport::builder()
                    .urls(REDIS_HOSTS.map(|host| format!("redis://{host}:{REDIS_PORT}")))
                    .namespace("sim")
                    .lane(lane)
                    .connector(TurmoilConnector)
                    .runtime(Arc::clone(runtime));
                if topology.tiny_tables {
                    builder = builder.max_frame_bytes(4 * 1024);
                }
                Ok(Arc::new(builder.build()?))
            }
            Self::Hub(_) => {
                let mut capabilities = Capabilities::new("hub").with_max_frame_bytes(4 * 1024);
                if topology.native_fences {
                    capabilities = capabilities.with_native_fences();
                }
                Ok(Arc::new(HubTransport {
                    node: u32::try_from(node).unwrap_or(0),
                    runtime: Arc::clone(runtime),
                    capabilities,
                    publishing: Mutex::new(None),
                }))
            }
            Self::Bus(bus) => bus.transport(topology, runtime, node),
            Self::Own(own) => own
                .transport(runtime, node)
                .map_err(|error| -> Box<dyn std::error::Error> { error }),
        }
    }
}

async fn serve_redis(server: Server) -> turmoil::Result {
    let listener = TcpListener::bind(("0.0.0.0", REDIS_PORT)).await?;
    loop {
        let (stream, address) = listener.accept().await?;
        let peer = turmoil::reverse_lookup(address.ip()).unwrap_or_default();
        let server = server.clone();
        tokio::task::spawn_local(async move { server.serve(stream, peer).await });
    }
}

/// Opens simulated connections for the Redis transport.
#[derive(Clone, Copy, Debug)]
struct TurmoilConnector;

#[async_trait]
impl Connector for TurmoilConnector {
    async fn connect(&self, address: &Address) -> io::Result<Box<dyn Stream>> {
        match address {
            Address::Tcp { host, port } => {
                Ok(Box::new(TcpStream::connect((host.as_str(), *port)).await?))
            }
            _ => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "a simulated network has TCP only"))
            }
        }
    }
}

/// The way to the hub behind a simulated connection.
struct HubTransport {
    node: u32,
    runtime: Arc<dyn Runtime>,
    capabilities: Capabilities,
    /// Taken out while a frame is on its way: one that is not waited for any more leaves none behind.
    publishing: Mutex<Option<TcpStream>>,
}

/// What an attempt may take, as over Redis.
const ATTEMPT: Duration = Duration::from_secs(3);

fn broken(error: io::Error) -> TransportError {
    if error.kind() == io::ErrorKind::InvalidData {
        return TransportErrorKind::Rejected.error("the hub will never take this frame");
    }
    TransportErrorKind::Unreachable.error("the connection to the hub broke").with_source(error)
}

impl HubTransport {
    async fn connect(&self, purpose: u8) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect((hub::HOST, hub::PORT)).await?;
        let mut hello = self.node.to_be_bytes().to_vec();
        hello.push(purpose);
        stream.write_all(&hello).await?;
        Ok(stream)
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = io::Result<T>> + Send,
    ) -> Result<T, TransportError> {
        let deadline = self.runtime.sleep_until(self.runtime.now().after(ATTEMPT));
        match select(Box::pin(work), deadline).await {
            Either::Left((result, _)) => result.map_err(broken),
            Either::Right(_) => {
                Err(TransportErrorKind::Unreachable.error("the hub did not answer in time"))
            }
        }
    }
}

#[async_trait]
impl Transport for HubTransport {
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, TransportError> {
        let opened = async {
            let mut stream = self.connect(hub::SUBSCRIBE).await?;
            let len = stream.read_u8().await?;
            let mut identity = vec![0; usize::from(len)];
            stream.read_exact(&mut identity).await?;
            Ok((stream, SequencerId::new(identity)))
        };
        let (stream, sequencer) = self.in_time(opened).await?;
        Ok(Box::new(HubSubscription {
            stream,
            sequencer,
            received: BytesMut::new(),
            unsent: BytesMut::new(),
        }))
    }

    async fn publish(&self, frame: Bytes) -> Result<(), TransportError> {
        let published = async {
            let mut slot = self.publishing.lock().await;
            let mut stream = match slot.take() {
                Some(stream) => stream,
                None => self.connect(hub::PUBLISH).await?,
            };
            let mut request = BytesMut::with_capacity(4 + frame.len());
            request.put_u32(u32::try_from(frame.len()).unwrap_or(u32::MAX));
            request.put_slice(&frame);
            stream.write_all(&request).await?;
            let answer = stream.read_u8().await?;
            if answer == hub::REJECTED {
                *slot = Some(stream);
                return Err(io::ErrorKind::InvalidData.into());
            } else if answer != hub::ACCEPTED {
                return Err(io::Error::other("not accepted"));
            }
            *slot = Some(stream);
            Ok(())
        };
        self.in_time(published).await
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }
}

struct HubSubscription {
    stream: TcpStream,
    sequencer: SequencerId,
    received: BytesMut,
    unsent: BytesMut,
}

impl fmt::Debug for HubSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HubSubscription(..)")
    }
}

impl HubSubscription {
    /// The first whole item that was received.
    fn take(&mut self) -> Option<Item> {
        match *self.received.first()? {
            hub::FENCED => {
                let token = u64::from_be_bytes(self.received.get(1..9)?.try_into().ok()?);
                self.received.advance(9);
                Some(Item::Fenced(token))
            }
            _ => {
                let len = u32::from_be_bytes(self.received.get(1..5)?.try_into().ok()?);
                let len = usize::try_from(len).ok()?;
                self.received.get(5..5 + len)?;
                self.received.advance(5);
                Some(Item::Frame(self.received.split_to(len).freeze()))
            }
        }
    }

    fn send(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, &self.unsent) {
                Poll::Ready(written) => self.unsent.advance(written?),
                Poll::Pending => break,
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Subscription for HubSubscription {
    fn sequencer(&self) -> Option<&SequencerId> {
        Some(&self.sequencer)
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        if let Err(error) = self.send(context) {
            return Poll::Ready(Err(broken(error)));
        }
        loop {
            if let Some(item) = self.take() {
                return Poll::Ready(Ok(item));
            }
            let mut space = [0; 4_096];
            let mut buffer = ReadBuf::new(&mut space);
            match tokio::io::AsyncRead::poll_read(Pin::new(&mut self.stream), context, &mut buffer)
            {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                    return Poll::Ready(Err(broken(io::ErrorKind::UnexpectedEof.into())));
                }
                Poll::Ready(Ok(())) => self.received.extend_from_slice(buffer.filled()),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(broken(error))),
            }
        }
    }

    fn fence(&mut self, token: u64) {
        self.unsent.extend_from_slice(&token.to_be_bytes());
    }

    async fn close(self: Box<Self>) {}
}
