//! The data path over AMQP 1.0.

mod connection;
mod cut;
mod failure;
mod fencing;
#[cfg(all(test, unix))]
mod foreign_broker;
mod message;
mod publisher;
mod subscription;
#[cfg(feature = "websocket")]
mod websocket;

pub(crate) use connection::{Dialer, Wire};
pub(crate) use publisher::Publisher;

use subscription::AmqpLink;

use crate::subscription::{Attach, End};
use crate::subscriptions::Lease;

/// Sends and receives over AMQP.
#[derive(Debug)]
pub(crate) struct AmqpPath {
    pub(crate) dialer: Dialer,
    pub(crate) publisher: Publisher,
    /// Messages that the service may send ahead.
    pub(crate) prefetch: u32,
}

impl Attach for AmqpPath {
    type Link = AmqpLink;

    async fn attach(&self, lease: &Lease) -> Result<AmqpLink, End> {
        subscription::attach(&self.dialer, lease, self.prefetch).await
    }
}
