//! What is stored under a key, and whether it may be served.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::cells::Dependency;

/// An answer of the source, as it is stored and as joined readers get it.
#[derive(Clone, Debug)]
pub(crate) struct Entry<V> {
    /// `None`: the source has nothing under this key.
    pub(crate) value: Option<V>,
    /// The moment that the value is known to reflect, in nanoseconds.
    pub(crate) as_of: u64,
    /// The tick noted before the load began.
    pub(crate) tick: u64,
    /// After the start of its load; kept small, for there is one in every entry.
    pub(crate) lifetime: Lifetime,
    pub(crate) weight: u32,
    pub(crate) extras: Option<Arc<Extras>>,
}

/// What most entries do without.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    /// When the load began, in nanoseconds. Without extras that is the as-of.
    pub(crate) start: u64,
    pub(crate) dependencies: Box<[Dependency]>,
    /// When it was last served, in nanoseconds; for caches with a time to idle.
    pub(crate) last_access: AtomicU64,
    pub(crate) pinned: bool,
}

impl<V> Entry<V> {
    #[inline]
    pub(crate) fn dependencies(&self) -> &[Dependency] {
        self.extras.as_deref().map_or(&[], |extras| &extras.dependencies)
    }

    /// When its load began.
    #[inline]
    pub(crate) fn start(&self) -> u64 {
        self.extras.as_deref().map_or(self.as_of, |extras| extras.start)
    }

    /// Whether nothing that this was built from has been invalidated since.
    #[inline]
    pub(crate) fn dependencies_hold(&self) -> bool {
        self.dependencies().iter().all(Dependency::holds)
    }

    pub(crate) fn is_pinned(&self) -> bool {
        self.extras.as_deref().is_some_and(|extras| extras.pinned)
    }

    /// Whether the time to live or to idle is over.
    #[inline]
    pub(crate) fn is_expired(&self, now: u64, idle_ns: u64) -> bool {
        if self.lifetime != Lifetime::UNLIMITED && self.lifetime.is_over(self.start(), now) {
            return true;
        }
        idle_ns != u64::MAX
            && self.extras.as_deref().is_some_and(|extras| {
                let last = extras.last_access.load(Ordering::Relaxed);
                now.saturating_sub(last) >= idle_ns
            })
    }

    /// Notes that it was served.
    pub(crate) fn touch(&self, now: u64) {
        if let Some(extras) = self.extras.as_deref() {
            // The coarse clock stands still for milliseconds: then a hot entry is only read.
            if extras.last_access.load(Ordering::Relaxed) < now {
                extras.last_access.store(now, Ordering::Relaxed);
            }
        }
    }
}

/// A time in whole milliseconds, rounded down, but at least one; 49 days stand for anything longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime(u32);

impl Lifetime {
    pub(crate) const UNLIMITED: Self = Self(u32::MAX);
    /// The longest that is not unlimited.
    pub(crate) const LONGEST: Duration = Duration::from_millis(u32::MAX as u64 - 1);

    pub(crate) fn new(duration: Duration) -> Self {
        let millis = u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        Self(millis.clamp(1, u32::MAX - 1))
    }

    fn is_over(self, from_ns: u64, now_ns: u64) -> bool {
        self != Self::UNLIMITED && now_ns.saturating_sub(from_ns) >= u64::from(self.0) * 1_000_000
    }
}

/// What a look at an entry found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Serve,
    /// Nothing is wrong with it, but it cannot be proven fresh enough.
    Unproven,
    Expired,
    /// Something it depends on was invalidated.
    Dead,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Entry<Arc<str>>>() - size_of::<Option<Arc<str>>>(), 32);
    }

    #[test]
    fn lifetimes_end_in_time() {
        let lifetime = Lifetime::new(Duration::from_millis(3));
        assert!(!lifetime.is_over(5, 3_000_004));
        assert!(lifetime.is_over(5, 3_000_005));
        assert!(!Lifetime::UNLIMITED.is_over(0, u64::MAX));
        assert!(Lifetime::new(Duration::MAX).is_over(0, u64::MAX));
    }
}
