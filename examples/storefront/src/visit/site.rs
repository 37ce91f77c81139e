//! An instance as its visitors see it: over HTTP, nothing else.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::Error;
use crate::catalogue::{CategoryId, Change, Product, ProductId};
use crate::web::{ANSWERED_FROM, PutAnswer};

/// Longer than any request takes, a write without a broker included.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);

/// One instance.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) number: usize,
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer, and when it was asked for and given.
pub(crate) struct Reply<T> {
    pub(crate) value: T,
    pub(crate) from_memory: bool,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

/// A category's page, as far as visitors look.
#[derive(Deserialize)]
pub(crate) struct PageView {
    products: Vec<Product>,
}

impl PageView {
    /// The version in which a product is on the page; 0 if it is not.
    pub(crate) fn version_of(&self, id: ProductId) -> i64 {
        self.products.iter().find(|product| product.id == id).map_or(0, |product| product.version)
    }
}

/// How an instance says it is.
#[derive(Deserialize)]
pub(crate) struct StatusView {
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
}

impl<T> Reply<T> {
    pub(crate) fn took(&self) -> Duration {
        self.ended - self.began
    }

    fn with<U>(&self, value: U) -> Reply<U> {
        Reply { value, from_memory: self.from_memory, began: self.began, ended: self.ended }
    }
}

impl Site {
    pub(crate) fn new(number: usize, address: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { number, address, client }
    }

    pub(crate) async fn status(&self) -> Result<StatusView, Error> {
        let reply = self.get("/status").await?;
        reply.value.ok_or_else(|| self.surprise("/status", StatusCode::NOT_FOUND))
    }

    /// A product; `None` if the instance says that it is not there.
    pub(crate) async fn product(&self, id: ProductId) -> Result<Reply<Option<Product>>, Error> {
        self.get(&format!("/products/{id}")).await
    }

    pub(crate) async fn page(&self, id: CategoryId) -> Result<Reply<Option<PageView>>, Error> {
        self.get(&format!("/categories/{id}")).await
    }

    /// Changes a product.
    pub(crate) async fn put(
        &self,
        id: ProductId,
        change: &Change,
    ) -> Result<Reply<PutAnswer>, Error> {
        let path = format!("/products/{id}");
        let body = serde_json::to_vec(change)?;
        let reply = self.request(Method::PUT, &path, body).await?;
        match reply.value {
            (StatusCode::OK, ref body) => Ok(reply.with(serde_json::from_slice(body)?)),
            (status, _) => Err(self.surprise(&path, status)),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Reply<Option<T>>, Error> {
        let reply = self.request(Method::GET, path, Vec::new()).await?;
        let value = match &reply.value {
            (StatusCode::OK, body) => Some(serde_json::from_slice(body)?),
            (StatusCode::NOT_FOUND, _) => None,
            (status, _) => return Err(self.surprise(path, *status)),
        };
        Ok(reply.with(value))
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Reply<(StatusCode, Bytes)>, Error> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body))?;
        let began = Instant::now();
        let exchange = async {
            let response = self.client.request(request).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            let from = head.headers.get(ANSWERED_FROM);
            let from_memory = from.is_some_and(|from| from == "memory");
            let value = (head.status, body);
            Ok::<_, Error>(Reply { value, from_memory, began, ended: Instant::now() })
        };
        let timely = timeout(REQUEST_PATIENCE, exchange).await;
        let number = self.number;
        timely
            .map_err(|_| format!("instance {number} does not answer {path}"))?
            .map_err(|error| format!("instance {number} failed on {path}: {error}").into())
    }

    fn surprise(&self, path: &str, status: StatusCode) -> Error {
        format!("instance {} answered {path} with {status}", self.number).into()
    }
}
