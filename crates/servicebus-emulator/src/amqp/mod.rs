//! AMQP 1.0, as a broker speaks it. What a connection says follows from what it hears and from the broker; only
//! [`connection`] waits.

mod attach;
pub(crate) mod connection;
mod deliver;
mod endpoint;
mod ingest;
mod link;
mod sasl;
mod session;
mod tokens;
pub(crate) mod wire;
