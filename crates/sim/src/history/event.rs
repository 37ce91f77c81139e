//! What the simulation sees happen.

use serde::Serialize;
use unstale::{NodeId, Timestamp};

use crate::plan::Means;
use crate::value::{Aim, CacheName, Value};

/// A place in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub(crate) struct Place {
    /// Counts everything that happened: of two places the smaller was first, also at the same time.
    pub(crate) seq: u64,
    /// True time, in nanoseconds.
    pub(crate) at: u64,
}

/// An entry that lies in a cache.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) cache: CacheName,
    pub(crate) key: u64,
    pub(crate) value: Option<Value>,
    /// Nothing it depends on was invalidated or dropped.
    pub(crate) alive: bool,
    /// A read that began now would get it.
    pub(crate) served: bool,
}

/// How a read got its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    Hit,
    /// A load, its own or one that it joined.
    Load,
    /// Its own, beside the cache: the value is handed out whether or not it may be stored.
    Fill,
    Failed,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Event<'a> {
    /// A process began.
    Started { node: usize },
    /// A process ended; what it had not published is lost with it. `origin`: under which name it spoke, if that is
    /// known.
    Stopped { node: usize, origin: Option<NodeId> },
    /// A suspended machine, or a process that stood still, goes on.
    Resumed { node: usize },
    /// The data source has a new version of a row. `by`: the node, or a foreign publisher.
    Committed { by: Option<usize>, key: u64, version: u64, holders: &'a [usize] },
    /// `invalidate` returned.
    Invalidated { node: usize, key: u64, version: u64, by: Means },
    /// The broker has accepted the invalidation of this version.
    Completed { key: u64, version: u64 },
    /// A node applied what somebody else named.
    Applied { node: usize, aim: Aim },
    /// A node dropped what was older than a moment.
    Dropped { node: usize },
    /// A node moved its horizon.
    Advanced { node: usize, horizon: Timestamp, found: &'a [Found] },
    /// Somebody looked into a node's caches.
    Scanned { node: usize, found: &'a [Found] },
    /// A loader begins. `shared`: for all readers of the key, of which a cache lets few run.
    LoadBegan { node: usize, cache: CacheName, key: u64, shared: bool },
    /// A loader has read the source and found nothing there.
    FoundNothing { node: usize, cache: CacheName, key: u64, version: u64, began: u64 },
    /// A loader has ended, however.
    LoadEnded { node: usize, cache: CacheName, key: u64 },
    /// A read has ended.
    Read { node: usize, cache: CacheName, key: u64, began: Place, how: How, value: Option<Value> },
    /// The broker lost a frame on its way to somebody whose subscription lives on. Whoever asks that one what it
    /// missed will not hear of the frame either.
    /// `names`: it may name something.
    Lost { from: usize, origin: NodeId, number: u64, to_all: bool, names: bool },
    /// A numbered frame came to a node.
    Arrived { to: usize, origin: NodeId, number: u64 },
    /// A node's subscription ended.
    Unsubscribed { node: usize },
    /// A frame came that the node had met on the same subscription; what that changed.
    MetAgain { node: usize, changed: bool },
    /// A beacon lists an origin.
    Listed { by: usize, origin: NodeId },
    /// A node heard that another one has another number of lanes.
    OtherLanes { node: usize },
    /// The broker accepted a frame.
    Accepted { bytes: usize },
    /// A table's size against its limit.
    Size { node: usize, table: &'static str, size: usize, limit: usize },
    /// A node's condition.
    Condition { node: usize, state: &'static str },
    /// A process ended with an error, which none ever should.
    Failed { what: &'a str },
    /// The end of faults.
    Healed,
    /// The time to converge is over; a look into every node follows.
    Settled,
    /// After the faults: a last look into a node. `live`: it says that all is well.
    Final { node: usize, found: &'a [Found], live: bool },
    /// A read of a row that had just been read, in fair weather.
    Reread { node: usize, hit: bool },
    /// What a node has dropped since it started.
    Clears { node: usize, clears: u64, allowed: u64 },
}
