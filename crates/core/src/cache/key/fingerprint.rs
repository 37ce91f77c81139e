//! One number for the shape of a key type.

use serde::de::DeserializeOwned;
use twox_hash::XxHash3_64;

use super::trace::{MAX_VARIANTS, Tracer};

/// The fingerprint of a key type: XXH3-64, seed 0, of the UTF-8 text of its shape.
///
/// The shape is what the type asks of a `serde` deserializer: the primitive kinds, the names of fields and
/// variants in their order, the lengths of tuples. Names of types do not count, so moving or renaming a type
/// changes nothing. Enums are visited once per variant, all enums of the type in step. After the shape
/// come a zero byte and the version that the user gave the cache, empty for none: a way to tell types
/// apart that ask for the same.
pub(crate) fn fingerprint<K: DeserializeOwned>(version: &str) -> u64 {
    let text = shape::<K>() + "\0" + version;
    XxHash3_64::oneshot(text.as_bytes())
}

/// The shape as text, one pass per variant, separated by `|`.
fn shape<K: DeserializeOwned>() -> String {
    let mut text = String::new();
    let mut pass = 0;
    loop {
        let mut tracer = Tracer::new(pass);
        // A type that refuses the tracer's made-up values has a shape up to that point, every time the same.
        let _ = K::deserialize(&mut tracer);
        text.push_str(&tracer.shape);
        pass += 1;
        if pass >= tracer.most_variants.min(MAX_VARIANTS) {
            return text;
        }
        text.push('|');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    mod here {
        use super::Deserialize;
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its shape matters")]
        pub(super) struct Key {
            pub(super) id: u64,
            pub(super) kind: Kind,
        }
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its shape matters")]
        pub(super) enum Kind {
            Plain,
            Named(String),
            Nested { inner: Option<Box<Kind>> },
        }
    }

    mod there {
        use super::Deserialize;
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its shape matters")]
        pub(super) struct Renamed {
            pub(super) id: u64,
            pub(super) kind: Sort,
        }
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its shape matters")]
        pub(super) enum Sort {
            Plain,
            Named(String),
            Nested { inner: Option<Box<Sort>> },
        }
    }

    mod changed {
        use super::Deserialize;
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its shape matters")]
        pub(super) struct Key {
            pub(super) id: u64,
            pub(super) kind: Kind,
        }
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its shape matters")]
        pub(super) enum Kind {
            Plain,
            Named(u32),
            Nested { inner: Option<Box<Kind>> },
        }
    }

    #[test]
    fn names_of_types_do_not_count() {
        assert_eq!(fingerprint::<here::Key>(""), fingerprint::<there::Renamed>(""));
    }

    #[test]
    fn everything_else_does() {
        let mut all = vec![
            fingerprint::<here::Key>(""),
            fingerprint::<here::Key>("2"),
            fingerprint::<changed::Key>(""),
            fingerprint::<u64>(""),
            fingerprint::<u32>(""),
            fingerprint::<i64>(""),
            fingerprint::<String>(""),
            fingerprint::<(u64, u64)>(""),
            fingerprint::<(u64, u64, u64)>(""),
            fingerprint::<Option<u64>>(""),
            fingerprint::<Vec<u64>>(""),
            fingerprint::<Vec<u32>>(""),
            fingerprint::<[u8; 16]>(""),
            fingerprint::<[u8; 20]>(""),
            fingerprint::<std::collections::BTreeMap<u8, String>>(""),
            fingerprint::<(std::num::NonZeroU16, bool, char)>(""),
        ];
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn it_is_stable() {
        // On the wire: another number here is a change of the format.
        assert_eq!(fingerprint::<u64>("2"), XxHash3_64::oneshot(b"u64;\x002"));
        assert_eq!(shape::<(Option<bool>, Vec<i8>)>(), "tuple2(option bool;seq i8;)");
        let passes = shape::<here::Key>();
        let passes: Vec<_> = passes.split('|').collect();
        assert_eq!(passes.len(), 3);
        assert_eq!(passes[0], "struct{id:u64;kind:enum{Plain,Named,Nested}Plain:unit;}");
        assert_eq!(passes[1], "struct{id:u64;kind:enum{Plain,Named,Nested}Named:newtype string;}");
        let nested = "struct{id:u64;kind:enum{Plain,Named,Nested}Nested:struct{inner:option ";
        assert!(passes[2].starts_with(nested), "{}", passes[2]);
        assert!(passes[2].ends_with("..."), "{}", passes[2]);
    }
}
