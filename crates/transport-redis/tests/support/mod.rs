//! Real servers for tests: started on free ports, stopped when dropped.
//!
//! Used by several test binaries, each of which uses a part of it.
#![allow(dead_code, unreachable_pub, unused_imports)]

pub mod cluster;
// The same for every transport.
#[path = "../../../../tests/weather/free_port.rs"]
mod free_port;
#[path = "../../../../tests/weather/patience.rs"]
mod patience;
#[path = "../../../../tests/weather/proxy.rs"]
pub mod proxy;
pub mod sentinel;
pub mod server;

use std::time::Duration;

use bytes::Bytes;
use unstale::transport::{Item, Subscription, SubscriptionExt, TransportError};

pub use patience::{soon, until};
pub use server::{Options, RedisServer};

/// Longer than anything here takes on a busy machine. Only a failing test waits for so long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The next item of a subscription that must not have ended.
pub async fn next(subscription: &mut Box<dyn Subscription>) -> Item {
    soon("an item", subscription.next()).await.expect("the subscription lives")
}

/// Items until a fence passes; what came before it.
pub async fn fenced(
    subscription: &mut Box<dyn Subscription>,
    token: u64,
) -> Result<Vec<Bytes>, TransportError> {
    subscription.fence(token);
    let mut frames = Vec::new();
    loop {
        match soon("a fence", subscription.next()).await? {
            Item::Frame(frame) => frames.push(frame),
            Item::Fenced(passed) => {
                assert_eq!(passed, token);
                return Ok(frames);
            }
            other => panic!("an unknown item {other:?}"),
        }
    }
}

/// The error with which a subscription ends; frames before it do not matter.
pub async fn end(subscription: &mut Box<dyn Subscription>) -> TransportError {
    loop {
        if let Err(error) = soon("the end of the subscription", subscription.next()).await {
            return error;
        }
    }
}

impl proxy::Proxy {
    /// The server behind it, as a URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }
}
