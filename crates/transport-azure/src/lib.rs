//! Azure Service Bus topics as the broker of [`unstale`]'s coherent caches.
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
mod secret;
mod subscriptions;
mod tls;
mod transport;

pub use builder::{AzureTransportBuilder, ConfigError};
pub use connector::{Connector, NetConnector, Stream};
pub use credential::{AccessToken, ClientSecret, Credential, SCOPE};
pub use management::{Administration, Creation};
pub use rustls;
pub use tls::Tls;
pub use transport::AzureTransport;
