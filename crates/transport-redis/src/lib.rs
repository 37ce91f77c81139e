//! Redis publish/subscribe as the broker of [`unstale`]'s coherent caches.
//!
//! ```
//! # fn main() -> Result<(), unstale_redis::ConfigError> {
//! use unstale_redis::RedisTransport;
//!
//! let transport = RedisTransport::new("redis://127.0.0.1:6379", "shop")?;
//! assert_eq!(transport.channel(), "unstale:shop");
//! # Ok(()) }
//! ```
//!
//! # Connections
//! A node has two: one that is subscribed, and one that publishes. Both go to *the primary*, which orders the
//! channel: a server of its own, the one that Sentinel names, or the one that owns the channel's slot in a
//! cluster. Where the server speaks only version 2 of the protocol (Redis 5 and older) there is a third one, to
//! ask the server questions that it does not take on a subscribed connection.
//!
//! # What is checked
//! Redis demotes silently: after `REPLICAOF` a subscription lives on, and `PUBLISH` still says OK. So every
//! fence asks `INFO replication` and every publish asks `ROLE`. A subscription's
//! [sequencer](unstale::transport::SequencerId) is the primary's `run_id` and replication id; a server that was
//! demoted and promoted again has another one.
//!
//! # What the server needs
//! Redis 3 or newer, Redis 7 for a cluster. A user with access rules needs
//! `+subscribe +publish +ping +info +role &unstale:shop*`, in a cluster
//! also `+ssubscribe +spublish +cluster|slots +exists %R~unstale:shop*`; `+hello +client|setname` are good to
//! have. No key is ever read or written.
//!
//! # Features
//! `fred`: `FredTransport`, the same over clients of the `fred` crate.
//!
//! # Slow subscribers
//! A subscriber that does not read is cut off by the server (`client-output-buffer-limit pubsub`); the
//! subscription then ends and the node repairs.

mod address;
mod builder;
mod channel;
mod connector;
mod error;
#[cfg(feature = "fred")]
mod fred;
mod locate;
mod mutation;
mod publish;
mod resp;
mod sequencer;
mod server;
mod slot;
mod subscription;
mod tls;
mod transport;
mod wire;

pub use address::Address;
pub use builder::{ConfigError, RedisTransportBuilder};
pub use connector::{Connector, NetConnector, Stream};
#[cfg(feature = "fred")]
pub use fred::FredTransport;
pub use redis;
pub use rustls;
pub use tls::Tls;
pub use transport::RedisTransport;
