//! Bytes of AMQP: how long a value is, and frames.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde_amqp::serde::Serialize;
use thiserror::Error;

/// What cannot be decoded.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("malformed AMQP: {0}")]
pub struct Malformed(pub(crate) &'static str);

/// Deeper nesting is refused: decoders recurse.
const MAX_DEPTH: usize = 32;

/// The size of the encoded value at the beginning of `bytes`, checked all the way down, so that no decoder meets
/// a length that is not there.
///
/// # Errors
/// When it does not end within `bytes`, or is no AMQP.
pub(crate) fn value_size(bytes: &[u8]) -> Result<usize, Malformed> {
    sized(bytes, MAX_DEPTH)
}

fn sized(bytes: &[u8], depth: usize) -> Result<usize, Malformed> {
    let depth = depth.checked_sub(1).ok_or(Malformed("nested too deeply"))?;
    let code = *bytes.first().ok_or(Malformed("a value is missing"))?;
    if code == 0 {
        let descriptor = sized(&bytes[1..], depth)?;
        return Ok(1 + descriptor + sized(&bytes[1 + descriptor..], depth)?);
    }
    Ok(1 + body_size(code, &bytes[1..], depth)?)
}

/// The size of what follows a constructor.
fn body_size(code: u8, body: &[u8], depth: usize) -> Result<usize, Malformed> {
    let (head, size) = match code >> 4 {
        0x4 => (0, 0),
        0x5 => (0, 1),
        0x6 => (0, 2),
        0x7 => (0, 4),
        0x8 => (0, 8),
        0x9 => (0, 16),
        0xa | 0xc | 0xe => (1, usize::from(*body.first().ok_or(Malformed("no length"))?)),
        0xb | 0xd | 0xf => (4, length(body)?),
        _ => return Err(Malformed("an unknown constructor")),
    };
    let end = head + size;
    let content = body.get(head..end).ok_or(Malformed("it ends in the middle of a value"))?;
    match code {
        0xc0 | 0xc1 | 0xd0 | 0xd1 => check_compound(content, head, depth)?,
        0xe0 | 0xf0 => check_array(content, head, depth)?,
        0xa1 | 0xb1 | 0xa3 | 0xb3 => {
            std::str::from_utf8(content).map_err(|_| Malformed("text that is not UTF-8"))?;
        }
        _ => {}
    }
    Ok(end)
}

fn length(bytes: &[u8]) -> Result<usize, Malformed> {
    let four = bytes.first_chunk::<4>().ok_or(Malformed("no length"))?;
    Ok(u32::from_be_bytes(*four) as usize)
}

/// The count at the beginning of a list, map or array, and what follows it.
fn counted(content: &[u8], width: usize) -> Result<(usize, &[u8]), Malformed> {
    let count = match width {
        1 => usize::from(*content.first().ok_or(Malformed("no count"))?),
        _ => length(content)?,
    };
    Ok((count, &content[width..]))
}

fn check_compound(content: &[u8], width: usize, depth: usize) -> Result<(), Malformed> {
    let (count, mut rest) = counted(content, width)?;
    for _ in 0..count {
        rest = &rest[sized(rest, depth)?..];
    }
    if rest.is_empty() { Ok(()) } else { Err(Malformed("a list is longer than its items")) }
}

fn check_array(content: &[u8], width: usize, depth: usize) -> Result<(), Malformed> {
    let (count, mut rest) = counted(content, width)?;
    if rest.first() == Some(&0) {
        rest = &rest[1 + sized(&rest[1..], depth)?..];
    }
    let code = match rest.split_first() {
        Some((code, items)) => {
            rest = items;
            *code
        }
        None if count == 0 => return Ok(()),
        None => return Err(Malformed("an array without a constructor")),
    };
    if code >> 4 == 4 && count > content.len() {
        // Items without bytes: the count alone would make a decoder allocate.
        return Err(Malformed("an array of nothing"));
    }
    for _ in 0..count {
        rest = &rest[body_size(code, rest, depth)?..];
    }
    if rest.is_empty() { Ok(()) } else { Err(Malformed("an array is longer than its items")) }
}

/// The code of a described value, and the value.
///
/// # Errors
/// When it is no described value with a numeric descriptor.
pub(crate) fn descriptor(value: &[u8]) -> Result<u64, Malformed> {
    match value {
        [0, 0x53, code, ..] => Ok(u64::from(*code)),
        [0, 0x44, ..] => Ok(0),
        [0, 0x80, rest @ ..] => {
            let eight = rest.first_chunk::<8>().ok_or(Malformed("no descriptor"))?;
            Ok(u64::from_be_bytes(*eight))
        }
        _ => Err(Malformed("no descriptor")),
    }
}

/// What kind of frame it is.
pub(crate) const AMQP: u8 = 0;
pub(crate) const SASL: u8 = 1;

/// A frame as it came: its performative and what follows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RawFrame {
    pub(crate) kind: u8,
    pub(crate) channel: u16,
    /// Empty in a sign of life.
    pub(crate) performative: Bytes,
    pub(crate) payload: Bytes,
}

