//! Azure Service Bus topics as the broker of [`unstale`]'s coherent caches.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `amqp` | yes | frames over AMQP 1.0 |
//! | `websocket` | | AMQP in websockets on port 443: [`AzureTransportBuilder::websocket`] |
//! | `rest` | | frames over HTTPS on port 443: [`DataPath::Rest`] |
//! | `entra` | | tokens of any `azure_core::credentials::TokenCredential`: [`Credential::azure`] |
//!
//! `amqp` or `rest` is needed. Nodes on different paths share a topic.
//!
//! ## `websocket`
//! The same as AMQP, but in a websocket (`wss://HOST/$servicebus/websocket`), over the transport's own
//! [`Connector`] and [`Tls`]. Everything else is as over AMQP.
//!
//! ## `rest`
//! For networks that let only HTTPS through. It keeps the whole contract of transports, at a price:
//! - One message a call: a node receives about one frame in each round trip to the service, whatever it publishes at
//!   once. A burst of frames takes as many round trips.
//! - A message costs at least two operations for each node that gets it: one to receive and lock it, one to complete
//!   it. A wait of 30 s in which nothing comes costs one.
//! - Frames travel as base64, so that only three quarters of
//!   [`max_frame_bytes`](AzureTransportBuilder::max_frame_bytes) are for a frame.
//! - What is in a subscription that was [given](AzureTransportBuilder::subscription) when it is opened is read and
//!   completed message by message. If that takes longer than the publish time-out, opening fails, and the next try goes
//!   on from there.
//!
//! A message is completed after it was handed on. What could not be completed is delivered again when its lock ends, and
//! left out by its number. Receive-and-delete would save the second operation, but its answer is only the body, as far
//! as the client library shows it: without a sequence number nobody could say whether a message is missing.
#[cfg(not(any(feature = "amqp", feature = "rest")))]
compile_error!("enable the feature `amqp` or `rest`: frames need a way to travel");

#[cfg(feature = "amqp")]
mod amqp;
mod builder;
mod connection_string;
mod connector;
mod credential;
mod encoding;
mod endpoint;
mod error;
mod http;
mod management;
#[cfg(unstale_mutants)]
mod mutation;
mod network;
mod order;
mod path;
#[cfg(feature = "rest")]
mod rest;
mod secret;
mod subscription;
mod subscriptions;
mod tls;
mod transport;

pub use builder::{AzureTransportBuilder, ConfigError};
pub use connector::{Connector, NetConnector, Stream};
pub use credential::{AccessToken, ClientSecret, Credential, SCOPE};
pub use management::{Administration, Creation};
pub use path::DataPath;
pub use rustls;
pub use tls::Tls;
pub use transport::AzureTransport;
