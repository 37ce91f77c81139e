//! A hub: it sends every frame that it accepts to all who are subscribed. And the transport that uses it.
//!
//! A connection begins with a byte that says what it is for. A subscriber is answered by the hub's identity, and then
//! receives frames; a publisher sends frames, each of which is answered by a byte. A frame follows its length.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::future::{Either, select};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::sync::{Mutex, mpsc};
use unstale::transport::{
    Capabilities, Item, SequencerId, Subscription, TransportError, TransportErrorKind,
};
use unstale::{Runtime, Transport};
use unstale_sim::turmoil::net::{TcpListener, TcpStream};
use unstale_sim::{BoxError, HostContext};

const PORT: u16 = 9_000;
const SUBSCRIBE: u8 = b'S';
const PUBLISH: u8 = b'P';
const ACCEPTED: u8 = b'K';
/// Frames that wait for a subscriber. One that falls further behind is cut off: it must know that it missed some.
const QUEUE: usize = 1_024;
const MAX_FRAME_BYTES: usize = 1 << 20;
/// What an attempt may take: a connection that is cut off never says so.
const ATTEMPT: Duration = Duration::from_secs(2);

type Subscribers = Rc<RefCell<Vec<mpsc::Sender<Bytes>>>>;

/// The hub's process.
pub(crate) async fn serve() -> Result<(), BoxError> {
    let subscribers = Subscribers::default();
    // Two hubs have two orders, so they must have two identities. No two start at the same time.
    let identity = unstale_sim::turmoil::sim_elapsed().unwrap_or_default().as_nanos() as u64;
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let subscribers = Rc::clone(&subscribers);
        tokio::task::spawn_local(async move {
            // However a connection ends, its peer sees it.
            let _ended = connection(stream, &subscribers, identity).await;
        });
    }
}

async fn connection(
    mut stream: TcpStream,
    subscribers: &Subscribers,
    identity: u64,
) -> io::Result<()> {
    if stream.read_u8().await? == SUBSCRIBE {
        let (sender, mut frames) = mpsc::channel(QUEUE);
        subscribers.borrow_mut().push(sender);
        stream.write_u64(identity).await?;
        while let Some(frame) = frames.recv().await {
            stream.write_all(&framed(&frame)).await?;
        }
        return Ok(());
    }
    loop {
        let len = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
        if len > MAX_FRAME_BYTES {
            return Ok(());
        }
        let mut frame = vec![0; len];
        stream.read_exact(&mut frame).await?;
        let frame = Bytes::from(frame);
        // To all of them before anything else happens: that is the one order.
        subscribers.borrow_mut().retain(|it| it.try_send(frame.clone()).is_ok());
        stream.write_u8(ACCEPTED).await?;
    }
}

fn framed(frame: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(4 + frame.len());
    bytes.put_u32(u32::try_from(frame.len()).unwrap_or(u32::MAX));
    bytes.put_slice(frame);
    bytes
}

/// The way to the hub.
pub(crate) struct HubTransport {
    runtime: Arc<dyn Runtime>,
    hub: String,
    /// Taken out while a frame is on its way: one that nobody waits for any more leaves none behind.
    publishing: Mutex<Option<TcpStream>>,
}

impl HubTransport {
    /// To the first of the brokers.
    pub(crate) fn new(host: &HostContext) -> Self {
        let hub = host.brokers().first().cloned().unwrap_or_default();
        Self { runtime: Arc::clone(host.runtime()), hub, publishing: Mutex::new(None) }
    }

    async fn connect(&self, purpose: u8) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect((self.hub.as_str(), PORT)).await?;
        stream.write_u8(purpose).await?;
        Ok(stream)
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = io::Result<T>> + Send,
    ) -> Result<T, TransportError> {
        let deadline = self.runtime.sleep_until(self.runtime.now().after(ATTEMPT));
        match select(Box::pin(work), deadline).await {
            Either::Left((result, _)) => result.map_err(broken),
            Either::Right(_) => Err(TransportErrorKind::Unreachable.error("no answer in time")),
        }
    }
}

fn broken(error: io::Error) -> TransportError {
    TransportErrorKind::Unreachable.error("the connection to the hub broke").with_source(error)
}

#[async_trait]
impl Transport for HubTransport {
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, TransportError> {
        let opened = async {
            let mut stream = self.connect(SUBSCRIBE).await?;
            let sequencer = SequencerId::new(stream.read_u64().await?.to_be_bytes());
            Ok(HubSubscription { stream, sequencer, received: BytesMut::new() })
        };
        Ok(Box::new(self.in_time(opened).await?))
    }

    async fn publish(&self, frame: Bytes) -> Result<(), TransportError> {
        let published = async {
            let mut slot = self.publishing.lock().await;
            let mut stream = match slot.take() {
                Some(stream) => stream,
                None => self.connect(PUBLISH).await?,
            };
            stream.write_all(&framed(&frame)).await?;
            if stream.read_u8().await? != ACCEPTED {
                return Err(io::Error::other("not accepted"));
            }
            *slot = Some(stream);
            Ok(())
        };
        self.in_time(published).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new("hub").with_max_frame_bytes(MAX_FRAME_BYTES)
    }
}

struct HubSubscription {
    stream: TcpStream,
    sequencer: SequencerId,
    received: BytesMut,
}

impl HubSubscription {
    /// The first whole frame that was received.
    fn take(&mut self) -> Option<Bytes> {
        let len = u32::from_be_bytes(self.received.get(..4)?.try_into().ok()?);
        let len = usize::try_from(len).ok()?;
        self.received.get(4..4 + len)?;
        self.received.advance(4);
        Some(self.received.split_to(len).freeze())
    }
}

#[async_trait]
impl Subscription for HubSubscription {
    fn sequencer(&self) -> Option<&SequencerId> {
        Some(&self.sequencer)
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        loop {
            if let Some(frame) = self.take() {
                return Poll::Ready(Ok(Item::Frame(frame)));
            }
            let mut space = [0; 4_096];
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.received.extend_from_slice(buffer.filled());
                }
                // The end, and the node must hear of it: it does not know what it missed.
                Poll::Ready(Ok(())) => {
                    return Poll::Ready(Err(broken(io::ErrorKind::UnexpectedEof.into())));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(broken(error))),
            }
        }
    }

    /// It has none: a node publishes a frame to itself.
    fn fence(&mut self, _token: u64) {}

    async fn close(self: Box<Self>) {}
}
