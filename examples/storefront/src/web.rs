//! The shop over HTTP.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::{Deserialize, Serialize};
use unstale::LoadError;

use crate::catalogue::{CategoryId, Change, Product, ProductId};
use crate::shop::{Answer, Shop, Source, WriteError};
use crate::status;

/// Says where an answer came from: `memory` or `database`.
pub(crate) const ANSWERED_FROM: &str = "x-answered-from";

const INDEX: &str = "\
A storefront: every instance answers from its own memory, and none from the past.

GET /products/7      a product
PUT /products/7      change it: {\"price_cents\": 1999}, {\"name\": \"...\"}, {\"category\": 3}
GET /categories/7    a category with its products
GET /status          how this instance is, as JSON
GET /metrics         the same for Prometheus
";

/// What every handler needs.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) shop: Arc<Shop>,
    pub(crate) metrics: PrometheusHandle,
}

/// What a `PUT` answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PutAnswer {
    pub(crate) product: Product,
    /// Whether the broker has confirmed the invalidation; if not, it follows.
    pub(crate) published: bool,
}

/// Everything that the shop answers to.
pub(crate) fn routes(context: Context) -> Router {
    Router::new()
        .route("/", get(|| async { INDEX }))
        .route("/products/{id}", get(get_product).put(put_product))
        .route("/categories/{id}", get(get_category))
        .route("/status", get(get_status))
        .route("/metrics", get(get_metrics))
        .with_state(context)
}

async fn get_product(
    State(context): State<Context>,
    Path(id): Path<ProductId>,
) -> Result<Response, Failure> {
    Ok(respond(context.shop.product(id).await?))
}

async fn get_category(
    State(context): State<Context>,
    Path(id): Path<CategoryId>,
) -> Result<Response, Failure> {
    Ok(respond(context.shop.page(id).await?))
}

async fn put_product(
    State(context): State<Context>,
    Path(id): Path<ProductId>,
    Json(change): Json<Change>,
) -> Result<Json<PutAnswer>, Failure> {
    let written = context.shop.change(id, change).await?;
    Ok(Json(PutAnswer { product: written.product, published: written.published }))
}

async fn get_status(State(context): State<Context>) -> Json<serde_json::Value> {
    Json(status::of(&context.shop))
}

/// As of the last second: that is how often a node exports.
async fn get_metrics(State(context): State<Context>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], context.metrics.render())
}

fn respond<T: Serialize>(answer: Answer<T>) -> Response {
    let from = match answer.from {
        Source::Memory => "memory",
        Source::Database => "database",
    };
    let headers = [(ANSWERED_FROM, from)];
    match answer.value {
        Some(value) => (headers, Json(value)).into_response(),
        None => (StatusCode::NOT_FOUND, headers, "not there\n").into_response(),
    }
}

/// A request that failed.
struct Failure {
    status: StatusCode,
    message: String,
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        // The database is what loads come from. What exactly it says is not for everybody.
        eprintln!("storefront: a read failed: {error}");
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: "the database does not answer".into(),
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Refused(refusal) => {
                Self { status: StatusCode::UNPROCESSABLE_ENTITY, message: refusal.to_string() }
            }
            WriteError::Database(error) => {
                eprintln!("storefront: a write failed: {error}");
                Self {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    message: "the database does not answer".into(),
                }
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, self.message + "\n").into_response()
    }
}
