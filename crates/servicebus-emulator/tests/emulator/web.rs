//! A client of HTTP, and what the tests of management and of the runtime have in common.

use std::fmt::Write as _;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use unstale_servicebus_emulator::Emulator;

use crate::client::{stream, token, within};

/// A connection, whose requests carry a token for everything.
pub(crate) struct Web {
    requests: SendRequest<Full<Bytes>>,
    pub(crate) token: String,
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// What is told of a message.
    pub(crate) fn told(&self) -> serde_json::Value {
        serde_json::from_str(self.header("BrokerProperties")).unwrap()
    }

    /// The path of the lock.
    pub(crate) fn lock(&self) -> String {
        self.header("Location").strip_prefix("http://emulator").unwrap().to_owned()
    }
}

impl Web {
    pub(crate) async fn connect(emulator: &Emulator) -> Self {
        let stream = TokioIo::new(stream(emulator));
        let (requests, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self { requests, token: token() }
    }

    pub(crate) async fn ask(&mut self, method: &str, path: &str) -> Answer {
        self.ask_with(method, path, &[], "").await
    }

    pub(crate) async fn ask_with(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.try_ask(method, path, headers, body).await.unwrap()
    }

    pub(crate) async fn try_ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> hyper::Result<Answer> {
        let mut request = Request::builder().method(method).uri(path).header("Host", "emulator");
        if !self.token.is_empty() {
            request = request.header("Authorization", &self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let (head, body) = within(self.requests.send_request(request)).await?.into_parts();
        let body = within(body.collect()).await?.to_bytes();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        })
    }
}

/// An entry that describes a subscription by some elements.
pub(crate) fn subscription(elements: &[(&str, &str)]) -> String {
    let mut content = String::new();
    for (name, value) in elements {
        write!(content, "<{name}>{value}</{name}>").unwrap();
    }
    entry("SubscriptionDescription", &content)
}

pub(crate) fn entry(kind: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><entry xmlns=\"http://www.w3.org/2005/Atom\">\
         <content type=\"application/xml\"><{kind} xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns=\"http://schemas.microsoft.com/netservices/2010/10/servicebus/connect\">{content}</{kind}>\
         </content></entry>"
    )
}
