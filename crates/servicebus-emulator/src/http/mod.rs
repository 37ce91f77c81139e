//! HTTP: management of entities, and sending and receiving.

mod atom;
mod describe;
mod duration;
mod management;
mod route;
mod xml;

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::options::Rights;
use crate::{Emulator, Refusal};

use route::{Query, Route};

/// The largest body, besides that of a message.
const MAX_BODY: usize = 1024 * 1024;

/// What a request is answered with.
type Answer = Response<Full<Bytes>>;

/// Serves a connection on which requests come, to its end.
pub(crate) async fn serve<S>(emulator: &Emulator, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service =
        service_fn(|request| async { Ok::<_, Infallible>(answer(emulator, request).await) });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A connection that fails is one that has ended.
    let _ = connection.await;
}

/// A request, read whole.
struct Asked {
    head: hyper::http::request::Parts,
    route: Route,
    query: Query,
    body: Bytes,
}

impl Asked {
    /// Scheme, host and path.
    fn url(&self) -> String {
        let host = self.head.headers.get(HOST).and_then(|host| host.to_str().ok());
        let query = self.head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("http://{}{}{query}", host.unwrap_or("localhost"), self.head.uri.path())
    }
}

async fn answer(emulator: &Emulator, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.");
    };
    let query = Query::parse(head.uri.query().unwrap_or_default());
    let Some(route) = Route::parse(head.uri.path()) else {
        return refused(StatusCode::NOT_FOUND, "There is nothing at this address.");
    };
    let asked = Asked { head, route, query, body: body.to_bytes() };
    if let Err(answer) = authorize(emulator, &asked) {
        return answer;
    }
    management::answer(emulator, &asked)
}

/// Whether the request may be made.
fn authorize(emulator: &Emulator, asked: &Asked) -> Result<(), Answer> {
    let header = asked.head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let missing = || refused(StatusCode::UNAUTHORIZED, "MissingToken: no token is given.");
    let header = header.ok_or_else(missing)?;
    let broker = emulator.broker();
    let now = broker.now();
    let grant = broker.authority.check_header(header, now);
    let grant = grant.map_err(|why| refused(StatusCode::UNAUTHORIZED, &why))?;
    let path = crate::address::path(asked.head.uri.path());
    if grant.allows(asked.route.rights(), &path, now) {
        Ok(())
    } else {
        Err(refused(StatusCode::UNAUTHORIZED, "The token does not allow this."))
    }
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
        Rights::MANAGE
    }
}
