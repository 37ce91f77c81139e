//! Live nodes with one cache each.

use std::time::Duration;

use tokio::runtime::Runtime;
use unstale::{Cache, EventStream, Freshness, Node, State, Transport};

/// A node and its cache.
pub(crate) struct Member {
    pub(crate) node: Node,
    pub(crate) cache: Cache<u64, u64>,
}

impl Member {
    /// A node with the default bound, live.
    pub(crate) async fn start(transport: impl Transport, capacity: u64) -> Self {
        Self::start_within(transport, capacity, Duration::from_secs(5)).await
    }

    pub(crate) async fn start_within(
        transport: impl Transport,
        capacity: u64,
        within: Duration,
    ) -> Self {
        let builder = Node::builder("bench").transport(transport);
        let node = builder.freshness(Freshness::Within(within)).build().unwrap();
        let cache = node.cache("rows").capacity(capacity).build().unwrap();
        assert!(node.status_stream().reaches(State::Live).await, "the node left");
        Self { node, cache }
    }

    pub(crate) fn fill(&self, key: u64) {
        assert!(self.cache.begin_fill(&key).insert(key), "key {key} was not stored");
    }

    pub(crate) async fn shut_down(self) {
        self.node.shutdown(Duration::from_secs(5)).await.unwrap();
    }
}

/// A member that waits until an entry is gone.
pub(crate) struct Watched {
    pub(crate) member: Member,
    events: EventStream<u64>,
}

impl Watched {
    pub(crate) fn new(member: Member) -> Self {
        let events = member.cache.events();
        Self { member, events }
    }

    pub(crate) async fn gone(&mut self, key: u64) {
        while self.member.cache.contains(&key) {
            self.events.next().await;
        }
        // Woken by a replacement or by something older: the channel is empty again before the next passage.
    }
}

/// One thread for all parties, whichever the subject: the server has the other processor.
pub(crate) fn one_thread() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
