//! What a loader returns.

use std::time::Duration;

/// What a loader found, with what the cache should know about it.
///
/// A plain value or an `Option` of one converts into it; use this where an entry needs a time to live, tags
/// or pinning of its own.
///
/// ```
/// use std::time::Duration;
/// use unstale::Loaded;
///
/// struct Row {
///     name: String,
///     category: u32,
///     is_offer: bool,
/// }
///
/// fn loaded(row: Option<Row>) -> Loaded<String> {
///     let Some(row) = row else { return Loaded::absent() };
///     let loaded = Loaded::new(row.name).tag(format!("category:{}", row.category));
///     if row.is_offer { loaded.time_to_live(Duration::from_secs(60)) } else { loaded }
/// }
/// # let row = Row { name: "mug".into(), category: 3, is_offer: true };
/// # let _ = (loaded(Some(row)), loaded(None));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Loaded<V> {
    pub(crate) value: Option<V>,
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) tags: Vec<String>,
    pub(crate) pinned: bool,
}

impl<V> Loaded<V> {
    /// A value.
    pub fn new(value: V) -> Self {
        Self::from_option(Some(value))
    }

    /// The source has nothing under this key. That is cached too.
    pub fn absent() -> Self {
        Self::from_option(None)
    }

    fn from_option(value: Option<V>) -> Self {
        Self { value, time_to_live: None, tags: Vec::new(), pinned: false }
    }

    /// The entry expires this long after the load began, instead of after the cache's time to live.
    /// Taken in whole milliseconds, at least one; from 24 days on in whole seconds, and at most 68 years.
    pub fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = Some(time_to_live);
        self
    }

    /// The entry is dropped when this tag is invalidated. Can be called several times.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// The entry is never evicted for capacity; it still counts, expires and can be invalidated.
    pub fn pinned(mut self) -> Self {
        self.pinned = true;
        self
    }
}

impl<V> From<V> for Loaded<V> {
    fn from(value: V) -> Self {
        Self::new(value)
    }
}

impl<V> From<Option<V>> for Loaded<V> {
    fn from(value: Option<V>) -> Self {
        Self::from_option(value)
    }
}
