//! The local caches of a node.

pub(crate) mod uplink;
