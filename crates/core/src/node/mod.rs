//! The participant: a set of caches, and the tasks that keep them coherent.

mod builder;
mod driver;
mod health;
mod lane;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(test)]
mod tests;
mod uplink;
mod watchdog;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use builder::NodeBuilder;
use health::Health;
pub use health::StatusStream;
use lane::Lane;
use uplink::Router;

use crate::cache::domain::Domain;
use crate::cache::{CacheBuilder, CacheKey, CacheValue};
use crate::node_id::NodeId;
use crate::protocol::{Counters, Status};
use crate::receipt::Receipt;
use crate::runtime::Runtime;

/// One participant: it owns caches and keeps them coherent with those of the same name on the other nodes of
/// its namespace.
///
/// Cheap to clone; all clones are the same node. When the last one is dropped the node leaves without a
/// word; [`shutdown`](Self::shutdown) leaves properly. Keep it for as long as its caches: without their node
/// they serve only what needs no proof.
///
/// ```
/// use std::time::Duration;
/// use unstale::{Cache, Node, State};
/// use unstale_memory::Hub;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::builder("shop").transport(Hub::new().transport()).build()?;
/// let prices: Cache<u64, u32> = node.cache("prices").build()?;
/// let names: Cache<u64, String> = node.cache("names").build()?;
/// assert!(node.status_stream().reaches(State::Live).await);
///
/// // One subscription for all of them; a tag spans them.
/// node.invalidate_tag("category:3").published().await?;
/// node.shutdown(Duration::from_secs(5)).await?;
/// # let _ = (prices, names);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    namespace: String,
    domain: Arc<Domain>,
    router: Arc<Router>,
    health: Arc<Health>,
    runtime: Arc<dyn Runtime>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for lane in self.router.lanes() {
            lane.stop();
        }
    }
}

impl Node {
    /// Configures a node of this namespace. All nodes that share caches have the same; several namespaces may
    /// share a channel.
    pub fn builder(namespace: impl Into<String>) -> NodeBuilder {
        NodeBuilder::new(namespace.into())
    }

    /// Configures a cache of this node. Caches of the same name on other nodes are the same cache.
    pub fn cache<K: CacheKey, V: CacheValue>(&self, name: impl Into<String>) -> CacheBuilder<K, V> {
        CacheBuilder::new(self.inner.domain.clone(), name)
    }

    /// This node's identity: drawn at random at the start, and again should another process turn out to
    /// use the same.
    pub fn id(&self) -> NodeId {
        self.inner.health.id()
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.inner.namespace
    }

    /// Drops every entry that depends on this tag, in every cache of every node.
    ///
    /// To be called after the data source committed. Locally done when this returns.
    pub fn invalidate_tag(&self, tag: &str) -> Receipt {
        self.inner.domain.shared.invalidate_tag(tag)
    }

    /// Drops every entry that depends on any of these tags, in every cache of every node.
    pub fn invalidate_tags<'a>(&self, tags: impl IntoIterator<Item = &'a str>) -> Receipt {
        let shared = &self.inner.domain.shared;
        let apply = |tag: &str| {
            shared.apply_tag(tag);
            crate::target::Target::Tag(tag.into())
        };
        let targets = tags.into_iter().map(apply).collect();
        shared.uplink.publish(targets)
    }

    /// Drops every entry of every cache of every node.
    pub fn clear(&self) -> Receipt {
        let everything = crate::target::Group::Everything;
        self.inner.domain.apply(&everything, crate::cache::domain::Origin::Local);
        self.inner.domain.shared.uplink.publish(vec![crate::target::Target::Everything])
    }

    /// The node's condition now.
    pub fn status(&self) -> Status {
        self.inner.health.status()
    }

    /// How long the node has been in its present condition.
    pub fn status_age(&self) -> Duration {
        self.inner.runtime.now().since(self.inner.health.status().since)
    }

    /// The node's condition, now and at every change.
    pub fn status_stream(&self) -> StatusStream {
        self.inner.health.stream()
    }

    /// What the node has counted since it started.
    pub fn counters(&self) -> Counters {
        self.inner.health.counters()
    }

    /// How long ago the moment is for which the node holds a proof that it has applied everything; `None` if
    /// it never had one. Well below the freshness bound in a healthy node.
    pub fn proof_age(&self) -> Option<Duration> {
        self.inner.domain.proof_age()
    }

    /// Invalidations that wait for the broker.
    pub fn outbox_len(&self) -> usize {
        self.inner.router.outbox_len()
    }

    /// Leaves: publishes what waits in the outbox, says goodbye, and ends the node's tasks. The caches stay
    /// usable and serve only what needs no proof.
    ///
    /// # Errors
    /// [`ShutdownError`] when the outbox was not empty after `deadline`; the node has left all the same.
    ///
    /// # Cancel safety
    /// When dropped early, the node goes on leaving in the background, without a deadline.
    pub async fn shutdown(&self, deadline: Duration) -> Result<(), ShutdownError> {
        let until = self.inner.runtime.sleep_until(self.inner.runtime.now().after(deadline));
        let lanes = self.inner.router.lanes();
        lanes.iter().for_each(Lane::leave);
        let left = async {
            for lane in lanes {
                lane.ended().await;
            }
        };
        tokio::select! {
            biased;
            () = left => {}
            () = until => {}
        }
        lanes.iter().for_each(Lane::stop);
        for lane in lanes {
            lane.ended().await;
        }
        let unpublished = self.outbox_len() + lanes.iter().map(Lane::unaccepted).sum::<usize>();
        if unpublished == 0 { Ok(()) } else { Err(ShutdownError { unpublished }) }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("namespace", &self.inner.namespace)
            .field("id", &self.id())
            .field("status", &self.status().to_string())
            .finish_non_exhaustive()
    }
}

/// A node left before everything in its outbox was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("left with {unpublished} invalidations or frames not accepted by the broker")]
#[non_exhaustive]
pub struct ShutdownError {
    /// Targets in the outbox, and frames sealed but not accepted.
    pub unpublished: usize,
}
