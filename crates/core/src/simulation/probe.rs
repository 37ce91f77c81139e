//! Telling a simulation what a node does to its caches.

use crate::node_id::NodeId;
use crate::target::Group;
use crate::time::Timestamp;

/// Is told what a node's driver does to its caches, each time after it was done. What the application's own
/// calls do it knows.
///
/// The methods run in the node's tasks, outside of its locks. They may look into caches with
/// `resident`, and must not block or do anything else to the node.
pub trait Probe: Send + Sync + 'static {
    /// A target that another node or a foreign publisher named was applied to every cache.
    fn applied(&self, target: Named<'_>, origin: Option<NodeId>);
    /// Every entry with an older as-of was dropped.
    fn dropped(&self, before: Timestamp);
    /// The horizon stands here now.
    fn advanced(&self, horizon: Timestamp);
    /// Whether anything is served from the caches.
    fn serving(&self, serving: bool);
}

/// What an invalidation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named<'a> {
    /// One key of one cache, encoded as on the wire.
    Key {
        /// The cache's name.
        cache: &'a str,
        /// The encoded key.
        key: &'a [u8],
    },
    /// A tag.
    Tag(&'a str),
    /// A whole cache.
    Cache(&'a str),
    /// Everything.
    Everything,
}

impl<'a> Named<'a> {
    /// All that a group names, one after the other.
    pub(crate) fn all(group: &'a Group) -> Box<dyn Iterator<Item = Self> + 'a> {
        let one = match group {
            Group::Keys { cache, keys, .. } => {
                return Box::new(keys.iter().map(|key| Self::Key { cache, key }));
            }
            Group::Tag(tag) => Self::Tag(tag),
            Group::Cache(cache) => Self::Cache(cache),
            Group::Everything => Self::Everything,
        };
        Box::new(std::iter::once(one))
    }
}
