//! Compiles, and where it can runs, every snippet of the README and of `docs/` as a doc test.
//!
//! It is a package of its own because the README speaks of all transports, and no crate of the workspace may
//! depend on all of them for that.

/// The README's snippets.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;

/// The architecture's snippets.
#[cfg(doctest)]
#[doc = include_str!("../../../ARCHITECTURE.md")]
pub struct Architecture;

/// The snippets of the guide to running it.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/operations.md")]
pub struct Operations;

/// The snippets of the guide to Azure Service Bus.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/azure.md")]
pub struct Azure;

/// The wire format's snippets.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/wire-format.md")]
pub struct WireFormat;

/// The protocol's snippets.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/protocol.md")]
pub struct Protocol;

/// The guarantees' snippets.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guarantees.md")]
pub struct Guarantees;
