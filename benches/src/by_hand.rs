//! Nodes without tasks, moved by hand: what of the protocol has no entry of its own can be measured through them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use unstale::runtime::BoxFuture;
use unstale::simulation::{Limits, ManualNode, Request};
use unstale::transport::{SequencerId, TransportErrorKind};
use unstale::{Cache, Freshness, Runtime, State, Timestamp};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct HandClock {
    now_ns: AtomicU64,
    next_seed: AtomicU64,
}

impl HandClock {
    /// A clock for any number of nodes.
    pub fn new() -> Arc<Self> {
        let hour_ns = 3_600_000_000_000;
        Arc::new(Self { now_ns: AtomicU64::new(hour_ns), next_seed: AtomicU64::new(1) })
    }

    /// Moves the clock forward, never back.
    pub fn advance_to(&self, to: Timestamp) {
        self.now_ns.fetch_max(to.as_nanos(), Ordering::Relaxed);
    }
}

impl Runtime for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.now_ns.load(Ordering::Relaxed))
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
        self.next_seed.fetch_add(1, Ordering::Relaxed)
    }
}

/// A node whose broker accepts everything at once and tells nobody else.
#[derive(Debug)]
pub struct HandNode {
    clock: Arc<HandClock>,
    node: ManualNode,
}

impl HandNode {
    /// A node that is live, since it is alone.
    pub fn start(clock: &Arc<HandClock>) -> Self {
        // What it would say by itself as time passes is not what is measured.
        let mut limits = Limits::default();
        limits.beacon_steady = Some(Duration::from_secs(1_000_000));
        let node = ManualNode::builder("bench", Arc::clone(clock) as Arc<dyn Runtime>)
            .freshness(Freshness::Within(Duration::from_secs(600)))
            .limits(limits)
            .build();
        let mut started = Self { clock: Arc::clone(clock), node };
        started.node.handle_timeout();
        started.answer_requests();
        started.wait_until_live();
        started
    }

    /// The node itself.
    pub fn node(&mut self) -> &mut ManualNode {
        &mut self.node
    }

    /// An empty cache.
    ///
    /// # Panics
    /// If there is one of this name already.
    pub fn cache<V: unstale::CacheValue>(&self, name: &str, capacity: u64) -> Cache<u64, V> {
        self.node.cache(name).capacity(capacity).build().expect("a valid configuration")
    }

    /// Does what the node asks for; the frames that it has published, its own having come back to it.
    pub fn answer_requests(&mut self) -> Vec<Bytes> {
        let mut published = Vec::new();
        while let Some(request) = self.node.poll_request() {
            match request {
                Request::Subscribe => self.node.subscribed(Some(SequencerId::new("one"))),
                Request::Publish { id, frame } => {
                    self.accept(id, &frame);
                    published.push(frame);
                }
                Request::Fence(token) => self.node.fenced(token),
                Request::Unsubscribe | Request::CancelPublish(_) => {}
            }
        }
        published
    }

    /// The frame with what was invalidated since the last one; the node waits until it is [accepted](Self::accept).
    ///
    /// # Panics
    /// If nothing was.
    pub fn seal(&mut self) -> (u64, Bytes) {
        self.node.wake(false);
        match self.node.poll_request() {
            Some(Request::Publish { id, frame }) => (id, frame),
            other => panic!("no frame, but {other:?}"),
        }
    }

    /// The broker has accepted a frame, and it comes back.
    pub fn accept(&mut self, id: u64, frame: &Bytes) {
        self.node.published(id, Ok(()));
        self.node.frame(frame);
    }

    /// What was invalidated since the last frame, in one.
    pub fn frame(&mut self) -> Bytes {
        let (id, frame) = self.seal();
        self.accept(id, &frame);
        let more = self.answer_requests();
        assert!(more.is_empty(), "more than one frame");
        frame
    }

    /// Loses its subscription and opens another; what it says then: that it wants to know what it missed.
    pub fn reconnect(&mut self) -> Vec<Bytes> {
        self.node.subscription_ended(&TransportErrorKind::Unreachable.error("cut"));
        let mut said = self.answer_requests();
        while said.is_empty() {
            self.pass_time();
            said = self.answer_requests();
        }
        said
    }

    /// Lets the time pass until the node is next due, and wakes it. What it asks for then is not answered yet.
    pub fn pass_time(&mut self) {
        let next = self.node.next_deadline().expect("a node always has something to do");
        self.clock.advance_to(next);
        self.node.handle_timeout();
    }

    /// Whether it holds proofs.
    pub fn is_live(&self) -> bool {
        self.node.status().state == State::Live
    }

    fn wait_until_live(&mut self) {
        while !self.is_live() {
            self.pass_time();
            self.answer_requests();
        }
    }
}
