//! What an invalidation names.

mod batch;

use std::sync::Arc;

use bytes::Bytes;

#[cfg(test)]
pub(crate) use batch::split_key;
pub(crate) use batch::{Batch, Group, Keys};

/// What an invalidation names: a key of a cache, a tag, a whole cache, or everything.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(crate) enum Target {
    /// One key of one cache.
    Key {
        /// The cache's name.
        cache: Arc<str>,
        /// The fingerprint of the key type's shape, see `docs/wire-format.md`.
        schema: u64,
        /// The key, encoded.
        key: Bytes,
    },
    /// Every entry of any cache that depends on this tag.
    Tag(Arc<str>),
    /// Every entry of one cache.
    Cache(Arc<str>),
    /// Every entry of every cache.
    Everything,
}
