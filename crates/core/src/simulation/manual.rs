//! A node without tasks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::{Limits, Probe};
use crate::cache::domain::{Domain, Origin};
use crate::cache::uplink::Uplink;
use crate::cache::{CacheBuilder, CacheKey, CacheValue};
use crate::freshness::Freshness;
use crate::node_id::NodeId;
use crate::protocol::{
    Authentication, Config, Counters, Ignored, Outbox, Output, Received, Replica, Status,
    fence_interval, fence_timeout,
};
use crate::receipt::{Receipt, Ticket};
use crate::runtime::{BoxFuture, Runtime};
use crate::target::{Group, Target};
use crate::time::Timestamp;
use crate::transport::{SequencerId, TransportError};

/// What a [`ManualNode`] asks of its transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Open a subscription; answer with [`ManualNode::subscribed`] or [`ManualNode::subscription_ended`].
    Subscribe,
    /// Drop the subscription, or the attempt to open one. Answer nothing.
    Unsubscribe,
    /// Publish a frame; answer with [`ManualNode::published`].
    Publish {
        /// Names this publish.
        id: u64,
        /// The frame.
        frame: Bytes,
    },
    /// Stop waiting for a publish. Answer nothing.
    CancelPublish(u64),
    /// Ask the subscription for a fence; answer with [`ManualNode::fenced`].
    Fence(u64),
}

/// A frame as a node reads it.
#[derive(Clone, Debug)]
pub struct Opened(Result<Received, Ignored>);

/// Configures a [`ManualNode`].
#[derive(Clone)]
pub struct ManualNodeBuilder {
    namespace: String,
    freshness: Freshness,
    runtime: Arc<dyn Runtime>,
    native_fences: bool,
    max_frame_bytes: usize,
    authentication: Option<Authentication>,
    limits: Limits,
}

impl ManualNodeBuilder {
    /// How stale a read may be.
    #[must_use]
    pub fn freshness(mut self, freshness: Freshness) -> Self {
        self.freshness = freshness;
        self
    }

    /// Whether the transport has fences of its own.
    #[must_use]
    pub fn native_fences(mut self, native: bool) -> Self {
        self.native_fences = native;
        self
    }

    /// The largest frame.
    #[must_use]
    pub fn max_frame_bytes(mut self, bytes: usize) -> Self {
        self.max_frame_bytes = bytes;
        self
    }

    /// Authenticates frames.
    #[must_use]
    pub fn authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = Some(authentication);
        self
    }

    /// Table sizes.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The node. It asks for nothing before the first [`ManualNode::handle_timeout`].
    pub fn build(self) -> ManualNode {
        let within = self.freshness.within().unwrap_or(Duration::from_secs(5));
        let mut config = Config::new(self.namespace, within);
        config.native_fences = self.native_fences;
        config.max_frame_bytes = self.max_frame_bytes;
        config.authentication = self.authentication;
        self.limits.apply(&mut config);
        let outbox = Arc::new(config.outbox());
        let (progress, accepted) = watch::channel(0);
        let pushed = Arc::new(AtomicBool::new(false));
        let uplink =
            ManualUplink { outbox: Arc::clone(&outbox), accepted, pushed: Arc::clone(&pushed) };
        let runtime = self.runtime;
        let replica = Replica::new(config, outbox, runtime.random_seed(), runtime.now());
        let domain = Domain::new(Arc::clone(&runtime), Arc::new(uplink), self.freshness);
        ManualNode { replica, domain, progress, pushed, runtime }
    }
}

/// The same state machine and the same caches as in a [`Node`](crate::Node), with nobody who moves them: every
/// input is given by hand, and every request collected.
///
/// After each input collect with [`poll_request`](Self::poll_request) until there is none; call
/// [`handle_timeout`](Self::handle_timeout) at [`next_deadline`](Self::next_deadline), after everything that the
/// subscription yielded by then; and [`wake`](Self::wake) after something was invalidated.
///
/// Its runtime is only asked for the time and for seeds.
pub struct ManualNode {
    replica: Replica,
    domain: Arc<Domain>,
    progress: watch::Sender<u64>,
    pushed: Arc<AtomicBool>,
    runtime: Arc<dyn Runtime>,
}

impl ManualNode {
    /// Configures a node of this namespace.
    pub fn builder(namespace: impl Into<String>, runtime: Arc<dyn Runtime>) -> ManualNodeBuilder {
        ManualNodeBuilder {
            namespace: namespace.into(),
            freshness: Freshness::DEFAULT,
            runtime,
            native_fences: true,
            max_frame_bytes: 1 << 20,
            authentication: None,
            limits: Limits::default(),
        }
    }

    /// Configures a cache.
    pub fn cache<K: CacheKey, V: CacheValue>(&self, name: impl Into<String>) -> CacheBuilder<K, V> {
        CacheBuilder::new(Arc::clone(&self.domain), name)
    }

    /// Is told what is done to the caches.
    pub fn set_probe(&self, probe: Arc<dyn Probe>) {
        self.domain.set_probe(probe);
    }

    /// Invalidates a tag, here and everywhere.
    pub fn invalidate_tag(&self, tag: &str) -> Receipt {
        self.domain.shared.invalidate_tag(tag)
    }