/// The next whole frame; `None` if it has not come yet.
///
/// # Errors
/// When it is no frame, or larger than allowed. Nothing after it can be trusted.
pub(crate) fn take_frame(
    inbox: &mut BytesMut,
    largest: usize,
) -> Result<Option<RawFrame>, Malformed> {
    let Some(header) = inbox.first_chunk::<8>() else {
        return Ok(None);
    };
    let [a, b, c, d, offset, kind, e, f] = *header;
    let size = u32::from_be_bytes([a, b, c, d]) as usize;
    let start = usize::from(offset) * 4;
    if size > largest {
        return Err(Malformed("a frame is larger than agreed"));
    }
    if start < 8 || size < start {
        return Err(Malformed("not a frame"));
    }
    if inbox.len() < size {
        return Ok(None);
    }
    let mut body = inbox.split_to(size).freeze();
    body.advance(start);
    let performative = if body.is_empty() {
        Bytes::new()
    } else {
        let size = value_size(&body)?;
        body.split_to(size)
    };
    Ok(Some(RawFrame { kind, channel: u16::from_be_bytes([e, f]), performative, payload: body }))
}

/// Appends a frame. What cannot be encoded is left out; nothing the emulator sends cannot.
pub(crate) fn put_frame(
    out: &mut BytesMut,
    kind: u8,
    channel: u16,
    performative: &impl Serialize,
    payload: &[u8],
) {
    let Ok(performative) = serde_amqp::to_vec(performative) else {
        return;
    };
    let size = 8 + performative.len() + payload.len();
    out.reserve(size);
    out.put_u32(u32::try_from(size).unwrap_or(u32::MAX));
    out.put_u8(2);
    out.put_u8(kind);
    out.put_u16(channel);
    out.put_slice(&performative);
    out.put_slice(payload);
}

/// A frame without anything in it, which says that one is alive.
pub(crate) const SIGN_OF_LIFE: [u8; 8] = [0, 0, 0, 8, 2, AMQP, 0, 0];

#[cfg(test)]
mod tests {
    use serde_amqp::Value;
    use serde_amqp::primitives::{Array, OrderedMap, Symbol};

    use super::*;

    fn encoded(value: &Value) -> Vec<u8> {
        serde_amqp::to_vec(value).unwrap()
    }

    #[test]
    fn every_value_has_its_size_and_no_prefix_passes() {
        let map: OrderedMap<Value, Value> =
            [(Value::Symbol(Symbol::from("a")), Value::Ulong(300))].into_iter().collect();
        let values = [
            Value::Null,
            Value::Bool(true),
            Value::Uint(1),
            Value::Ulong(1 << 40),
            Value::String("x".repeat(300)),
            Value::List(vec![Value::Null, Value::Map(map), Value::String("y".to_owned())]),
            Value::Array(Array(vec![Value::Symbol("a".into()), Value::Symbol("bc".into())])),
        ];
        for value in values {
            let bytes = encoded(&value);
            assert_eq!(value_size(&bytes), Ok(bytes.len()), "{value:?}");
            for end in 0..bytes.len() {
                assert!(value_size(&bytes[..end]).is_err(), "{value:?} up to {end}");
            }
        }
    }

    #[test]
    fn hostile_values_are_refused() {
        let mut nested = vec![];
        for _ in 0..100 {
            nested.extend([0xd0, 0, 0, 1, 0, 0, 0, 0, 1]);
        }
        assert!(value_size(&nested).is_err());
        let descriptors = vec![0; 10_000];
        assert_eq!(value_size(&descriptors), Err(Malformed("nested too deeply")));
        let many_nulls = [0xf0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x40];
        assert_eq!(value_size(&many_nulls), Err(Malformed("an array of nothing")));
        assert!(value_size(&[0xb0, 0xff, 0xff, 0xff, 0xff, 1]).is_err());
        assert!(value_size(&[0xa1, 1, 0xff]).is_err());
    }

    #[test]
    fn frames_come_out_whole() {
        let mut bytes = BytesMut::new();
        put_frame(&mut bytes, AMQP, 3, &Value::List(vec![Value::Null]), b"payload");
        bytes.extend_from_slice(&SIGN_OF_LIFE);
        let whole = bytes.clone();
        let mut inbox = BytesMut::new();
        let mut frames = Vec::new();
        for byte in whole {
            inbox.put_u8(byte);
            frames.extend(take_frame(&mut inbox, 512).unwrap());
        }
        assert_eq!(frames.len(), 2);
        assert_eq!((frames[0].channel, &frames[0].payload[..]), (3, &b"payload"[..]));
        assert!(frames[1].performative.is_empty());
        assert!(take_frame(&mut BytesMut::from(&b"GET / HTTP/1.1\r\n"[..]), 512).is_err());
    }
}
