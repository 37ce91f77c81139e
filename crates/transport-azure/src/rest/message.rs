//! Frames and fences as messages of the REST interface.

use std::time::SystemTime;

use azure_core_legacy::date;
use azure_core_legacy::headers::Headers;
use azure_messaging_servicebus::service_bus::{
    PeekLockResponse, SendMessageOptions, SettableBrokerProperties,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::client::PROPERTIES;
use crate::encoding;
use crate::order::Fence;
use crate::subscription::Received;

/// How a frame is sent that is base64 already.
pub(super) fn frame() -> SendMessageOptions {
    SendMessageOptions {
        content_type: Some(encoding::BASE64.to_owned()),
        ..SendMessageOptions::default()
    }
}

/// How a fence is sent. It has no body.
pub(super) fn fence(fence: &Fence) -> SendMessageOptions {
    let properties = SettableBrokerProperties {
        to: Some(fence.addressee.clone()),
        correlation_id: Some(fence.correlation_id()),
        label: Some(fence.subject()),
        ..SettableBrokerProperties::default()
    };
    SendMessageOptions { broker_properties: Some(properties), ..SendMessageOptions::default() }
}

/// A message that has come, and its lock.
pub(super) struct Locked {
    pub(super) received: Received,
    /// When the service accepted it, in full seconds.
    pub(super) accepted_at: Option<SystemTime>,
    pub(super) lock: PeekLockResponse,
}

impl Locked {
    /// What a message says. Its body is base64 whatever it was: see [`Client`](super::client::Client).
    pub(super) fn new(lock: PeekLockResponse) -> Self {
        let properties = properties(&lock);
        let (sequence, fence) = read(&properties);
        let accepted_at = properties.get("EnqueuedTimeUtc").and_then(Value::as_str);
        let accepted_at = accepted_at.and_then(|text| date::parse_rfc1123(text).ok());
        let frame = STANDARD.decode(lock.body()).unwrap_or_default().into();
        let received = Received { sequence, fence, frame };
        Self { received, accepted_at: accepted_at.map(SystemTime::from), lock }
    }
}

/// `BrokerProperties`, read leniently: foreign messages lack some that the client library insists on.
fn properties(locked: &PeekLockResponse) -> Value {
    let Ok(headers) = locked.custom_properties::<Headers>();
    let text = headers.get_optional_str(&PROPERTIES).unwrap_or_default();
    serde_json::from_str(text).unwrap_or_default()
}

/// The number and the fence in `BrokerProperties`.
fn read(properties: &Value) -> (Option<i64>, Option<Fence>) {
    let text = |name: &str| properties.get(name).and_then(Value::as_str);
    let fence = Fence::read(text("To"), text("CorrelationId"), text("Label"));
    (properties.get("SequenceNumber").and_then(Value::as_i64), fence)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::order::Opener;

    #[test]
    fn fences_are_read_as_they_were_written() {
        let opener = Opener { transport: 7, number: 3 };
        let written = Fence { addressee: "mine".to_owned(), opener, token: Some(5) };
        let options = fence(&written).broker_properties.unwrap();
        let mut json = serde_json::to_value(&options).unwrap();
        json["SequenceNumber"] = 12.into();
        assert_eq!(read(&json), (Some(12), Some(written)));
    }

    #[test]
    fn properties_may_lack_anything() {
        for json in [json!(null), json!([]), json!({}), json!({"SequenceNumber": "1", "To": 7})] {
            assert_eq!(read(&json), (None, None), "{json}");
        }
        let foreign = json!({"SequenceNumber": 3, "To": "mine", "Label": "order"});
        assert_eq!(read(&foreign), (Some(3), None));
    }
}
