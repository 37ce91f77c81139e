//! HTTP: management of entities, sending and receiving, and the upgrade to a WebSocket.

mod atom;
mod broker_properties;
mod custom;
mod describe;
mod duration;
mod management;
mod route;
mod runtime;
mod websocket;
mod xml;

use std::fmt;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::broker::tokens::from_text;
use crate::options::Rights;
use crate::{Emulator, Refusal};

use route::{Query, Route};
use websocket::Socket;

/// The largest body, besides what a message may have.
const MAX_BODY: usize = 1024 * 1024;

/// What a request is answered with.
type Answer = Response<Full<Bytes>>;

/// The stream of a connection that has become a WebSocket.
pub(crate) type WebSocket = Socket<TokioIo<Upgraded>>;

/// Instead of an answer: the connection ends without one.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is cut")
    }
}

impl std::error::Error for Cut {}

/// Serves a connection on which requests come, to its end, or until it is something else.
pub(crate) async fn serve<S>(
    emulator: &Emulator,
    stream: S,
    scheme: &'static str,
) -> Option<WebSocket>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let upgrade = Mutex::new(None);
    let service = service_fn(|request| answer(emulator, request, scheme, &upgrade));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(emulator.idle_timeout())
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // A connection that fails is one that has ended.
    connection.await.ok()?;
    let upgrade: Option<OnUpgrade> = upgrade.into_inner().unwrap_or_else(PoisonError::into_inner);
    let upgraded = upgrade?.await.ok()?;
    Some(Socket::new(TokioIo::new(upgraded)).await)
}

/// A request, read whole.
struct Asked {
    head: hyper::http::request::Parts,
    scheme: &'static str,
    route: Route,
    query: Query,
    body: Bytes,
}

impl Asked {
    /// Scheme and host.
    fn base(&self) -> String {
        let host = self.head.headers.get(HOST).and_then(|host| host.to_str().ok());
        format!("{}://{}", self.scheme, host.unwrap_or("localhost"))
    }

    /// Scheme, host and path.
    fn url(&self) -> String {
        format!("{}{}", self.base(), self.head.uri.path())
    }
}

async fn answer(
    emulator: &Emulator,
    mut request: Request<Incoming>,
    scheme: &'static str,
    upgrade: &Mutex<Option<OnUpgrade>>,
) -> Result<Answer, Cut> {
    if request.uri().path().eq_ignore_ascii_case(websocket::PATH) {
        let answer = websocket::upgrade(request.method(), request.headers());
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let mut upgrade = upgrade.lock().unwrap_or_else(PoisonError::into_inner);
            *upgrade = Some(hyper::upgrade::on(&mut request));
        }
        return Ok(answer);
    }
    let (head, body) = request.into_parts();
    let limit = emulator.broker().quotas.message_bytes + MAX_BODY;
    let Ok(body) = Limited::new(body, limit).collect().await else {
        return Ok(refused(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large."));
    };
    let query = Query::parse(head.uri.query().unwrap_or_default());
    let Some(route) = Route::parse(head.uri.path()) else {
        return Ok(refused(StatusCode::NOT_FOUND, "There is nothing at this address."));
    };
    let asked = Asked { head, scheme, route, query, body: body.to_bytes() };
    if let Some(refusal) = unauthorized(emulator, &asked) {
        return Ok(refused(StatusCode::UNAUTHORIZED, &refusal));
    }
    match &asked.route {
        Route::Messages(topic) => runtime::send(emulator, topic, &asked),
        Route::Head(key) => runtime::receive(emulator, key, &asked).await,
        Route::Lock(key, lock) => Ok(match from_text(lock) {
            Some(token) => runtime::settle(emulator, key, token, &asked),
            None => refused(StatusCode::BAD_REQUEST, "The lock token is not valid."),
        }),
        _ => Ok(management::answer(emulator, &asked)),
    }
}

/// Why the request may not be made, if it may not.
fn unauthorized(emulator: &Emulator, asked: &Asked) -> Option<String> {
    let header = asked.head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(header) = header else {
        return Some("MissingToken: no token is given.".to_owned());
    };
    let broker = emulator.broker();
    let now = broker.now();
    let grant = match broker.authority.check_header(header, now) {
        Ok(grant) => grant,
        Err(why) => return Some(why),
    };
    let path = crate::address::path(asked.head.uri.path());
    let allowed = grant.allows(asked.route.rights(), &path, now);
    (!allowed).then(|| "The token does not allow this.".to_owned())
}

fn refused(status: StatusCode, detail: &str) -> Answer {
    let mut answer = xml(status, atom::error(status.as_u16(), detail));
    let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    if busy.contains(&status) {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
    }
    answer
}

/// What a refusal of the broker is in HTTP.
fn refusal(refusal: &Refusal) -> Answer {
    let status = match refusal.condition.as_str() {
        "amqp:not-found" => StatusCode::NOT_FOUND,
        "com.microsoft:entity-already-exists" => StatusCode::CONFLICT,
        "amqp:unauthorized-access" => StatusCode::UNAUTHORIZED,
        "com.microsoft:server-busy" => StatusCode::TOO_MANY_REQUESTS,
        "amqp:resource-limit-exceeded" => StatusCode::FORBIDDEN,
        "com.microsoft:message-lock-lost" => StatusCode::GONE,
        "amqp:link:message-size-exceeded" => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    refused(status, &refusal.description)
}

fn xml(status: StatusCode, body: String) -> Answer {
    let mut answer = with_status(status, body.into());
    let kind = HeaderValue::from_static("application/xml; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

fn with_status(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer
}

impl Route {
    /// What its token must allow.
    fn rights(&self) -> Rights {
        match self {
            Self::Messages(_) => Rights::SEND,
            Self::Head(_) | Self::Lock(..) => Rights::LISTEN,
            _ => Rights::MANAGE,
        }
    }
}
