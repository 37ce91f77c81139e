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
//! Pass 0 chooses the first variant of every enum, pass 1 the second (or the last, where there are fewer), and
//! so on up to the number of variants of the largest enum met, 256 at the most; the texts of the passes are
//! joined by `|`. A pass ends early with `...` 24 levels deep, where a recursive type goes on.

mod encode;
mod fingerprint;
mod trace;

pub(crate) use encode::{decode, encode};
pub(crate) use fingerprint::fingerprint;
