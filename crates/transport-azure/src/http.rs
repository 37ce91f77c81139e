//! Requests to the management and REST interfaces, and for tokens.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use unstale::Timestamp;
use unstale::transport::{TransportError, TransportErrorKind as Kind};
use url::Url;

use crate::network::Network;

/// Answers are short; a longer one is not read, unless the request says so.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// Idle connections kept for the next request: about as many as there are requests at once.
const MAX_IDLE: usize = 32;
/// A connection that was idle for longer is not used: it may be dead without anybody knowing.
const KEPT_FOR: Duration = Duration::from_secs(20);

/// Sends HTTP/1.1 requests over the transport's own streams; keeps a connection or two.
pub(crate) struct Http {
    network: Network,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    origin: (String, u16),
    sender: SendRequest<Full<Bytes>>,
    since: Timestamp,
}

pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    kept_connection: bool,
    max_answer_bytes: usize,
}

impl Request {
    /// A request with a connection of its own: one that was idle may be dead without anybody knowing, and waiting
    /// for that would cost more than connecting.
    pub(crate) fn new(method: Method, url: Url) -> Self {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        let max_answer_bytes = MAX_ANSWER_BYTES;
        Self { method, url, headers, body, kept_connection: false, max_answer_bytes }
    }

    /// Uses the connection of an earlier request, and leaves it to a later one.
    #[cfg(feature = "rest")]
    pub(crate) fn on_kept_connection(mut self) -> Self {
        self.kept_connection = true;
        self
    }

    /// Takes answers of this size.
    #[cfg(feature = "rest")]
    pub(crate) fn answer_of_up_to(mut self, bytes: usize) -> Self {
        self.max_answer_bytes = bytes;
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// A header that traces do not show.
    pub(crate) fn secret_header(
        self,
        name: HeaderName,
        value: &str,
    ) -> Result<Self, TransportError> {
        let mut value = HeaderValue::from_str(value).map_err(|_| {
            Kind::Configuration.error("a token has characters that no header takes")
        })?;
        value.set_sensitive(true);
        Ok(self.header(name, value))
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// How long the server asks to wait, where it does.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(hyper::header::RETRY_AFTER)?.to_str().ok()?;
        text.trim().parse().ok().map(Duration::from_secs)
    }

    /// The answer's text, as far as it is one.
    pub(crate) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

impl Http {
    pub(crate) fn new(network: Network) -> Self {
        Self { network, idle: Mutex::default() }
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// # Cancel safety
    /// When dropped, the request may or may not have been carried out.
    pub(crate) async fn send(
        &self,
        request: Request,
        limit: Duration,
    ) -> Result<Answer, TransportError> {
        let what = format!("{} {}", request.method, request.url.path());
        self.network.within(limit, &what, self.exchange(request, &what)).await
    }

    async fn exchange(&self, request: Request, what: &str) -> Result<Answer, TransportError> {
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let port = request.url.port_or_known_default().unwrap_or_default();
        let mut target = request.url.path().to_owned();
        if let Some(query) = request.url.query() {
            target.push('?');
            target.push_str(query);
        }
        let broken = |error: hyper::Error| {
            Kind::Unreachable.error(format!("{what} at {host}:{port} failed")).with_source(error)
        };
        let mut message = hyper::Request::new(Full::new(request.body));
        *message.method_mut() = request.method;
        *message.uri_mut() = target.parse().map_err(|_| {
            Kind::Configuration.error(format!("{what}: not a path that HTTP takes"))
        })?;
        *message.headers_mut() = request.headers;
        let value = HeaderValue::from_str(&format!("{host}:{port}")).map_err(|_| {
            Kind::Configuration.error(format!("{what}: not a host that HTTP takes"))
        })?;
        message.headers_mut().insert(HOST, value);

        let origin = (host.clone(), port);
        let keep = request.kept_connection;
        let open = async || self.open(&host, port, request.url.scheme() == "https").await;
        let mut kept = if keep { self.take_idle(&origin).await } else { None };
        let (sender, answer) = loop {
            let was_kept = kept.is_some();
            let mut sender = match kept.take() {
                Some(sender) => sender,
                None => open().await?,
            };
            match sender.try_send_request(message).await {
                Ok(answer) => break (sender, answer),
                // It ended while it was idle, and the server has seen nothing of the request.
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) if was_kept => message = unsent,
                    _ => return Err(broken(failed.into_error())),
                },
            }
        };
        let (head, body) = answer.into_parts();
        let body =
            Limited::new(body, request.max_answer_bytes).collect().await.map_err(|error| {
                Kind::Unreachable
                    .error(format!("{what} at {host}:{port} failed"))
                    .with_source(error)
            })?;
        if keep {
            self.keep(Idle { origin, sender, since: self.network.runtime.now() });
        }
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    }

    async fn open(
        &self,
        host: &str,
        port: u16,
        encrypted: bool,
    ) -> Result<SendRequest<Full<Bytes>>, TransportError> {
        let stream = self.network.dial(host, port, encrypted).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| {
            Kind::Unreachable
                .error(format!("opening an HTTP connection to {host}:{port} failed"))
                .with_source(error)
        })?;
        self.network.runtime.spawn(
            "unstale-azure-http",
            Box::pin(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "an HTTP connection ended");
                }
            }),
        );
        Ok(sender)
    }

    /// The connection that became idle last. The others may become too old.
    async fn take_idle(&self, origin: &(String, u16)) -> Option<SendRequest<Full<Bytes>>> {
        loop {
            let mut sender = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                let earliest = self.network.runtime.now().before(KEPT_FOR);
                idle.retain(|kept| kept.since >= earliest && !kept.sender.is_closed());
                let at = idle.iter().rposition(|kept| kept.origin == *origin)?;
                idle.remove(at).sender
            };
            // Its last answer was read to the end, so this takes no time, or it has ended.
            if sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    fn keep(&self, connection: Idle) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http(..)")
    }
}
