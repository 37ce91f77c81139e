//! Azure Service Bus topics as the broker of [`unstale`]'s coherent caches.
//!
//! ```
//! # fn main() -> Result<(), unstale_azure::ConfigError> {
//! use unstale_azure::AzureTransport;
//!
//! # let key = "c2VjcmV0";
//! let connection_string = // as the portal shows it
//!     format!("Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=nodes;SharedAccessKey={key}");
//! let transport = AzureTransport::new(connection_string, "invalidations")?;
//! assert_eq!(transport.topic(), "invalidations");
//! # Ok(()) }
//! ```
//!
//! # Connections
//! A node has two: one that is subscribed, and one that publishes. The subscribed one also sends the node's fences,
//! over a link of its own: so a fence says nothing about the connection that publishes, and needs nothing of it. A
//! connection for HTTP is opened when a subscription is created or deleted.
//!
//! # Subscriptions
//! Two nodes that read one subscription of the topic would split its messages, so every node needs one of its own.
//! - *Automatic*, the default: the node creates it, with a name that begins with `unstale-`, and deletes it when it
//!   leaves. The service deletes one that nobody read for five minutes. Needs the right *Manage* on the topic.
//! - *Manual*, by [`subscription`](AzureTransportBuilder::subscription): an operator creates one for each node, once,
//!   in the portal or with `cargo run -p unstale-azure --example provision`. The rights *Send* and *Listen* are
//!   enough. Give it the filter `sys.To IS NULL OR sys.To = 'its name'`: without it every node's fences are delivered
//!   to it too, and paid for. It must not be deleted when it is idle, or a node that was away for longer does not
//!   find it again.
//!
//! # What is checked
//! Messages are received and deleted in one step, so what the service sends onto a link that has died is gone. But it
//! numbers the messages of each subscription without a gap, and the numbers are followed:
//! - *A jump* ends the subscription: a message went elsewhere, or expired. The node then finds out what it missed.
//! - *An opening*, a fence of its own, is what a subscription begins with. Whatever comes before it may lack anything,
//!   and is left out; after it nothing is missing.
//! - *A shared subscription* is recognised by the fences of the other reader, by the jumps, or by an opening that does
//!   not come back, and the error says so.
//! - *A partitioned topic* numbers each partition by itself and has no one order. It is refused.
//!
//! # Credentials
//! A connection string has a shared access key. In its place [`Credential`] takes a key, a signature that someone else
//! made, an application of Entra ID with a secret ([`ClientSecret`]), or a function that returns tokens. Tokens are
//! renewed on the living connection before they expire. No key, signature or token is in any error or `Debug` text.
//!
//! # What the service must have
//! A namespace of the standard or premium tier: the basic tier has no topics. The topic must not be partitioned, and
//! should carry nothing else. `docs/azure.md` in the repository has the set-up step by step, what a fleet costs, and
//! how large it may be before the standard tier throttles it.
//!
//! # Emulators
//! With `UseDevelopmentEmulator=true` in the connection string nothing is encrypted, and a port in `Endpoint` is that
//! of AMQP and of HTTP. `cargo run -p unstale-servicebus-emulator` starts one that does both on one port, and prints
//! its connection string.
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
//! For networks that let only HTTPS through. Requests are made with Microsoft's client for the REST interface
//! (`azure_messaging_servicebus`), but over the transport's own [`Connector`], [`Tls`], clock and [`Credential`]. It keeps
//! the whole contract of transports, at a price:
//! - One message a request: a node waits with one request while little comes, and has up to eight on their way while
//!   messages follow one another quickly. So it receives one frame, later eight, in each round trip to the service.
//! - A message costs each node that gets it two operations: one to receive and lock it, one to complete it. A wait of
//!   30 s in which nothing comes costs one, and so does each request, up to seven, that is on its way when a burst ends.
//! - Frames travel as base64, so that only three quarters of
//!   [`max_frame_bytes`](AzureTransportBuilder::max_frame_bytes) are for a frame. HTTPS takes messages of 1 MB at most,
//!   in the premium tier too.
//! - What is in a subscription that was [given](AzureTransportBuilder::subscription) when it is opened is read and
//!   completed message by message. If that takes longer than the publish time-out, opening fails, and the next try goes
//!   on from there.
//!
//! A message is completed after it was handed on. What could not be completed is delivered again when its lock ends,
//! and left out by its number. Receive-and-delete would save the second operation, but its answer is only the body, as
//! far as the client library shows it: without a sequence number nobody could say whether a message is missing.
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
