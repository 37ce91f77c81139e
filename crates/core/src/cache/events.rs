//! What happens to the entries of a cache, for those who want to know.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::broadcast;

use super::domain::Origin;
use crate::node_id::NodeId;

/// Events kept for a slow receiver; beyond, it is told how many it missed.
const KEPT_EVENTS: usize = 1024;

/// Why an entry left the cache, or all did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Invalidated or cleared by this process.
    InvalidatedLocally,
    /// Invalidated or cleared by another node.
    InvalidatedBy(NodeId),
    /// Invalidated or cleared by a publisher that is not a node, or because frames were lost.
    InvalidatedByUnknown,
    /// A tag, or something it was built from, was invalidated, or it was dropped with all entries of its
    /// age. Reported when the entry is reclaimed, which can be later.
    Dependency,
    /// Its time to live or to idle was over. Reported when the entry is reclaimed.
    Expired,
    /// Evicted for capacity, or not admitted.
    Capacity,
    /// A newer value was stored in its place, or was handed out without being stored.
    Replaced,
}

impl From<Origin> for Cause {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Local => Self::InvalidatedLocally,
            Origin::Node(node) => Self::InvalidatedBy(node),
            Origin::Unknown => Self::InvalidatedByUnknown,
        }
    }
}

/// Something that happened in a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<K> {
    /// An entry left the cache, or its key was invalidated without being cached.
    Removed {
        /// The key.
        key: K,
        /// Why.
        cause: Cause,
    },
    /// All entries left the cache.
    Cleared {
        /// Why.
        cause: Cause,
    },
    /// The receiver was too slow, and this many events are lost to it.
    Lagged(u64),
}

/// The events of one cache from the moment of subscribing.
///
/// ```
/// use unstale::{Cache, Cause, Event, Node};
/// use unstale_memory::Hub;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::builder("shop").transport(Hub::new().transport()).build()?;
/// let prices: Cache<u64, u32> = node.cache("prices").build()?;
/// let mut events = prices.events();
/// let _ = prices.invalidate(&7);
/// let cause = Cause::InvalidatedLocally;
/// assert_eq!(events.next().await, Some(Event::Removed { key: 7, cause }));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EventStream<K> {
    receiver: broadcast::Receiver<Event<K>>,
    subscribers: Arc<AtomicUsize>,
}

impl<K: Clone> EventStream<K> {
    /// The next event; `None` once the cache is gone.
    ///
    /// A receiver that is more than 1,024 events behind gets [`Event::Lagged`] in place of the oldest.
    ///
    /// # Cancel safety
    /// Cancel safe: no event is lost.
    pub async fn next(&mut self) -> Option<Event<K>> {
        match self.receiver.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Event::Lagged(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl<K> Drop for EventStream<K> {
    fn drop(&mut self) {
        self.subscribers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where a cache sends its events. Does nothing while nobody has subscribed.
#[derive(Debug)]
pub(crate) struct Events<K> {
    sender: OnceLock<broadcast::Sender<Event<K>>>,
    subscribers: Arc<AtomicUsize>,
}

impl<K> Default for Events<K> {
    fn default() -> Self {
        Self { sender: OnceLock::new(), subscribers: Arc::default() }
    }
}

impl<K: Clone> Events<K> {
    pub(crate) fn subscribe(&self) -> EventStream<K> {
        let sender = self.sender.get_or_init(|| broadcast::channel(KEPT_EVENTS).0);
        let receiver = sender.subscribe();
        self.subscribers.fetch_add(1, Ordering::Relaxed);
        EventStream { receiver, subscribers: Arc::clone(&self.subscribers) }
    }

    pub(crate) fn removed(&self, key: &K, cause: Cause) {
        self.send(|| Event::Removed { key: key.clone(), cause });
    }

    pub(crate) fn cleared(&self, cause: Cause) {
        self.send(|| Event::Cleared { cause });
    }

    fn send(&self, event: impl FnOnce() -> Event<K>) {
        if self.subscribers.load(Ordering::Relaxed) == 0 {
            return;
        }
        if let Some(sender) = self.sender.get() {
            // An error says that the last receiver has just gone.
            let _ = sender.send(event());
        }
    }
}
