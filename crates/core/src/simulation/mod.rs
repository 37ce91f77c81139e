//! What a simulation needs to see and to steer, and nobody else: no part of the stable interface.
//!
//! - [`Probe`] is told what a node does to its caches, as it does it.
//! - [`ManualNode`] is a node without tasks: the same state machine and the same caches, moved by hand, so that
//!   thousands of them fit into one discrete-event simulation.
//! - [`Limits`] makes tables small, so that their overflow is reached within seconds.
//! - `resident` and `residents` look into a cache without reading from it.

mod limits;
mod manual;
mod probe;
mod resident;

pub use limits::Limits;
pub use manual::{ManualNode, ManualNodeBuilder, Opened, Request};
pub use probe::{Named, Probe};
pub use resident::{Resident, resident, residents};
