//! What filters see of a message.

use std::cmp::Ordering;

use fe2o3_amqp_types::messaging::MessageId;
use serde_amqp::Value;

use crate::Message;

/// A property of the system, by its name without regard to case. `None` if the message does not have it, or
/// there is no such property.
pub(crate) fn system(message: &Message, name: &str) -> Option<Value> {
    let properties = &message.properties;
    match name.to_ascii_lowercase().as_str() {
        "messageid" => properties.message_id.as_ref().map(id_value),
        "correlationid" => properties.correlation_id.as_ref().map(id_value),
        "to" => properties.to.clone().map(Value::String),
        "replyto" => properties.reply_to.clone().map(Value::String),
        "label" | "subject" => properties.subject.clone().map(Value::String),
        "sessionid" => properties.group_id.clone().map(Value::String),
        "replytosessionid" => properties.reply_to_group_id.clone().map(Value::String),
        "contenttype" => properties.content_type.clone().map(|symbol| Value::String(symbol.0)),
        _ => None,
    }
}

/// Whether there is such a property of the system.
pub(crate) fn is_system(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "MessageId",
        "CorrelationId",
        "To",
        "ReplyTo",
        "Label",
        "Subject",
        "SessionId",
        "ReplyToSessionId",
        "ContentType",
    ];
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn id_value(id: &MessageId) -> Value {
    match id {
        MessageId::Ulong(number) => Value::Ulong(*number),
        MessageId::Uuid(id) => Value::Uuid(id.clone()),
        MessageId::Binary(bytes) => Value::Binary(bytes.clone()),
        MessageId::String(text) => Value::String(text.clone()),
    }
}

/// How two values compare; `None` if they are of different kinds.
pub(crate) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (text(a), text(b)) {
        return Some(a.cmp(b));
    }
    if let (Some(a), Some(b)) = (integer(a), integer(b)) {
        return Some(a.cmp(&b));
    }
    if let (Some(a), Some(b)) = (number(a), number(b)) {
        return a.partial_cmp(&b);
    }
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Uuid(a), Value::Uuid(b)) => Some(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Whether two values are the same, whatever the width of their encoding.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    compare(a, b) == Some(Ordering::Equal)
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Symbol(symbol) => Some(symbol.as_str()),
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i128> {
    Some(match value {
        Value::Ubyte(n) => (*n).into(),
        Value::Ushort(n) => (*n).into(),
        Value::Uint(n) => (*n).into(),
        Value::Ulong(n) => (*n).into(),
        Value::Byte(n) => (*n).into(),
        Value::Short(n) => (*n).into(),
        Value::Int(n) => (*n).into(),
        Value::Long(n) => (*n).into(),
        _ => return None,
    })
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Float(n) => Some(n.0.into()),
        Value::Double(n) => Some(n.0),
        _ => integer(value).map(|n| n as f64),
    }
}
