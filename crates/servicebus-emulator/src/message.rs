//! Messages: read where the broker must, and otherwise kept as the bytes that came.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::{BufMut, Bytes, BytesMut};
use fe2o3_amqp_types::messaging::{Header, Properties};
use serde_amqp::described::Described;
use serde_amqp::descriptor::Descriptor;
use serde_amqp::primitives::{OrderedMap, Symbol, Timestamp, Uuid};
use serde_amqp::{Value, from_slice, to_vec};

use crate::amqp::wire::{self, Malformed};
use crate::time::milliseconds;

const HEADER: u64 = 0x70;
const DELIVERY_ANNOTATIONS: u64 = 0x71;
const MESSAGE_ANNOTATIONS: u64 = 0x72;
const PROPERTIES: u64 = 0x73;
const APPLICATION_PROPERTIES: u64 = 0x74;
const DATA: u64 = 0x75;
const SEQUENCE: u64 = 0x76;
const VALUE: u64 = 0x77;
const FOOTER: u64 = 0x78;

/// A message, as it was sent.
#[derive(Clone, Debug, Default)]
pub struct Message {
    header: Header,
    annotations: Vec<(Value, Value)>,
    pub(crate) properties: Properties,
    pub(crate) application: BTreeMap<String, Value>,
    body: Body,
    /// Everything from the properties on, as it came.
    bare: Bytes,
    size: usize,
}

/// The body's sections, as they came.
#[derive(Clone, Debug, Default)]
enum Body {
    #[default]
    Nothing,
    Data(Vec<Bytes>),
    /// Encoded, with its descriptor.
    Value(Bytes),
    Sequences,
}

/// What the broker adds to a message that it delivers.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    pub(crate) sequence: i64,
    pub(crate) topic_sequence: i64,
    pub(crate) enqueued_at: SystemTime,
    /// Deliveries that failed before.
    pub(crate) delivery_count: u32,
    /// The lock's token and its end.
    pub(crate) lock: Option<([u8; 16], SystemTime)>,
}

