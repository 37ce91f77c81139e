//! Application properties as headers: text in quotes, numbers and truth values without.

use std::collections::BTreeMap;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use serde_amqp::Value;

use super::broker_properties::ascii;
use super::duration::http_time;

/// Headers that are the protocol's.
const NOT_CUSTOM: [&str; 21] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "brokerproperties",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];

/// The application properties among a request's headers. Names are in lower case: HTTP does not tell.
pub(super) fn from_headers(headers: &HeaderMap) -> BTreeMap<String, Value> {
    let mut properties = BTreeMap::new();
    for (name, value) in headers {
        let name = name.as_str();
        if NOT_CUSTOM.contains(&name) || name.starts_with("x-ms-") {
            continue;
        }
        let text = String::from_utf8_lossy(value.as_bytes());
        properties.insert(name.to_owned(), from_text(&text));
    }
    properties
}

/// Text without quotes that is nothing else is taken as it is.
fn from_text(text: &str) -> Value {
    let text = text.trim();
    match serde_json::from_str(text) {
        Ok(json) => from_json(&json).unwrap_or_else(|| Value::String(text.to_owned())),
        Err(_) => Value::String(text.to_owned()),
    }
}

/// A value of JSON that an application property can have.
pub(super) fn from_json(json: &serde_json::Value) -> Option<Value> {
    use serde_json::Value as Json;
    Some(match json {
        Json::String(text) => Value::String(text.clone()),
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::Long(integer),
            None => Value::from(number.as_f64()?),
        },
        Json::Null | Json::Array(_) | Json::Object(_) => return None,
    })
}

/// Adds application properties to an answer; those that cannot be a header are left out.
pub(super) fn add(properties: &BTreeMap<String, Value>, headers: &mut HeaderMap) {
    for (name, value) in properties {
        let Ok(name) = HeaderName::try_from(name.as_str()) else {
            continue;
        };
        if NOT_CUSTOM.contains(&name.as_str()) {
            continue;
        }
        if let Some(value) = to_text(value).and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(name, value);
        }
    }
}

fn to_text(value: &Value) -> Option<String> {
    let quoted = |text: &str| serde_json::to_string(text).ok().map(|json| ascii(&json));
    match value {
        Value::String(text) => quoted(text),
        Value::Symbol(text) => quoted(text.as_str()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Ubyte(number) => Some(number.to_string()),
        Value::Ushort(number) => Some(number.to_string()),
        Value::Uint(number) => Some(number.to_string()),
        Value::Ulong(number) => Some(number.to_string()),
        Value::Byte(number) => Some(number.to_string()),
        Value::Short(number) => Some(number.to_string()),
        Value::Int(number) => Some(number.to_string()),
        Value::Long(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.0.to_string()),
        Value::Double(number) => Some(number.0.to_string()),
        Value::Timestamp(time) => {
            let millis = u64::try_from(time.milliseconds()).ok()?;
            let since = std::time::Duration::from_millis(millis);
            quoted(&http_time(std::time::UNIX_EPOCH.checked_add(since)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_headers() {
        let sent: BTreeMap<String, Value> = [
            ("text", Value::String("a \"b\" ü€😀".to_owned())),
            ("digits", Value::String("12".to_owned())),
            ("number", Value::Long(-12)),
            ("half", Value::from(0.5)),
            ("on", Value::Bool(true)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        let mut headers = HeaderMap::new();
        add(&sent, &mut headers);
        assert_eq!(from_headers(&headers), sent);
    }

    #[test]
    fn bare_text_and_foreign_headers() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("x"));
        headers.insert("kind", HeaderValue::from_static("High, higher"));
        headers.insert("list", HeaderValue::from_static("[1]"));
        let properties = from_headers(&headers);
        assert_eq!(properties.len(), 2);
        assert_eq!(properties.get("kind"), Some(&Value::String("High, higher".to_owned())));
        assert_eq!(properties.get("list"), Some(&Value::String("[1]".to_owned())));
    }
}
