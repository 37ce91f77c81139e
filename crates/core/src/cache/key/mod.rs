//! Keys on the wire: how they are encoded, and how a change of their type is noticed.
//!
//! # Encoding
//! A key travels as its `serde` form in [postcard](https://postcard.jamesmunns.com/wire-format) 1.x:
//! integers as LEB128 varints (signed ones zigzagged, `u8`/`i8` as one byte), strings and byte strings as a
//! varint length and the bytes, structs and tuples as their fields one after the other, enum variants as a
//! varint index and their fields, options as one byte 0 or 1 and the value.
//!
//! # Schema fingerprint
//! Beside a key travels the fingerprint of its type's shape ([`fingerprint`]): a node whose key type of the
//! same cache has another shape clears the cache instead of decoding bytes that mean something else.

mod encode;
mod fingerprint;
mod trace;

pub(crate) use encode::{decode, encode};
pub(crate) use fingerprint::fingerprint;
