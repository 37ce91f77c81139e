//! Creating and deleting topics and subscriptions, over the service's management interface.

mod atom;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use unstale::transport::{TransportError, TransportErrorKind as Kind};
use url::Url;

use crate::credential::Tokens;
use crate::error;
use crate::http::{Answer, Http, Request};

#[cfg(feature = "rest")]
pub(crate) use atom::error_detail;

const API_VERSION: &str = "2021-05";

/// What a new subscription is like.
#[derive(Clone, Debug)]
pub(crate) struct SubscriptionSettings {
    pub(crate) auto_delete_on_idle: Duration,
    pub(crate) message_time_to_live: Duration,
}

/// Manages one topic and its subscriptions. Made by
/// [`AzureTransportBuilder::administration`](crate::AzureTransportBuilder::administration); needs the right
/// *Manage*.
#[derive(Clone)]
pub struct Administration {
    pub(crate) http: Arc<Http>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) root: Url,
    pub(crate) topic: String,
    pub(crate) settings: SubscriptionSettings,
}

/// Whether something had to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// It is new.
    Created,
    /// It was there already, and was left as it is.
    Existed,
}

impl Administration {
    /// Creates the topic, without partitions.
    ///
    /// # Errors
    /// Kinds as for publishing; [`Unauthorized`](Kind::Unauthorized) without the right *Manage*.
    pub async fn create_topic(&self) -> Result<Creation, TransportError> {
        let body = atom::topic();
        self.create(&[], body).await
    }

    /// Deletes the topic with all its subscriptions; one that is not there is fine.
    ///
    /// # Errors
    /// As for [`create_topic`](Self::create_topic).
    pub async fn delete_topic(&self) -> Result<(), TransportError> {
        self.delete("deleting the topic", &[]).await
    }

    /// Creates a subscription for one node, with a filter that keeps other nodes' fences from it. It is deleted
    /// when nobody has read it for
    /// [`auto_delete_on_idle`](crate::AzureTransportBuilder::auto_delete_on_idle), which is 5 minutes if nothing
    /// else was said: raise that for one that is to outlive its node.
    ///
    /// # Errors
    /// As for [`create_topic`](Self::create_topic); [`NotFound`](Kind::NotFound) if there is no such topic.
    pub async fn create_subscription(&self, name: &str) -> Result<Creation, TransportError> {
        let body = atom::subscription(name, &self.settings);
        self.create(&["subscriptions", name], body).await
    }

    /// Deletes a subscription; one that is not there is fine.
    ///
    /// # Errors
    /// As for [`create_topic`](Self::create_topic).
    pub async fn delete_subscription(&self, name: &str) -> Result<(), TransportError> {
        self.delete("deleting a subscription", &["subscriptions", name]).await
    }

    async fn delete(&self, doing: &str, path: &[&str]) -> Result<(), TransportError> {
        let answer = self.send(Method::DELETE, path, String::new()).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(()),
            status if status.is_success() => Ok(()),
            _ => Err(self.refused(doing, &answer)),
        }
    }

    /// Whether the topic is one that nodes can use.
    ///
    /// # Errors
    /// [`NotFound`](Kind::NotFound) if there is none, [`Configuration`](Kind::Configuration) if it is
    /// partitioned and so has no one order; else as for [`create_topic`](Self::create_topic).
    pub async fn check_topic(&self) -> Result<(), TransportError> {
        let answer = self.send(Method::GET, &[], String::new()).await?;
        // The management interface answers for what is not there with an empty list.
        if answer.status == StatusCode::NOT_FOUND
            || (answer.status.is_success() && !atom::is_topic(&answer.text()))
        {
            return Err(Kind::NotFound.error(format!(
                "there is no topic `{}`; create it in the portal, or with the example `provision`",
                self.topic
            )));
        }
        if !answer.status.is_success() {
            return Err(self.refused("looking at the topic", &answer));
        }
        if atom::is_partitioned(&answer.text()) {
            return Err(crate::order::partitioned());
        }
        Ok(())
    }

    async fn create(&self, path: &[&str], body: String) -> Result<Creation, TransportError> {
        let answer = self.send(Method::PUT, path, body).await?;
        match answer.status {
            StatusCode::CONFLICT => Ok(Creation::Existed),
            status if status.is_success() => Ok(Creation::Created),
            _ => Err(self.refused("creating it", &answer)),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        body: String,
    ) -> Result<Answer, TransportError> {
        let mut url = self.root.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(self.topic.split('/')).extend(path);
        }
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        let limit = self.tokens.network.timeout;
        let token = self.tokens.token().await?;
        let request = Request::new(method, url)
            .secret_header(AUTHORIZATION, &token.authorization())?
            .header(CONTENT_TYPE, HeaderValue::from_static("application/atom+xml"))
            .body(body);
        self.http.send(request, limit).await
    }

    fn refused(&self, doing: &str, answer: &Answer) -> TransportError {
        let detail = atom::error_detail(&answer.text());
        error::http_refused(&format!("{doing} (topic `{}`)", self.topic), answer, &detail)
    }
}

impl fmt::Debug for Administration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Administration").field("topic", &self.topic).finish_non_exhaustive()
    }
}
