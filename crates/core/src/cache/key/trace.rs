//! A deserializer that has no data: it writes down what a type asks for, and makes up answers.

use std::fmt;
use std::fmt::Write;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

/// How deep a type is followed; recursive ones have no end.
const MAX_DEPTH: usize = 24;
/// How much is written down, in bytes.
const MAX_SHAPE: usize = 64 * 1024;

/// Writes down the shape of the type that is deserialized from it.
pub(super) struct Tracer {
    pub(super) shape: String,
    /// The enums that were met, in this order.
    pub(super) choices: Vec<Choice>,
    /// Whether the type goes on where the tracer did not.
    pub(super) is_cut: bool,
    /// Which variants to choose of the first enums; the first one of all others.
    script: Vec<usize>,
    /// The way from the whole type to where the tracer is: fields, elements, variants.
    place: Vec<usize>,
    depth: usize,
}

/// An enum that was met.
pub(super) struct Choice {
    /// Where in the type it is: at one place there is always the same enum.
    pub(super) place: Vec<usize>,
    pub(super) chosen: usize,
    pub(super) variants: usize,
}

impl Tracer {
    pub(super) fn new(script: Vec<usize>) -> Self {
        Self {
            shape: String::new(),
            choices: Vec::new(),
            is_cut: false,
            script,
            place: Vec::new(),
            depth: 0,
        }
    }

    fn write(&mut self, text: impl fmt::Display) -> Result<(), Stop> {
        if self.shape.len() > MAX_SHAPE {
            self.is_cut = true;
            return Err(Stop);
        }
        write!(self.shape, "{text}").map_err(|_| Stop)
    }

    fn deeper<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, Stop>) -> Result<T, Stop> {
        if self.depth >= MAX_DEPTH {
            self.is_cut = true;
            self.write("...")?;
            return Err(Stop);
        }
        self.depth += 1;
        let result = body(self);
        self.depth -= 1;
        result
    }

    /// One of several things that are next to each other.
    fn at<T>(
        &mut self,
        step: usize,
        body: impl FnOnce(&mut Self) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        self.place.push(step);
        let result = body(self);
        self.place.pop();
        result
    }
}

/// Nothing more can be found out.
#[derive(Debug)]
pub(super) struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shape is not known any further")
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
}

macro_rules! primitives {
    ($($method:ident $kind:literal $visit:ident $value:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            self.write(concat!($kind, ";"))?;
            visitor.$visit($value)
        })*
    };
}

// One rather than zero: there are types that refuse zero.
impl<'de> Deserializer<'de> for &mut Tracer {
    type Error = Stop;

    primitives! {
        deserialize_bool "bool" visit_bool false;
        deserialize_i8 "i8" visit_i8 1;
        deserialize_i16 "i16" visit_i16 1;
        deserialize_i32 "i32" visit_i32 1;
        deserialize_i64 "i64" visit_i64 1;
        deserialize_i128 "i128" visit_i128 1;
        deserialize_u8 "u8" visit_u8 1;
        deserialize_u16 "u16" visit_u16 1;
        deserialize_u32 "u32" visit_u32 1;
        deserialize_u64 "u64" visit_u64 1;
        deserialize_u128 "u128" visit_u128 1;
        deserialize_f32 "f32" visit_f32 1.0;
        deserialize_f64 "f64" visit_f64 1.0;
        deserialize_char "char" visit_char 'a';
        deserialize_str "string" visit_borrowed_str "a";
        deserialize_string "string" visit_string "a".to_owned();
        deserialize_bytes "bytes" visit_borrowed_bytes b"a";
        deserialize_byte_buf "bytes" visit_byte_buf b"a".to_vec();
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Stop> {
        self.write("any;")?;
        Err(Stop)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_any(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.write("option ")?;
        self.deeper(|tracer| visitor.visit_some(tracer))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.write("unit;")?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.deserialize_unit(visitor)
    }

    // On the wire a newtype is what it holds.
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.deeper(|tracer| visitor.visit_newtype_struct(tracer))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.write("seq ")?;
        self.deeper(|tracer| visitor.visit_seq(Elements { tracer, met: 0, len: 1 }))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Stop> {
        self.write(format_args!("tuple{len}("))?;
        let value = self.deeper(|tracer| visitor.visit_seq(Elements { tracer, met: 0, len }))?;
        self.write(")")?;
        Ok(value)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.write("map ")?;
        self.deeper(|tracer| visitor.visit_map(Entries { tracer, has_key: false }))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.write("struct{")?;
        let value = self.deeper(|tracer| visitor.visit_map(Fields { tracer, met: 0, fields }))?;
        self.write("}")?;
        Ok(value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.write("enum{")?;
        for (place, variant) in variants.iter().enumerate() {
            self.write(if place == 0 { "" } else { "," })?;
            self.write(variant)?;
        }
        self.write("}")?;
        let chosen = self.script.get(self.choices.len()).copied().unwrap_or(0);
        let variant = *variants.get(chosen).ok_or(Stop)?;
        let place = self.place.clone();
        self.choices.push(Choice { place, chosen, variants: variants.len() });
        self.write(format_args!("{variant}:"))?;
        self.at(chosen, |tracer| {
            tracer.deeper(|tracer| visitor.visit_enum(Variant { tracer, variant }))
        })
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

struct Elements<'a> {
    tracer: &'a mut Tracer,
    met: usize,
    len: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Stop> {
        if self.met == self.len {
            return Ok(None);
        }
        self.met += 1;
        self.tracer.at(self.met, |tracer| seed.deserialize(tracer)).map(Some)
    }
}

/// One key and its value.
struct Entries<'a> {
    tracer: &'a mut Tracer,
    has_key: bool,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Stop;

    fn next_key_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Stop> {
        if self.has_key {
            return Ok(None);
        }
        self.has_key = true;
        self.tracer.at(0, |tracer| seed.deserialize(tracer)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Stop> {
        self.tracer.at(1, |tracer| seed.deserialize(tracer))
    }
}

struct Fields<'a> {
    tracer: &'a mut Tracer,
    met: usize,
    fields: &'static [&'static str],
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Stop;

    fn next_key_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Stop> {
        let Some((field, left)) = self.fields.split_first() else {
            return Ok(None);
        };
        self.fields = left;
        self.met += 1;
        self.tracer.write(format_args!("{field}:"))?;
        let name: StrDeserializer<'_, Stop> = (*field).into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Stop> {
        self.tracer.at(self.met, |tracer| seed.deserialize(tracer))
    }
}

struct Variant<'a> {
    tracer: &'a mut Tracer,
    variant: &'static str,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Stop;
    type Variant = &'a mut Tracer;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, &'a mut Tracer), Stop> {
        let name: StrDeserializer<'_, Stop> = self.variant.into_deserializer();
        Ok((seed.deserialize(name)?, self.tracer))
    }
}

impl<'de> VariantAccess<'de> for &mut Tracer {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        self.write("unit;")
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Stop> {
        self.write("newtype ")?;
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.deserialize_struct("", fields, visitor)
    }
}
