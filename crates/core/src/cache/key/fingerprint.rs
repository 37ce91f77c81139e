//! The shape of a key type: its number on the wire, and how long its keys may be.

use std::collections::{HashSet, VecDeque};

use foldhash::quality::FixedState;
use serde::de::DeserializeOwned;
use twox_hash::XxHash3_64;

use super::trace::Tracer;

/// How often a type is visited at most.
const MAX_PASSES: usize = 256;

/// The longest key that is named on the wire, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// The same where the bytes may say how deeply a key is nested. To decode one takes stack for every level,
/// and there can be a level for every byte.
const MAX_BYTES_OF_NESTED: usize = 256;

/// The fingerprint of a key type: XXH3-64, seed 0, of the UTF-8 text of its shape.
///
/// The shape is what the type asks of a `serde` deserializer: the primitive kinds, the names of fields and
/// variants in their order, the lengths of tuples. Names of types do not count, so moving or renaming a type
/// changes nothing. The type is visited once for every variant of every enum in it. After the shape come a
/// zero byte and the version that the user gave the cache, empty for none: a way to tell types apart that
/// ask for the same.
pub(crate) fn fingerprint<K: DeserializeOwned>(version: &str) -> u64 {
    let text = Shape::of::<K>().text + "\0" + version;
    XxHash3_64::oneshot(text.as_bytes())
}

/// The longest key of a type that is named on the wire, in bytes. Instead of a longer one the whole cache
/// is named, and taken to be named.
pub(crate) fn max_bytes<K: DeserializeOwned>() -> usize {
    if Shape::of::<K>().is_whole { MAX_BYTES } else { MAX_BYTES_OF_NESTED }
}

struct Shape {
    /// One pass per variant, separated by `|`.
    text: String,
    /// Whether there is no more to the type than what is in the text.
    is_whole: bool,
}

impl Shape {
    /// Visits a type: first with the first variant of every enum, then, for every enum in the order in which
    /// their places are first met, once for each of its other variants, with the same choices before it and the
    /// first variants after it.
    fn of<K: DeserializeOwned>() -> Self {
        let mut shape = Self { text: String::new(), is_whole: true };
        let mut met = HashSet::with_hasher(FixedState::with_seed(0));
        let mut scripts = VecDeque::from([Vec::new()]);
        for pass in 0..MAX_PASSES {
            let Some(script) = scripts.pop_front() else {
                return shape;
            };
            if pass > 0 {
                shape.text.push('|');
            }
            let mut tracer = Tracer::new(script);
            // A type that refuses the tracer's made-up values has a shape up to there, every time the same.
            let ended = K::deserialize(&mut tracer);
            shape.text.push_str(&tracer.shape);
            shape.is_whole &= ended.is_ok() && !tracer.is_cut;
            for (index, choice) in tracer.choices.iter().enumerate() {
                // What is further back in the queue is not reached anyway.
                if !met.insert(choice.place.clone()) || scripts.len() > MAX_PASSES {
                    continue;
                }
                let before = tracer.choices[..index].iter().map(|choice| choice.chosen);
                let before: Vec<_> = before.collect();
                let others = 1..choice.variants;
                scripts.extend(others.map(|other| [before.as_slice(), &[other]].concat()));
            }
        }
        shape.is_whole &= scripts.is_empty();
        shape
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
        assert_eq!(Shape::of::<(Option<bool>, Vec<i8>)>().text, "tuple2(option bool;seq i8;)");
        let passes = Shape::of::<here::Key>().text;
        let passes: Vec<_> = passes.split('|').collect();
        assert_eq!(passes[0], "struct{id:u64;kind:enum{Plain,Named,Nested}Plain:unit;}");
        assert_eq!(passes[1], "struct{id:u64;kind:enum{Plain,Named,Nested}Named:newtype string;}");
        let nested = "struct{id:u64;kind:enum{Plain,Named,Nested}Nested:struct{inner:option \
                      enum{Plain,Named,Nested}Plain:unit;}}";
        assert_eq!(passes[2], nested);
        assert!(passes.last().unwrap().ends_with("..."), "{:?}", passes.last());
        let text = Shape::of::<(Option<Two>, Two)>().text;
        let expected = "tuple2(option enum{A,B}A:unit;enum{A,B}A:unit;)|\
                        tuple2(option enum{A,B}B:newtype u8;enum{A,B}A:unit;)|\
                        tuple2(option enum{A,B}A:unit;enum{A,B}B:newtype u8;)";
        assert_eq!(text, expected);
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape matters")]
    enum Two {
        A,
        B(u8),
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its shape matters")]
    enum Outer<T> {
        A(Inner<T>),
        B,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its shape matters")]
    enum Inner<T> {
        X(u32),
        Y(T),
    }

    #[test]
    fn enums_inside_of_enums_are_visited() {
        let [one, two] = [fingerprint::<Outer<u64>>(""), fingerprint::<Outer<i64>>("")];
        assert_ne!(one, two);
    }

    #[test]
    fn the_last_variants_of_many_enums_are_visited() {
        #[derive(Deserialize)]
        #[allow(dead_code, reason = "only its shape matters")]
        enum Ten<T> {
            A,
            B,
            C,
            D,
            E,
            F,
            G,
            H,
            I,
            J(T),
        }
        type Key<T> = (Ten<T>, Ten<u8>, Ten<u8>, Ten<u8>);
        assert_ne!(fingerprint::<Key<u64>>(""), fingerprint::<Key<i64>>(""));
    }

    #[test]
    fn keys_of_recursive_types_are_short() {
        assert_eq!(max_bytes::<(u64, String, Option<Two>)>(), MAX_BYTES);
        assert_eq!(max_bytes::<here::Key>(), MAX_BYTES_OF_NESTED);
    }

    /// On the stack of a thread of tokio's.
    #[test]
    fn the_longest_keys_of_recursive_types_can_be_decoded() {
        type Wrapped<T> = (((T, ()), ()), ());
        #[derive(Deserialize)]
        enum Deep {
            End,
            More(Wrapped<Option<Box<Deep>>>),
        }
        fn depth(key: &Deep) -> usize {
            match key {
                Deep::More((((Some(inner), ()), ()), ())) => 1 + depth(inner),
                Deep::More((((None, ()), ()), ())) | Deep::End => 0,
            }
        }
        let mut bytes = vec![1; max_bytes::<Deep>()];
        *bytes.last_mut().unwrap() = 0;
        let decode = move || depth(&super::super::decode::<Deep>(&bytes).unwrap());
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(decode).unwrap();
        assert_eq!(thread.join().unwrap(), MAX_BYTES_OF_NESTED / 2 - 1);
    }
}
