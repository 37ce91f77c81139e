//! The HTTP client that Microsoft's client for the REST interface is given.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core_legacy::error::{Error, ErrorKind};
use azure_core_legacy::headers::{HeaderName as TheirName, Headers};
use azure_core_legacy::{
    Body, BytesStream, HttpClient, Request as TheirRequest, Response, StatusCode as TheirStatus,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, LOCATION,
};
use hyper::{Method, StatusCode};
use unstale::transport::{TransportError, TransportErrorKind as Kind};
use url::Url;

use crate::credential::Tokens;
use crate::encoding;
use crate::error::{http_refused, presentable};
use crate::http::{Answer, Request};
use crate::management;

/// `BrokerProperties` of an answer, by a name under which the library does not look: it insists on properties that
/// foreign messages lack.
pub(super) const PROPERTIES: TheirName = TheirName::from_static("x-unstale-properties");
const BROKER_PROPERTIES: &str = "brokerproperties";

/// The largest message of the premium tier, and what surrounds it.
const MAX_MESSAGE_BYTES: usize = 101 << 20;

/// Sends the library's requests to the transport's own endpoint, with its own tokens, and turns every body that comes
/// into base64: the library makes text of it.
pub(super) struct Client {
    root: Url,
    tokens: Arc<Tokens>,
    /// What it is for, in errors.
    doing: &'static str,
    /// How long an answer may take, beside what a request asks to wait.
    limit: Duration,
}

/// Why a request failed, on its way through the library.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(super) struct Failure {
    pub(super) error: TransportError,
    /// What the service answered, if it did.
    pub(super) status: Option<StatusCode>,
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        Self { error, status: None }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        error.into_downcast::<Self>().unwrap_or_else(|error| {
            let what = presentable(&error.to_string());
            Kind::Protocol.error(format!("the REST interface's answer: {what}")).into()
        })
    }
}

impl Client {
    pub(super) fn new(
        root: Url,
        tokens: Arc<Tokens>,
        doing: &'static str,
        limit: Duration,
    ) -> Self {
        Self { root, tokens, doing, limit }
    }

    async fn execute(&self, request: &TheirRequest) -> Result<Response, Failure> {
        let token = self.tokens.token().await?;
        let ours = self
            .translate(request)?
            .secret_header(AUTHORIZATION, &token.authorization())?
            .on_kept_connection()
            .answer_of_up_to(MAX_MESSAGE_BYTES);
        let limit = self.limit + wait(&ours.url);
        let answer = self.tokens.http.send(ours, limit).await?;
        if answer.status.is_success() {
            return self.translate_answer(answer);
        }
        let detail = management::error_detail(&answer.text());
        let error = http_refused(self.doing, &answer, &detail);
        Err(Failure { error, status: Some(answer.status) })
    }

    /// The request as it is sent, but for who sends it.
    fn translate(&self, request: &TheirRequest) -> Result<Request, TransportError> {
        let strange = || Kind::Protocol.error("the REST client's request is none that HTTP takes");
        let mut url = self.root.clone();
        url.set_path(request.url().path());
        url.set_query(request.url().query());
        let method = request.method().to_string();
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| strange())?;
        let Body::Bytes(body) = request.body() else { return Err(strange()) };
        let mut ours = Request::new(method, url).body(body.clone());
        for (name, value) in request.headers().iter() {
            let name = HeaderName::try_from(name.as_str()).map_err(|_| strange())?;
            if ![AUTHORIZATION, CONTENT_LENGTH, HOST].contains(&name) {
                let value = HeaderValue::try_from(value.as_str()).map_err(|_| strange())?;
                ours = ours.header(name, value);
            }
        }
        Ok(ours)
    }

    fn translate_answer(&self, answer: Answer) -> Result<Response, Failure> {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let mut headers = Headers::new();
        for (name, value) in &answer.headers {
            let value = text(value);
            match name.as_str() {
                BROKER_PROPERTIES => headers.insert(PROPERTIES, value),
                // It can be relative.
                name if *name == LOCATION => {
                    let location = self.root.join(&value).map_or(value, String::from);
                    headers.insert(name.to_owned(), location);
                }
                name => headers.insert(name.to_owned(), value),
            }
        }
        let content_type = answer.headers.get(CONTENT_TYPE).map(text);
        let frame = encoding::frame(content_type.as_deref(), answer.body);
        let status = TheirStatus::try_from(answer.status.as_u16()).map_err(|_| {
            Kind::Protocol.error(format!("{}: an unknown status, {}", self.doing, answer.status))
        })?;
        let body = BytesStream::new(STANDARD.encode(frame));
        Ok(Response::new(status, headers, Box::pin(body)))
    }
}

/// How long a request asks the service to wait.
fn wait(url: &Url) -> Duration {
    let seconds = url.query_pairs().find(|(name, _)| name == "timeout");
    let seconds = seconds.and_then(|(_, seconds)| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or_default())
}

#[async_trait]
impl HttpClient for Client {
    async fn execute_request(&self, request: &TheirRequest) -> azure_core_legacy::Result<Response> {
        self.execute(request).await.map_err(|failure| Error::new(ErrorKind::Io, failure))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("doing", &self.doing).finish_non_exhaustive()
    }
}
