//! The local caches of a node.

pub(crate) mod cells;
pub(crate) mod domain;
pub(crate) mod mutation;
pub(crate) mod uplink;
pub(crate) mod waits;