    /// Invalidates everything, here and everywhere.
    pub fn clear(&self) -> Receipt {
        self.domain.apply(&Group::Everything, Origin::Local);
        self.domain.shared.uplink.publish(vec![Target::Everything])
    }

    /// The next request; what concerns the caches is done on the way, in its order.
    pub fn poll_request(&mut self) -> Option<Request> {
        while let Some(output) = self.replica.poll_output() {
            let request = match output {
                Output::Subscribe => Request::Subscribe,
                Output::Unsubscribe => Request::Unsubscribe,
                Output::Publish { id, frame } => Request::Publish { id, frame },
                Output::CancelPublish(id) => Request::CancelPublish(id),
                Output::Fence(token) => Request::Fence(token),
                output => {
                    self.carry_out(output);
                    continue;
                }
            };
            return Some(request);
        }
        None
    }

    fn carry_out(&self, output: Output) {
        match output {
            Output::Apply { targets, origin } => {
                let origin = origin.map_or(Origin::Unknown, Origin::Node);
                for group in targets.groups() {
                    self.domain.apply(group, origin);
                }
            }
            Output::DropBefore(as_of) => self.domain.drop_before(as_of),
            Output::VoidLoads => self.domain.void_loads(),
            Output::AdvanceHorizon(horizon) => self.domain.advance_horizon(horizon),
            Output::Accepted(place) => {
                self.progress.send_modify(|accepted| *accepted = place.max(*accepted));
            }
            Output::Serve(serving) => self.domain.set_serving(serving),
            Output::Subscribe
            | Output::Unsubscribe
            | Output::Publish { .. }
            | Output::CancelPublish(_)
            | Output::Fence(_) => {}
        }
    }

    /// The subscription was confirmed by this server.
    pub fn subscribed(&mut self, sequencer: Option<SequencerId>) {
        let entropy = self.runtime.random_seed();
        self.replica.subscribed(sequencer, entropy, self.runtime.now());
    }

    /// The subscription, or the attempt to open one, ended.
    pub fn subscription_ended(&mut self, error: &TransportError) {
        self.replica.subscription_ended(error, self.runtime.now());
    }

    /// The subscription yielded a frame.
    pub fn frame(&mut self, frame: &Bytes) {
        self.replica.frame(frame, self.runtime.now());
    }

    /// Opens a frame, for every node of this namespace that has the same keys.
    pub fn open(&self, frame: &Bytes) -> Opened {
        Opened(self.replica.open(frame))
    }

    /// The subscription yielded a frame that was opened before.
    pub fn opened(&mut self, opened: &Opened) {
        self.replica.opened(opened.0.as_ref(), self.runtime.now());
    }

    /// A fence returned.
    pub fn fenced(&mut self, token: u64) {
        self.replica.fenced(token, self.runtime.now());
    }

    /// What a publish came to.
    pub fn published(&mut self, id: u64, result: Result<(), TransportError>) {
        self.replica.published(id, result, self.runtime.now());
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self) {
        self.replica.handle_timeout(self.runtime.now());
    }

    /// Looks whether something was invalidated; `wants_proof`: sends a fence as soon as possible.
    pub fn wake(&mut self, wants_proof: bool) {
        if self.pushed.swap(false, Ordering::AcqRel) || wants_proof {
            self.replica.wake(wants_proof, self.runtime.now());
        }
    }

    /// Follows what the caches need of fences, as a node's watchdog does.
    pub fn adapt_fences(&mut self) {
        let within = self.domain.smallest_within().unwrap_or(Duration::from_secs(10));
        self.replica.set_fences(fence_interval(within), fence_timeout(within));
    }

    /// Notes that the node is connected, for caches that serve for some time without.
    pub fn advance_connected(&self) {
        self.domain.advance_connected(self.runtime.now());
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.replica.next_deadline()
    }

    /// The place in the outbox up to which the broker has accepted everything.
    pub fn accepted(&self) -> u64 {
        *self.progress.borrow()
    }

    /// The node's identity.
    pub fn id(&self) -> NodeId {
        self.replica.id()
    }

    /// The node's condition.
    pub fn status(&self) -> &Status {
        self.replica.status()
    }

    /// What the node has counted.
    pub fn counters(&self) -> Counters {
        self.replica.counters()
    }

    /// The latest moment for which the node holds a proof.
    pub fn horizon(&self) -> Timestamp {
        self.domain.horizon()
    }

    /// Every table with its size and its limit.
    pub fn sizes(&self) -> [(&'static str, usize, usize); 9] {
        self.replica.sizes()
    }
}

impl fmt::Debug for ManualNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualNode").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// From the caches to the outbox, and no further.
struct ManualUplink {
    outbox: Arc<Outbox>,
    accepted: watch::Receiver<u64>,
    pushed: Arc<AtomicBool>,
}

impl Uplink for ManualUplink {
    fn publish(&self, targets: Vec<Target>) -> Receipt {
        let place = self.outbox.push(targets);
        self.pushed.store(true, Ordering::Release);
        Receipt::new(Ticket { place, accepted: self.accepted.clone() })
    }

    fn prove(&self, _not_before: Timestamp) -> BoxFuture<bool> {
        Box::pin(std::future::ready(false))
    }
}
