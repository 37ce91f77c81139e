//! Frames and fences as messages of the REST interface.

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

/// What a locked message says. Its body is base64 whatever it was: see [`Client`](super::client::Client).
pub(super) fn received(locked: &PeekLockResponse) -> Received {
    let Ok(headers) = locked.custom_properties::<Headers>();
    let properties = headers.get_optional_str(&PROPERTIES).unwrap_or_default();
    let (sequence, fence) = read(properties);
    let frame = STANDARD.decode(locked.body()).unwrap_or_default().into();
    Received { sequence, fence, frame }
}

/// The number and the fence in `BrokerProperties`.
///
/// They are read leniently: foreign messages lack some that the client library insists on.
fn read(properties: &str) -> (Option<i64>, Option<Fence>) {
    let properties: Value = serde_json::from_str(properties).unwrap_or_default();
    let text = |name: &str| properties.get(name).and_then(Value::as_str);
    let fence = Fence::read(text("To"), text("CorrelationId"), text("Label"));
    (properties.get("SequenceNumber").and_then(Value::as_i64), fence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Opener;

    #[test]
    fn fences_are_read_as_they_were_written() {
        let opener = Opener { transport: 7, number: 3 };
        let written = Fence { addressee: "mine".to_owned(), opener, token: Some(5) };
        let options = fence(&written).broker_properties.unwrap();
        let mut json = serde_json::to_value(&options).unwrap();
        json["SequenceNumber"] = 12.into();
        assert_eq!(read(&json.to_string()), (Some(12), Some(written)));
    }

    #[test]
    fn properties_may_lack_anything() {
        for text in ["", "[]", "null", "{}", r#"{"SequenceNumber":"1","To":7}"#] {
            assert_eq!(read(text), (None, None), "{text}");
        }
        let foreign = r#"{"SequenceNumber":3,"To":"mine","Label":"order"}"#;
        assert_eq!(read(foreign), (Some(3), None));
    }
}
