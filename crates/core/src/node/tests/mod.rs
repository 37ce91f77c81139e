//! The driver over a mocked transport, in virtual time.

mod publishing;
mod subscribing;
mod watching;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::Node;
use crate::freshness::Freshness;
use crate::protocol::{Body, Codec, Received};
use crate::runtime::{BoxFuture, Runtime};
use crate::time::Timestamp;
use crate::transport::{
    Capabilities, Item, SequencerId, Subscription, Transport, TransportError, TransportErrorKind,
};

const NAMESPACE: &str = "test";
/// Longer, in virtual time, than anything that is waited for.
const PATIENCE: Duration = Duration::from_secs(600);

mockall::mock! {
    pub(super) Broker {}

    #[async_trait]
    impl Transport for Broker {
        async fn subscribe(&self) -> Result<Box<dyn Subscription>, TransportError>;
        async fn publish(&self, frame: Bytes) -> Result<(), TransportError>;
        fn capabilities(&self) -> Capabilities;
    }
}

/// A mock that has native fences, and nothing else yet.
fn broker() -> MockBroker {
    broker_with(Capabilities::new("mock").with_native_fences())
}

fn broker_with(capabilities: Capabilities) -> MockBroker {
    let mut broker = MockBroker::new();
    broker.expect_capabilities().return_const(capabilities);
    broker
}

/// tokio's clock, which stands still until everything waits.
#[derive(Debug)]
struct VirtualTime {
    start: tokio::time::Instant,
    /// What the next look at the clocks finds them apart.
    suspended: Mutex<Duration>,
}

#[expect(clippy::disallowed_methods, reason = "this is the runtime")]
impl VirtualTime {
    fn new() -> Arc<Self> {
        Arc::new(Self { start: tokio::time::Instant::now(), suspended: Mutex::default() })
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the runtime")]
impl Runtime for VirtualTime {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(1_000_000_000).after(self.start.elapsed())
    }

    fn upper_now(&self) -> Timestamp {
        self.now()
    }

    fn resynchronize(&self) -> Duration {
        std::mem::take(&mut self.suspended.lock().unwrap())
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(deadline.since(self.now())))
    }

    fn spawn(&self, _name: &'static str, task: BoxFuture<()>) {
        tokio::spawn(task);
    }

    fn random_seed(&self) -> u64 {
        7
    }
}

/// The broker's end of one subscription.
#[derive(Clone)]
struct Line {
    items: mpsc::UnboundedSender<Result<Item, TransportError>>,
    /// Whether the node closed it, and whether that ever ends.
    closed: Arc<AtomicBool>,
    close_hangs: Arc<AtomicBool>,
}

/// The node's end: returns every fence at once, unless it is told not to.
struct FakeSubscription {
    sequencer: SequencerId,
    items: mpsc::UnboundedReceiver<Result<Item, TransportError>>,
    echo_fences: bool,
    line: Line,
}

fn line(echo_fences: bool) -> (Line, Box<dyn Subscription>) {
    let (sender, items) = mpsc::unbounded_channel();
    let line = Line { items: sender, closed: Arc::default(), close_hangs: Arc::default() };
    let sequencer = SequencerId::new(b"one");
    let subscription = FakeSubscription { sequencer, items, echo_fences, line: line.clone() };
    (line, Box::new(subscription))
}

impl Line {
    fn frame(&self, frame: Bytes) {
        let _ = self.items.send(Ok(Item::Frame(frame)));
    }

    fn end(&self) {
        let _ = self.items.send(Err(TransportErrorKind::Unreachable.error("cut")));
    }
}

#[async_trait]
impl Subscription for FakeSubscription {
    fn sequencer(&self) -> Option<&SequencerId> {
        Some(&self.sequencer)
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        let closed = || Err(TransportErrorKind::Unreachable.error("closed"));
        self.items.poll_recv(context).map(|item| item.unwrap_or_else(closed))
    }

    fn fence(&mut self, token: u64) {
        if self.echo_fences {
            let _ = self.line.items.send(Ok(Item::Fenced(token)));
        }
    }

    async fn close(self: Box<Self>) {
        self.line.closed.store(true, Ordering::SeqCst);
        if self.line.close_hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

/// Lines that were opened, newest last; what is published comes back on the newest.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Line>>>);

impl Lines {
    fn open(&self, echo_fences: bool) -> Box<dyn Subscription> {
        let (line, subscription) = line(echo_fences);
        self.0.lock().unwrap().push(line);
        subscription
    }

    fn newest(&self) -> Option<Line> {
        self.0.lock().unwrap().last().cloned()
    }

    fn accept(&self, frame: Bytes) {
        if let Some(line) = self.newest() {
            line.frame(frame);
        }
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

fn node(broker: MockBroker, runtime: &Arc<VirtualTime>) -> Node {
    Node::builder(NAMESPACE)
        .transport(broker)
        .freshness(Freshness::Within(Duration::from_secs(5)))
        .runtime(runtime.clone())
        .build()
        .unwrap()
}

fn open(frame: &Bytes) -> Received {
    Codec::new(NAMESPACE.into(), None).open(frame).unwrap()
}

/// Whether this is a frame of targets.
fn carries_targets(frame: &Bytes) -> bool {
    matches!(open(frame).body, Ok(Body::Targets(_)))
}

#[expect(clippy::disallowed_methods, reason = "virtual time")]
async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
}

#[expect(clippy::disallowed_methods, reason = "virtual time")]
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let timely = tokio::time::timeout(PATIENCE, future).await;
    timely.unwrap_or_else(|_| panic!("{what} did not happen within {PATIENCE:?}"))
}
