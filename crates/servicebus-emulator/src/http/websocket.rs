//! AMQP over a WebSocket: the upgrade, and the stream of bytes in its messages.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures_util::{Sink as _, Stream as _};
use http_body_util::Full;
use hyper::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use hyper::{HeaderMap, Method, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Answer, refused};

/// Where clients ask for it.
pub(super) const PATH: &str = "/$servicebus/websocket";

/// What AMQP is called in a WebSocket, officially and by Microsoft's older clients.
const PROTOCOLS: [&str; 2] = ["amqp", "AMQPWSB10"];

/// The answer to a request for an upgrade, with status 101 if it is granted.
pub(super) fn upgrade(method: &Method, headers: &HeaderMap) -> Answer {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let asks = text(UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    let (Some(key), true) = (headers.get(SEC_WEBSOCKET_KEY), asks && *method == Method::GET) else {
        return refused(StatusCode::BAD_REQUEST, "This is a WebSocket's address.");
    };
    let offered = text(SEC_WEBSOCKET_PROTOCOL).unwrap_or_default();
    let offered = offered.split(',').map(str::trim);
    let Some(protocol) = offered.into_iter().find(|protocol| PROTOCOLS.contains(protocol)) else {
        return refused(StatusCode::BAD_REQUEST, "The protocol must be amqp.");
    };
    let mut answer = Response::new(Full::new(Bytes::new()));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    let mut add = |name: HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    add(CONNECTION, "Upgrade");
    add(UPGRADE, "websocket");
    add(SEC_WEBSOCKET_PROTOCOL, protocol);
    add(SEC_WEBSOCKET_ACCEPT, &derive_accept_key(key.as_bytes()));
    answer
}

/// The bytes in a WebSocket's binary messages, whose limits have no meaning.
pub(crate) struct Socket<S> {
    inner: WebSocketStream<S>,
    unread: Bytes,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Over a stream on which the upgrade has been granted.
    pub(super) async fn new(stream: S) -> Self {
        let inner = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        Self { inner, unread: Bytes::new() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => self.unread = bytes,
                None | Some(Ok(Message::Close(_))) => return Poll::Ready(Ok(())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
            }
        }
        let count = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..count]);
        self.unread.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.inner).poll_ready(context)).map_err(io_error)?;
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        Pin::new(&mut self.inner).start_send(message).map_err(io_error)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context).map_err(io_error)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(context).map_err(io_error)
    }
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        other => io::Error::other(other),
    }
}
