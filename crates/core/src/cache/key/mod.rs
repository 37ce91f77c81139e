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

//!
//! The text of a shape, for those who compute the fingerprint in another language:
//!
//! | the type asks for | text |
//! | --- | --- |
//! | a primitive | `bool;` `i8;` … `i128;` `u8;` … `u128;` `f32;` `f64;` `char;` `string;` `bytes;` `unit;` |
//! | an option | `option ` and the shape inside |
//! | a newtype struct | the shape inside |
//! | a sequence, a set | `seq ` and the shape of one element |
//! | a map | `map `, the shape of one key, the shape of one value |
//! | a tuple, array or tuple struct of *n* | `tuple`*n*`(`, the shapes of its elements, `)` |
//! | a struct | `struct{`, for each field its name, `:` and its shape, `}` |
//! | an enum | `enum{`, the names of its variants separated by `,`, `}`, the chosen variant's name, `:` and: `unit;`, or `newtype ` and the shape inside, or the text of a tuple or struct |
//!
//! The type is visited in passes, and the texts of the passes are joined by `|`. The first pass chooses the
//! first variant of every enum. For every enum that a pass meets at a place where none was met before, one more
//! pass for each of its other variants is put at the end of a queue: it makes the same choices for the enums
//! before this one, and chooses the first variant of those after it. (A place is the way there from the whole
//! key: positions of fields and elements, key or value of a map, and chosen variants.) There are 256 passes at
//! the most; while more than 256 wait in the queue none are added to it. A pass ends early with `...` 24
//! levels deep, where a recursive type goes on.
//!
//! # Long keys
//! A key of more than 64 KiB is not named: the whole cache is. For types that were not visited to their end,
//! recursive ones above all, that is so from 256 bytes on.

mod encode;
mod fingerprint;
mod trace;

pub(crate) use encode::{decode, encode};
pub(crate) use fingerprint::{fingerprint, max_bytes};
