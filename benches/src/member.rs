//! Live nodes with one cache each.

use std::sync::Arc;
use std::time::Duration;

use unstale::{Cache, Freshness, Node, NodeBuilder, State, Transport};

/// The bound that nodes have unless told otherwise.
const WITHIN: Duration = Duration::from_secs(5);

/// A live node of the namespace `bench` and its cache `rows`.
#[derive(Debug)]
pub struct Member {
    /// The node.
    pub node: Node,
    /// Its cache.
    pub cache: Cache<u64, u64>,
}

impl Member {
    /// A node with the default bound.
    ///
    /// # Panics
    /// If it does not start: there is nothing to measure then.
    pub async fn start(transport: impl Transport, capacity: u64) -> Self {
        Self::start_within(transport, capacity, WITHIN).await
    }

    /// A node with this bound.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_within(transport: impl Transport, capacity: u64, within: Duration) -> Self {
        Self::start_on(vec![Arc::new(transport)], capacity, within).await
    }

    /// A node with a lane for each of these.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_on(lanes: Vec<Arc<dyn Transport>>, capacity: u64, within: Duration) -> Self {
        let builder = Node::builder("bench").freshness(Freshness::Within(within));
        let builder = lanes.into_iter().fold(builder, NodeBuilder::shared_transport);
        let node = builder.build().expect("a valid configuration");
        let cache = node.cache("rows").capacity(capacity).build().expect("a valid configuration");
        assert!(node.status_stream().reaches(State::Live).await, "the node left");
        Self { node, cache }
    }

    /// Stores a key.
    ///
    /// # Panics
    /// If it is not stored.
    pub fn fill(&self, key: u64) {
        assert!(self.cache.begin_fill(&key).insert(key), "key {key} was not stored");
    }

    /// How many targets of others it has applied.
    pub fn heard(&self) -> u64 {
        self.node.counters().targets_received
    }

    /// Leaves.
    ///
    /// # Panics
    /// If something is left in its outbox.
    pub async fn shut_down(self) {
        let left = self.node.shutdown(Duration::from_secs(10)).await;
        left.expect("everything is published");
    }
}
