//! What the simulated application caches: values that say what they were made of.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The application's caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CacheName {
    /// Rows of the source.
    Rows,
    /// The same rows, served without proof for ever: nothing but invalidations and drops keeps it right.
    Lasting,
    /// Two rows each.
    Shelves,
    /// Two shelves each, with half of the bound.
    Pages,
}

impl CacheName {
    pub(crate) const ALL: [Self; 4] = [Self::Rows, Self::Lasting, Self::Shelves, Self::Pages];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Lasting => "lasting",
            Self::Shelves => "shelves",
            Self::Pages => "pages",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cache| cache.as_str() == name)
    }
}

/// A row as it was read by one load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Part {
    /// The cache that it was read through.
    pub(crate) cache: CacheName,
    pub(crate) key: u64,
    pub(crate) version: u64,
    /// When the load began that read it from the source, as a place in the history: unique.
    pub(crate) began: u64,
}

/// What is cached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    /// When the load began that made it, as a place in the history.
    pub(crate) began: u64,
    /// The rows that it was made of.
    pub(crate) parts: Arc<[Part]>,
}

impl Value {
    pub(crate) fn row(part: Part) -> Self {
        Self { began: part.began, parts: Arc::new([part]) }
    }
}

/// Whether this version of a row says that there is none.
pub(crate) fn is_absent(version: u64) -> bool {
    version % 5 == 3
}

/// The two keys below a shelf or a page.
pub(crate) fn below(key: u64, keys: u64) -> [u64; 2] {
    [key, (key * 3 + 1) % keys]
}

const TAGS: u64 = 3;

/// The tag of a row.
pub(crate) fn tag_of(key: u64) -> u64 {
    key % TAGS
}

pub(crate) fn tag_name(tag: u64) -> String {
    format!("t{tag}")
}

/// What an invalidation names, in terms of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aim {
    Key(CacheName, u64),
    Tag(u64),
    Cache(CacheName),
    Everything,
}

impl Aim {
    /// `None` for what the application never names.
    pub(crate) fn of(named: unstale::simulation::Named<'_>) -> Option<Self> {
        use unstale::simulation::Named;
        Some(match named {
            Named::Key { cache, key } => Self::Key(CacheName::of(cache)?, varint(key)?),
            Named::Tag(tag) => Self::Tag(tag.strip_prefix('t')?.parse().ok()?),
            Named::Cache(cache) => Self::Cache(CacheName::of(cache)?),
            Named::Everything => Self::Everything,
        })
    }

    /// Everything that drops this row from this cache.
    pub(crate) fn covering(cache: CacheName, key: u64) -> [Self; 4] {
        [Self::Key(cache, key), Self::Tag(tag_of(key)), Self::Cache(cache), Self::Everything]
    }
}

/// A `u64` in its serde form on the wire.
fn varint(bytes: &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(place).ok()?)?;
        if byte & 0x80 == 0 {
            return (place + 1 == bytes.len()).then_some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use unstale::simulation::Named;

    #[test]
    fn names_of_the_application_are_understood() {
        let key = |key| Aim::of(Named::Key { cache: "rows", key });
        assert_eq!(key(&[5]), Some(Aim::Key(CacheName::Rows, 5)));
        assert_eq!(key(&[0xac, 0x02]), Some(Aim::Key(CacheName::Rows, 300)));
        assert_eq!(key(&[0xac]), None);
        assert_eq!(Aim::of(Named::Tag("t2")), Some(Aim::Tag(2)));
        assert_eq!(Aim::of(Named::Tag("x")), None);
        assert_eq!(Aim::of(Named::Cache("pages")), Some(Aim::Cache(CacheName::Pages)));
    }
}
