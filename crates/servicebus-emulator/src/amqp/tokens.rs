//! Requests to `$cbs`, and the answers.

use std::time::SystemTime;

use bytes::Bytes;
use fe2o3_amqp_types::messaging::Properties;
use serde_amqp::Value;

use crate::Message;
use crate::auth::{Authority, Grant};
use crate::message::Stamp;

/// What a request brings: a grant, or nothing but an answer.
pub(super) struct Answer {
    pub(super) grant: Option<Grant>,
    /// The address that the answer goes to.
    pub(super) reply_to: Option<String>,
    /// Encoded.
    pub(super) message: Bytes,
}

pub(super) fn answer(request: &Message, authority: &Authority, now: SystemTime) -> Answer {
    let (status, description, grant) = match put_token(request, authority, now) {
        Ok(grant) => (202, "Accepted".to_owned(), Some(grant)),
        Err((status, why)) => (status, why, None),
    };
    let properties = Properties {
        correlation_id: request.properties.message_id.clone(),
        ..Properties::default()
    };
    let application = [
        ("status-code".to_owned(), Value::Int(status)),
        ("status-description".to_owned(), Value::String(description)),
    ];
    let message = Message::answer(properties, application.into_iter().collect());
    let stamp =
        Stamp { sequence: 0, topic_sequence: 0, enqueued_at: now, delivery_count: 0, lock: None };
    let reply_to = request.properties.reply_to.clone();
    Answer { grant, reply_to, message: message.encode(&stamp) }
}

fn put_token(
    request: &Message,
    authority: &Authority,
    now: SystemTime,
) -> Result<Grant, (i32, String)> {
    let bad = |what: &str| (400, format!("Bad request: {what}."));
    match request.property("operation") {
        Some(Value::String(operation)) if operation == "put-token" => {}
        _ => return Err(bad("the operation is not put-token")),
    }
    match request.property("type") {
        Some(Value::String(kind)) if kind == "servicebus.windows.net:sastoken" || kind == "jwt" => {
        }
        _ => return Err(bad("the type of token is not supported")),
    }
    let token = request.text().ok_or_else(|| bad("the body is not a string"))?;
    authority.check(&token, now).map_err(|why| (401, why))
}
