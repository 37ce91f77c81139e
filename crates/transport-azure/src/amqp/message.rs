//! Frames and fences as AMQP messages.
//!
//! A frame is one data section; that of a text-safe sender is base64 and says so by its content type. A fence
//! has its addressee in `to`, who asked in `correlation-id` and the token in `subject`.

use bytes::Bytes;
use fe2o3_amqp::types::messaging::annotations::OwnedKey;
use fe2o3_amqp::types::messaging::{Body, Data, Message, MessageId, Properties};
use fe2o3_amqp::types::primitives::{Binary, Symbol, Value};

use crate::encoding;
use crate::order::Fence;

pub(super) type Received = Message<Body<Value>>;

const SEQUENCE_NUMBER: &str = "x-opt-sequence-number";

pub(super) fn frame(frame: &[u8]) -> Message<Data> {
    let properties =
        Properties { content_type: Some(Symbol::from(encoding::BINARY)), ..Properties::default() };
    Message::builder().properties(properties).data(Binary::from(frame.to_vec())).build()
}

pub(super) fn fence(fence: &Fence) -> Message<Data> {
    let properties = Properties {
        to: Some(fence.addressee.clone()),
        correlation_id: Some(MessageId::String(fence.correlation_id())),
        subject: Some(fence.subject()),
        ..Properties::default()
    };
    Message::builder().properties(properties).data(Binary::from(Vec::new())).build()
}

pub(super) fn sequence_number(message: &Received) -> Option<i64> {
    let annotations = message.message_annotations.as_ref()?;
    match annotations.get(&OwnedKey::Symbol(Symbol::from(SEQUENCE_NUMBER)))? {
        Value::Long(number) => Some(*number),
        _ => None,
    }
}

pub(super) fn read_fence(message: &Received) -> Option<Fence> {
    let properties = message.properties.as_ref()?;
    let Some(MessageId::String(correlation_id)) = &properties.correlation_id else { return None };
    Fence::read(properties.to.as_deref(), Some(correlation_id), properties.subject.as_deref())
}

/// What a message carries.
pub(super) fn into_frame(message: Received) -> Bytes {
    let content_type = message.properties.and_then(|properties| properties.content_type);
    let bytes = match message.body {
        Body::Data(sections) => {
            let mut sections = sections.into_iter();
            let mut bytes = sections.next().map(|section| section.0.into_vec()).unwrap_or_default();
            sections.for_each(|section| bytes.extend_from_slice(&section.0));
            bytes
        }
        Body::Value(value) => match value.0 {
            Value::Binary(bytes) => bytes.into_vec(),
            Value::String(text) => text.into_bytes(),
            _ => Vec::new(),
        },
        Body::Sequence(_) | Body::Empty => Vec::new(),
    };
    encoding::frame(content_type.as_ref().map(Symbol::as_str), bytes.into())
}
