//! Many targets, as one frame carries them.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::Target;

/// The targets of a frame, the keys of one cache together. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Batch(Arc<[Group]>);

/// What a frame names in one go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Group {
    /// Keys of one cache.
    Keys {
        /// The cache's name.
        cache: Arc<str>,
        /// The fingerprint of the key type's shape, see `docs/wire-format.md`.
        schema: u64,
        keys: Keys,
    },
    /// Every entry of any cache that depends on this tag.
    Tag(Arc<str>),
    /// Every entry of one cache.
    Cache(Arc<str>),
    /// Every entry of every cache.
    Everything,
}

impl Batch {
    pub(crate) fn new(groups: Vec<Group>) -> Self {
        Self(groups.into())
    }

    pub(crate) fn groups(&self) -> &[Group] {
        &self.0
    }

    /// How many targets these are.
    pub(crate) fn len(&self) -> usize {
        let targets =
            |group: &Group| if let Group::Keys { keys, .. } = group { keys.len() } else { 1 };
        self.0.iter().map(targets).sum()
    }

    /// One after the other.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = Target> {
        self.0.iter().flat_map(|group| match group {
            Group::Everything => vec![Target::Everything],
            Group::Cache(cache) => vec![Target::Cache(Arc::clone(cache))],
            Group::Tag(tag) => vec![Target::Tag(Arc::clone(tag))],
            Group::Keys { cache, schema, keys } => {
                let target = |key| Target::Key {
                    cache: Arc::clone(cache),
                    schema: *schema,
                    key: Bytes::copy_from_slice(key),
                };
                keys.iter().map(target).collect()
            }
        })
    }
}

impl FromIterator<Target> for Batch {
    /// Neighbours of one cache come together.
    fn from_iter<T: IntoIterator<Item = Target>>(targets: T) -> Self {
        let mut groups = Vec::new();
        let mut run: Option<(Arc<str>, u64, KeysBuilder)> = None;
        let end = |run: &mut Option<(Arc<str>, u64, KeysBuilder)>, groups: &mut Vec<Group>| {
            if let Some((cache, schema, keys)) = run.take() {
                groups.push(Group::Keys { cache, schema, keys: keys.build() });
            }
        };
        for target in targets {
            let group = match target {
                Target::Key { cache, schema, key } => {
                    match &mut run {
                        Some((of, its, keys)) if *of == cache && *its == schema => keys.push(&key),
                        _ => {
                            end(&mut run, &mut groups);
                            let mut keys = KeysBuilder::default();
                            keys.push(&key);
                            run = Some((cache, schema, keys));
                        }
                    }
                    continue;
                }
                Target::Tag(tag) => Group::Tag(tag),
                Target::Cache(cache) => Group::Cache(cache),
                Target::Everything => Group::Everything,
            };
            end(&mut run, &mut groups);
            groups.push(group);
        }
        end(&mut run, &mut groups);
        Self::new(groups)
    }
}

impl From<Target> for Batch {
    fn from(target: Target) -> Self {
        Self::from_iter([target])
    }
}

/// Encoded keys as they travel, each after its length: to look at one of them copies nothing and counts nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Keys {
    packed: Bytes,
    count: usize,
}

impl Keys {
    /// The first so many keys of these bytes, each of which is looked at; `None` if there are fewer.
    pub(crate) fn first_of(bytes: &Bytes, count: usize) -> Option<Self> {
        let mut rest = &bytes[..];
        for _ in 0..count {
            (_, rest) = split_key(rest)?;
        }
        Some(Self { packed: bytes.slice(..bytes.len() - rest.len()), count })
    }

    /// Whatever these bytes are.
    #[cfg(test)]
    #[cfg(not(feature = "model"))]
    pub(crate) fn of(packed: Bytes, count: usize) -> Self {
        Self { packed, count }
    }

    pub(crate) fn packed(&self) -> &[u8] {
        &self.packed
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.packed[..];
        std::iter::from_fn(move || {
            let (key, after) = split_key(rest)?;
            rest = after;
            Some(key)
        })
    }
}

/// The first key and what comes after it; the length is a number as everywhere on the wire, mostly of one byte.
#[inline]
pub(crate) fn split_key(packed: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, mut rest) = packed.split_first()?;
    let mut len = u64::from(first & 0x7f);
    let (mut last, mut shift) = (first, 7);
    while last & 0x80 != 0 {
        (last, rest) = rest.split_first().map(|(byte, rest)| (*byte, rest))?;
        let bits = u64::from(last & 0x7f);
        // Ten bytes hold 64 bits.
        if shift > 63 || (shift == 63 && bits > 1) {
            return None;
        }
        len |= bits << shift;
        shift += 7;
    }
    rest.split_at_checked(usize::try_from(len).ok()?)
}

#[derive(Default)]
struct KeysBuilder {
    packed: BytesMut,
    count: usize,
}

impl KeysBuilder {
    fn push(&mut self, key: &[u8]) {
        let mut len = key.len();
        while len >= 0x80 {
            self.packed.put_u8(len as u8 | 0x80);
            len >>= 7;
        }
        self.packed.put_u8(len as u8);
        self.packed.put_slice(key);
        self.count += 1;
    }

    fn build(self) -> Keys {
        Keys { packed: self.packed.freeze(), count: self.count }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn target() -> impl Strategy<Value = Target> {
        let name = || "[ab]".prop_map(Arc::<str>::from);
        prop_oneof![
            1 => Just(Target::Everything),
            1 => name().prop_map(Target::Cache),
            1 => name().prop_map(Target::Tag),
            5 => (name(), 0..2_u64, vec(any::<u8>(), 0..300)).prop_map(|(cache, schema, key)| {
                Target::Key { cache, schema, key: key.into() }
            }),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_added(targets in vec(target(), 0..40)) {
            let batch: Batch = targets.iter().cloned().collect();
            prop_assert_eq!(batch.len(), targets.len());
            prop_assert!(batch.iter().eq(targets));
            for pair in batch.groups().windows(2) {
                let same = matches!(pair, [
                    Group::Keys { cache: a, schema: b, .. }, Group::Keys { cache: c, schema: d, .. },
                ] if a == c && b == d);
                prop_assert!(!same, "neighbours of one cache are apart");
            }
        }

        #[test]
        fn what_is_taken_for_keys_yields_as_many(packed in vec(any::<u8>(), 0..40)) {
            let packed = Bytes::from(packed);
            for count in 0..10 {
                if let Some(keys) = Keys::first_of(&packed, count) {
                    prop_assert_eq!(keys.iter().count(), count);
                    prop_assert!(packed.starts_with(keys.packed()));
                }
            }
        }
    }
}
