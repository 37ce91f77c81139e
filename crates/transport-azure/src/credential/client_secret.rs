//! Tokens of Entra ID for an application with a secret.

use std::fmt;
use std::time::Duration;

use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use unstale::transport::{TransportError, TransportErrorKind as Kind};
use url::Url;
use url::form_urlencoded::Serializer;

use super::{SCOPE, Token};
use crate::http::{Http, Request};
use crate::network::Network;
use crate::secret::Secret;

const PUBLIC_CLOUD: &str = "https://login.microsoftonline.com";

/// An application registered in Entra ID, with a client secret.
///
/// It needs the role *Azure Service Bus Data Sender* and *… Data Receiver* on the topic; to create its own
/// subscriptions, *Azure Service Bus Data Owner*.
#[derive(Clone)]
pub struct ClientSecret {
    tenant: String,
    client_id: String,
    secret: Secret,
    authority: String,
}

impl ClientSecret {
    /// Tenant id (or domain), client id and client secret.
    pub fn new(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        secret: impl Into<String>,
    ) -> Self {
        Self {
            tenant: tenant.into(),
            client_id: client_id.into(),
            secret: Secret::new(secret),
            authority: PUBLIC_CLOUD.to_owned(),
        }
    }

    /// Who issues tokens, for sovereign clouds (`https://login.microsoftonline.us`,
    /// `https://login.partner.microsoftonline.cn`).
    #[must_use]
    pub fn authority(mut self, url: impl Into<String>) -> Self {
        self.authority = url.into();
        self
    }

    pub(super) async fn fetch(
        &self,
        http: &Http,
        network: &Network,
    ) -> Result<Token, TransportError> {
        let asked = network.wall_now();
        let body = Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.client_id)
            .append_pair("client_secret", self.secret.reveal())
            .append_pair("scope", SCOPE)
            .finish();
        let request = Request::new(Method::POST, self.url()?)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
            .body(body);
        let answer = http.send(request, network.timeout).await?;
        if !answer.status.is_success() {
            let code = serde_json::from_slice::<Refusal>(&answer.body);
            let code = code.map_or_else(|_| answer.status.to_string(), Refusal::code);
            let kind = match answer.status.as_u16() {
                429 => Kind::Throttled,
                500.. => Kind::Unreachable,
                _ => Kind::Unauthorized,
            };
            return Err(kind.error(format!(
                "Entra ID refused a token ({code}); check tenant, client id and client secret"
            )));
        }
        let issued: Issued = serde_json::from_slice(&answer.body)
            .map_err(|_| Kind::Protocol.error("Entra ID's answer has no token"))?;
        // A lifetime of years is a mistake, and must not overflow.
        let lifetime = Duration::from_secs(issued.expires_in.min(7 * 24 * 3600));
        Ok(Token { value: Secret::new(issued.access_token), expires: asked + lifetime })
    }

    fn url(&self) -> Result<Url, TransportError> {
        let wrong = || {
            Kind::Configuration
                .error("the authority of Entra ID or the tenant cannot be used in a URL")
        };
        let mut url = Url::parse(&self.authority).map_err(|_| wrong())?;
        url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend([
            self.tenant.as_str(),
            "oauth2",
            "v2.0",
            "token",
        ]);
        Ok(url)
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSecret")
            .field("tenant", &self.tenant)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Issued {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Refusal {
    /// The error's code (`invalid_client`), if it looks like one: the description can quote what we sent.
    fn code(self) -> String {
        let is_code = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        if self.error.len() < 64 && self.error.bytes().all(is_code) {
            self.error
        } else {
            "error".to_owned()
        }
    }
}
