//! `BrokerProperties`: what of a message HTTP has in one header.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fe2o3_amqp_types::messaging::{Header, MessageId, Properties};
use serde::{Deserialize, Serialize};
use serde_amqp::Value;

use crate::Message;
use crate::broker::connections::Delivery;
use crate::broker::tokens::to_text;

use super::duration::http_time;

/// What a sender may set. What is not named here is ignored, as in Azure.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Settable {
    message_id: Option<String>,
    correlation_id: Option<String>,
    label: Option<String>,
    to: Option<String>,
    reply_to: Option<String>,
    session_id: Option<String>,
    reply_to_session_id: Option<String>,
    content_type: Option<String>,
    /// Seconds.
    time_to_live: Option<f64>,
}

impl Settable {
    /// The message that a sender means.
    ///
    /// # Errors
    /// What of it is not valid.
    pub(super) fn into_message(
        self,
        content_type: Option<String>,
        application: BTreeMap<String, Value>,
        body: Bytes,
    ) -> Result<Message, String> {
        let ttl = match self.time_to_live.map(Duration::try_from_secs_f64) {
            None => None,
            Some(Ok(ttl)) => Some(u32::try_from(ttl.as_millis()).unwrap_or(u32::MAX)),
            Some(Err(_)) => return Err("TimeToLive is not valid".to_owned()),
        };
        let properties = Properties {
            message_id: self.message_id.map(MessageId::String),
            correlation_id: self.correlation_id.map(MessageId::String),
            subject: self.label,
            to: self.to,
            reply_to: self.reply_to,
            group_id: self.session_id,
            reply_to_group_id: self.reply_to_session_id,
            content_type: self.content_type.or(content_type).map(Into::into),
            ..Properties::default()
        };
        let header = Header { ttl, ..Header::default() };
        Ok(Message::compose(header, properties, application, body))
    }
}

/// What a receiver is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Told {
    delivery_count: u32,
    enqueued_sequence_number: i64,
    enqueued_time_utc: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locked_until_utc: Option<String>,
    message_id: String,
    sequence_number: i64,
    state: &'static str,
    /// Seconds.
    time_to_live: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to_session_id: Option<String>,
}

/// In seconds, what Azure says of a message that lives for ever.
const FOR_EVER: f64 = 922_337_203_685.477_5;

impl Told {
    pub(super) fn of(delivery: &Delivery) -> Self {
        let Delivery { message, stamp, expires_at, .. } = delivery;
        let properties = &message.properties;
        let lives = |end: SystemTime| {
            end.duration_since(stamp.enqueued_at).unwrap_or_default().as_secs_f64()
        };
        Self {
            // Over HTTP this delivery is counted.
            delivery_count: stamp.delivery_count + 1,
            enqueued_sequence_number: stamp.topic_sequence,
            enqueued_time_utc: http_time(stamp.enqueued_at),
            lock_token: stamp.lock.map(|(token, _)| to_text(token)),
            locked_until_utc: stamp.lock.map(|(_, until)| http_time(until)),
            message_id: properties.message_id.as_ref().map(id_text).unwrap_or_default(),
            sequence_number: stamp.sequence,
            state: "Active",
            time_to_live: expires_at.map_or(FOR_EVER, lives),
            correlation_id: properties.correlation_id.as_ref().map(id_text),
            label: properties.subject.clone(),
            to: properties.to.clone(),
            reply_to: properties.reply_to.clone(),
            session_id: properties.group_id.clone(),
            reply_to_session_id: properties.reply_to_group_id.clone(),
        }
    }
}

fn id_text(id: &MessageId) -> String {
    match id {
        MessageId::Ulong(number) => number.to_string(),
        MessageId::Uuid(id) => to_text(*id.as_inner()),
        MessageId::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        MessageId::String(text) => text.clone(),
    }
}

/// A JSON text in which every character can stand in a header.
pub(super) fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}
