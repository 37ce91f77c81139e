//! The data path over HTTPS, by the service's REST interface.
//!
//! Microsoft's client for it knows the requests; the streams, tokens, time and limits are this crate's.

mod asking;
mod client;
mod link;
mod message;

use std::sync::Arc;
use std::time::Duration;

use azure_core_legacy::HttpClient;
use azure_messaging_servicebus::service_bus::{SendMessageOptions, TopicClient, TopicSender};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use unstale::Runtime;
use unstale::transport::TransportError;
use url::Url;

use asking::{Asking, Left};
use client::{Client, Failure};
use link::RestLink;

use crate::builder::ConfigError;
use crate::credential::Tokens;
use crate::order::Fence;
use crate::subscription::{Attach, End};
use crate::subscriptions::Lease;

/// What the client is made with in place of a namespace, a policy and a key: its requests go elsewhere, and their
/// signatures are replaced.
const UNUSED: &str = "unused";

/// Sends and receives over HTTPS.
pub(crate) struct RestPath {
    sending: Sending,
    receiving: TopicClient,
    left: Left,
    runtime: Arc<dyn Runtime>,
}

impl RestPath {
    pub(crate) fn new(
        root: &Url,
        topic: &str,
        tokens: &Arc<Tokens>,
        publish_timeout: Duration,
    ) -> Result<Self, ConfigError> {
        let client = |doing, limit| -> Result<TopicClient, ConfigError> {
            let client: Arc<dyn HttpClient> =
                Arc::new(Client::new(root.clone(), Arc::clone(tokens), doing, limit));
            TopicClient::new(client, UNUSED, topic, UNUSED, UNUSED)
                .map_err(|_| ConfigError::Topic(topic.to_owned()))
        };
        Ok(Self {
            sending: Sending(client("sending", publish_timeout)?.topic_sender()),
            receiving: client("receiving", tokens.network.timeout)?,
            left: Left::default(),
            runtime: Arc::clone(&tokens.network.runtime),
        })
    }

    /// Sends a frame; `Ok` once the service accepted it.
    pub(crate) async fn publish(&self, frame: &[u8]) -> Result<(), TransportError> {
        self.sending.send(&STANDARD.encode(frame), message::frame()).await
    }
}

impl Attach for RestPath {
    type Link = RestLink;

    /// Nothing is attached to: a reader is who asks.
    async fn attach(&self, lease: &Lease) -> Result<RestLink, End> {
        let receiver = self.receiving.subscription_receiver(lease.name());
        let left = lease.is_given().then(|| (lease.name().to_owned(), self.left.clone()));
        let asking = Asking::new(receiver, Arc::clone(&self.runtime), left);
        Ok(RestLink::new(asking, self.sending.clone(), Arc::clone(&self.runtime)))
    }
}

/// Sends to the topic.
#[derive(Clone)]
struct Sending(TopicSender);

impl Sending {
    async fn send(&self, text: &str, options: SendMessageOptions) -> Result<(), TransportError> {
        let sent = self.0.send_message(text, Some(options)).await;
        sent.map_err(|error| Failure::from(error).error)
    }

    async fn send_fence(&self, fence: &Fence) -> Result<(), TransportError> {
        self.send("", message::fence(fence)).await
    }
}