impl Message {
    /// A message with a body of bytes and nothing else.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self::compose(Header::default(), Properties::default(), BTreeMap::new(), body.into())
    }

    /// The same message with an application property more.
    #[must_use]
    pub fn with_property(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let mut application = self.application.clone();
        application.insert(name.into(), value.into());
        let body = self.body().unwrap_or_default();
        Self::compose(self.header, self.properties, application, body)
    }

    pub(crate) fn compose(
        header: Header,
        properties: Properties,
        application: BTreeMap<String, Value>,
        body: Bytes,
    ) -> Self {
        let mut bare = BytesMut::new();
        if properties != Properties::default() {
            bare.put_slice(&to_vec(&properties).unwrap_or_default());
        }
        if !application.is_empty() {
            let map = application.iter().map(|(k, v)| (Value::String(k.clone()), v.clone()));
            bare.put_slice(&section(APPLICATION_PROPERTIES, Value::Map(map.collect())));
        }
        let data = Value::Binary(serde_bytes_from(&body));
        bare.put_slice(&section(DATA, data));
        let size = bare.len();
        Self {
            header,
            annotations: Vec::new(),
            properties,
            application,
            body: Body::Data(vec![body]),
            bare: bare.freeze(),
            size,
        }
    }

    /// An answer of a management node: its body is the value null, as Azure's is.
    pub(crate) fn answer(properties: Properties, application: BTreeMap<String, Value>) -> Self {
        let mut answer = Self::compose(Header::default(), properties, application, Bytes::new());
        let data = section(DATA, Value::Binary(serde_bytes_from(&Bytes::new())));
        let null = section(VALUE, Value::Null);
        let kept = answer.bare.len() - data.len();
        answer.bare = [&answer.bare[..kept], &null].concat().into();
        answer.size = answer.bare.len();
        answer.body = Body::Value(null.into());
        answer
    }

    /// Reads an encoded message.
    ///
    /// # Errors
    /// When it is none.
    pub fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let mut message = Self { size: bytes.len(), ..Self::default() };
        let mut rest = bytes;
        let mut last = 0;
        while !rest.is_empty() {
            let code = wire::descriptor(&rest)?;
            if code < last || (code == last && !matches!(code, DATA | SEQUENCE)) {
                return Err(Malformed("sections out of order"));
            }
            last = code;
            if code >= PROPERTIES && message.bare.is_empty() {
                message.bare = rest.clone();
            }
            let section = rest.split_to(wire::value_size(&rest)?);
            message.read_section(code, &section)?;
        }
        Ok(message)
    }

    fn read_section(&mut self, code: u64, section: &Bytes) -> Result<(), Malformed> {
        match code {
            HEADER => self.header = typed(section)?,
            DELIVERY_ANNOTATIONS | FOOTER => {}
            MESSAGE_ANNOTATIONS => self.annotations = entries(section)?,
            PROPERTIES => self.properties = typed(section)?,
            APPLICATION_PROPERTIES => {
                for (name, value) in entries(section)? {
                    let Value::String(name) = name else {
                        return Err(Malformed("an application property's name is no string"));
                    };
                    self.application.insert(name, value);
                }
            }
            DATA => {
                let data = binary(section)?;
                match &mut self.body {
                    Body::Data(sections) => sections.push(data),
                    body => *body = Body::Data(vec![data]),
                }
            }
            SEQUENCE => self.body = Body::Sequences,
            VALUE => self.body = Body::Value(section.clone()),
            _ => return Err(Malformed("an unknown section")),
        }
        Ok(())
    }

    /// The messages in a batch: each is a section of data of the message that came.
    ///
    /// # Errors
    /// When it is no batch, or a message in it is none.
    pub(crate) fn decode_batch(bytes: Bytes) -> Result<Vec<Self>, Malformed> {
        match Self::decode(bytes)?.body {
            Body::Data(sections) => sections.into_iter().map(Self::decode).collect(),
            _ => Err(Malformed("a batch has sections of data")),
        }
    }

    /// The message as it is delivered: what came, with the broker's stamp.
    pub(crate) fn encode(&self, stamp: &Stamp) -> Bytes {
        let mut annotations: OrderedMap<Value, Value> = self.annotations.iter().cloned().collect();
        let timestamp = |time| Value::Timestamp(Timestamp::from(milliseconds(time)));
        let mut add = |name: &str, value| {
            annotations.insert(Value::Symbol(Symbol::from(name)), value);
        };
        add("x-opt-enqueued-sequence-number", Value::Long(stamp.topic_sequence));
        add("x-opt-enqueued-time", timestamp(stamp.enqueued_at));
        add("x-opt-sequence-number", Value::Long(stamp.sequence));
        add("x-opt-message-state", Value::Int(0));
        if let Some((token, until)) = stamp.lock {
            add("x-opt-lock-token", Value::Uuid(Uuid::from(token)));
            add("x-opt-locked-until", timestamp(until));
        }
        let mut out = BytesMut::with_capacity(self.bare.len() + 256);
        out.put_slice(&self.header_section(stamp.delivery_count));
        out.put_slice(&section(MESSAGE_ANNOTATIONS, Value::Map(annotations)));
        out.put_slice(&self.bare);
        out.freeze()
    }

    /// With all its fields: there are clients that take a default that is left out for nothing at all.
    fn header_section(&self, delivery_count: u32) -> Vec<u8> {
        let Header { durable, priority, ttl, first_acquirer, .. } = &self.header;
        let fields = vec![
            Value::Bool(*durable),
            Value::Ubyte(priority.0),
            ttl.map_or(Value::Null, Value::Uint),
            Value::Bool(*first_acquirer),
            Value::Uint(delivery_count),
        ];
        section(HEADER, Value::List(fields))
    }

    /// The body, if it is bytes or text: the data sections put together, or a value.
    pub fn body(&self) -> Option<Bytes> {
        match &self.body {
            Body::Nothing => Some(Bytes::new()),
            Body::Data(sections) if sections.len() == 1 => sections.first().cloned(),
            Body::Data(sections) => Some(sections.concat().into()),
            Body::Value(section) => match described(section).ok()? {
                Value::String(text) => Some(text.into()),
                Value::Binary(bytes) => Some(bytes.into_vec().into()),
                _ => None,
            },
            Body::Sequences => None,
        }
    }

    /// The text of a body that is a string value.
    pub(crate) fn text(&self) -> Option<String> {
        let Body::Value(section) = &self.body else {
            return None;
        };
        match described(section) {
            Ok(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// An application property.
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.application.get(name)
    }

    /// What an annotation says.
    pub fn annotation(&self, name: &str) -> Option<&Value> {
        let named = |key: &Value| matches!(key, Value::Symbol(symbol) if symbol.as_str() == name);
        self.annotations.iter().find(|(key, _)| named(key)).map(|(_, value)| value)
    }

    /// How long it may wait, as its sender has it.
    pub(crate) fn time_to_live(&self) -> Option<Duration> {
        self.header.ttl.map(|ttl| Duration::from_millis(ttl.into()))
    }

    /// Encoded, as it came.
    pub fn size(&self) -> usize {
        self.size
    }
}

fn serde_bytes_from(bytes: &Bytes) -> serde_amqp::primitives::Binary {
    serde_amqp::primitives::Binary::from(bytes.to_vec())
}

fn section(code: u64, value: Value) -> Vec<u8> {
    let described = Described { descriptor: Descriptor::Code(code), value };
    to_vec(&described).unwrap_or_default()
}

/// A section that is a list.
fn typed<'a, T: serde_amqp::serde::Deserialize<'a>>(section: &'a [u8]) -> Result<T, Malformed> {
    from_slice(section).map_err(|_| Malformed("a section with other fields than it has"))
}

/// What is in a section, without its descriptor.
fn described(section: &[u8]) -> Result<Value, Malformed> {
    let start = 1 + wire::value_size(section.get(1..).unwrap_or_default())?;
    from_slice(&section[start..]).map_err(|_| Malformed("a value that cannot be read"))
}

fn entries(section: &[u8]) -> Result<Vec<(Value, Value)>, Malformed> {
    match described(section)? {
        Value::Map(map) => Ok(map.into_iter().collect()),
        Value::Null => Ok(Vec::new()),
        _ => Err(Malformed("a section that should be a map")),
    }
}

/// The content of a section of data, which is not copied.
fn binary(section: &Bytes) -> Result<Bytes, Malformed> {
    let start = 1 + wire::value_size(&section[1..])?;
    let head = match section.get(start) {
        Some(0xa0) => 2,
        Some(0xb0) => 5,
        _ => return Err(Malformed("data that are not binary")),
    };
    Ok(section.slice(start + head..))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn stamp() -> Stamp {
        Stamp {
            sequence: 7,
            topic_sequence: 9,
            enqueued_at: UNIX_EPOCH,
            delivery_count: 2,
            lock: None,
        }
    }

    fn sent() -> Vec<u8> {
        let header = Header { ttl: Some(5_000), priority: 9.into(), ..Header::default() };
        let mut bytes = to_vec(&header).unwrap();
        let key = |name: &str| Value::Symbol(Symbol::from(name));
        let annotations: OrderedMap<Value, Value> =
            [(key("mine"), Value::Int(1)), (key("x-opt-sequence-number"), Value::Long(0))]
                .into_iter()
                .collect();
        bytes.extend(section(MESSAGE_ANNOTATIONS, Value::Map(annotations)));
        let properties = Properties::builder().subject("s").message_id(5u64).build();
        bytes.extend(to_vec(&properties).unwrap());
        bytes.extend(section(DATA, Value::Binary(vec![1].into())));
        bytes.extend(section(DATA, Value::Binary(vec![2; 300].into())));
        let footer = [(key("f"), Value::Bool(true))].into_iter().collect();
        bytes.extend(section(FOOTER, Value::Map(footer)));
        bytes
    }

    #[test]
    fn what_was_sent_is_what_comes_out() {
        let bytes = Bytes::from(sent());
        let message = Message::decode(bytes.clone()).unwrap();
        assert_eq!(message.body().unwrap().len(), 301);
        assert_eq!(message.time_to_live(), Some(Duration::from_secs(5)));
        let delivered = message.encode(&stamp());
        assert!(delivered.ends_with(&message.bare));
        assert!(bytes.ends_with(&message.bare));
        let again = Message::decode(delivered).unwrap();
        assert_eq!(again.properties, message.properties);
        assert_eq!(again.annotation("mine"), Some(&Value::Int(1)));
        assert_eq!(again.annotation("x-opt-sequence-number"), Some(&Value::Long(7)));
        assert_eq!(again.annotation("x-opt-enqueued-sequence-number"), Some(&Value::Long(9)));
        assert_eq!(again.header.delivery_count, 2);
        assert_eq!(again.header.priority, 9.into());
    }

    #[test]
    fn a_composed_message_reads_as_it_was_made() {
        let message = Message::new("hello").with_property("n", 5i32);
        let again = Message::decode(message.encode(&stamp())).unwrap();
        assert_eq!(again.body().as_deref(), Some(&b"hello"[..]));
        assert_eq!(again.property("n"), Some(&Value::Int(5)));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let bytes = Bytes::from(sent());
        let mut whole = 0;
        for end in 0..bytes.len() {
            // A prefix may end with a section; it never panics.
            whole += usize::from(Message::decode(bytes.slice(..end)).is_ok());
        }
        assert_eq!(whole, 6, "no section, and those after which one ends");
        let twice = [section(VALUE, Value::Null), section(VALUE, Value::Null)].concat();
        assert!(Message::decode(twice.into()).is_err());
        assert!(Message::decode_batch(section(VALUE, Value::Null).into()).is_err());
    }
}
