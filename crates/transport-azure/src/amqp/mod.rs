//! The data path over AMQP 1.0.

mod connection;
mod cut;
mod failure;
mod fencing;
mod message;
mod publisher;
mod subscription;

pub(crate) use connection::{Dialer, Wire};
pub(crate) use publisher::Publisher;
pub(crate) use subscription::Opening;
