//! What is stored under a key, and what decides whether it may be served.

use std::sync::Arc;
use std::time::Duration;

use super::cells::{Cell, Dependency};

/// An answer of the source, as joined readers get it.
#[derive(Clone, Debug)]
pub(crate) struct Entry<V> {
    /// `None`: the source has nothing under this key.
    pub(crate) value: Option<V>,
    pub(crate) stamp: Stamp,
}

/// What is known about a value. There is one in every entry: it is kept small.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    /// The moment that the value is known to reflect, in nanoseconds.
    pub(crate) as_of: u64,
    /// The tick noted before the load began.
    pub(crate) tick: u64,
    /// After the as-of.
    pub(crate) lifetime: Lifetime,
    pub(crate) weight: Weight,
    pub(crate) dependencies: Dependencies,
    /// When the load began, for a deliberate mistake.
    #[cfg(unstale_mutants)]
    pub(crate) start: u64,
}

impl Stamp {
    /// When its load began, as far as it matters to a deliberate mistake.
    #[inline]
    pub(crate) fn mistaken_as_of(&self) -> u64 {
        #[cfg(unstale_mutants)]
        return self.start;
        #[cfg(not(unstale_mutants))]
        self.as_of
    }

    /// Whether nothing that the value was built from has been invalidated since.
    #[inline]
    pub(crate) fn dependencies_hold(&self) -> bool {
        self.dependencies.iter().all(Dependency::holds)
    }

    /// Whether the time to live or to idle is over.
    #[inline]
    pub(crate) fn is_expired(&self, now: u64, idle_ns: u64) -> bool {
        self.lifetime.is_over(self.as_of, now) || idle_ns != u64::MAX && self.is_idle(now, idle_ns)
    }

    /// Whether its last access is so long ago.
    pub(crate) fn is_idle(&self, now: u64, idle_ns: u64) -> bool {
        let last = self.dependencies.last_access();
        last.is_some_and(|last| now.saturating_sub(last.tick()) >= idle_ns)
    }

    /// Notes that it was served.
    pub(crate) fn touch(&self, now: u64) {
        if let Some(last) = self.dependencies.last_access() {
            // The coarse clock stands still for milliseconds: then a hot entry is only read.
            if last.tick() < now {
                last.advance(now);
            }
        }
    }
}

/// What a value was built from: a list, so that an entry without any pays a word, and others their nodes only.
#[derive(Debug, Default)]
pub(crate) struct Dependencies(Option<Box<Node>>);

#[derive(Debug)]
struct Node {
    dependency: Dependency,
    rest: Dependencies,
}

impl Dependencies {
    /// A dependency that always holds has the moment of the last access in its cell.
    const ACCESS: u64 = u64::MAX;

    pub(crate) fn new(dependencies: Vec<Dependency>) -> Self {
        dependencies.into_iter().rev().fold(Self(None), Self::push)
    }

    /// The same, with a place that tells when the entry was served last; at first, `now`.
    pub(crate) fn with_last_access(self, now: u64) -> Self {
        self.push(Dependency { cell: Arc::new(Cell::new(now)), seen: Self::ACCESS })
    }

    fn push(self, dependency: Dependency) -> Self {
        Self(Some(Box::new(Node { dependency, rest: self })))
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Dependency> {
        let nodes = std::iter::successors(self.0.as_deref(), |node| node.rest.0.as_deref());
        nodes.map(|node| &node.dependency).filter(|dependency| dependency.seen != Self::ACCESS)
    }

    fn last_access(&self) -> Option<&Cell> {
        let first = &self.0.as_deref()?.dependency;
        (first.seen == Self::ACCESS).then_some(&*first.cell)
    }
}

impl Clone for Dependencies {
    fn clone(&self) -> Self {
        let all = std::iter::successors(self.0.as_deref(), |node| node.rest.0.as_deref());
        Self::new(all.map(|node| node.dependency.clone()).collect())
    }
}

impl Drop for Dependencies {
    /// One after the other: there may be more of them than the stack is deep.
    fn drop(&mut self) {
        while let Some(mut node) = self.0.take() {
            self.0 = node.rest.0.take();
        }
    }
}

/// How much of the capacity an entry takes, and whether it is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weight(u32);

impl Weight {
    const PINNED: u32 = 1 << 31;

    /// What weighs nothing would never be evicted: it weighs one.
    pub(crate) fn new(weight: u64, pinned: bool) -> Self {
        let weight = u32::try_from(weight).unwrap_or(u32::MAX).clamp(1, Self::PINNED - 1);
        Self(weight | if pinned { Self::PINNED } else { 0 })
    }

    pub(crate) fn get(self) -> u64 {
        u64::from(self.0 & !Self::PINNED)
    }

    pub(crate) fn is_pinned(self) -> bool {
        self.0 & Self::PINNED != 0
    }
}

/// A time in whole milliseconds, or from 24 days on in whole seconds, rounded down, but at least one; 68 years stand
/// for anything longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime(u32);

impl Lifetime {
    pub(crate) const UNLIMITED: Self = Self(u32::MAX);
    /// Set if the rest counts seconds.
    const SECONDS: u32 = 1 << 31;
    /// The longest that is not unlimited.
    pub(crate) const LONGEST: Duration = Duration::from_secs(Self::SECONDS as u64 - 2);

    pub(crate) fn new(duration: Duration) -> Self {
        let duration = duration.min(Self::LONGEST);
        let units = |units: u128| u32::try_from(units).ok().filter(|units| *units < Self::SECONDS);
        match units(duration.as_millis()) {
            Some(millis) => Self(millis.max(1)),
            None => Self(units(duration.as_secs().into()).unwrap_or(0) | Self::SECONDS),
        }
    }

    /// The lifetime of what was built from something older: so much older than the start of its load, from which
    /// its time to live counts. With it, by how much the as-of is to be earlier, less than one unit, so that it ends to
    /// the nanosecond.
    pub(crate) fn of_load(time_to_live: Duration, older: Duration) -> (Self, Duration) {
        let whole = Self::new(time_to_live);
        if older.is_zero() {
            return (whole, Duration::ZERO);
        }
        let ends = Duration::from_nanos(whole.as_nanos()).saturating_add(older).min(Self::LONGEST);
        let down = Self::new(ends);
        if Duration::from_nanos(down.as_nanos()) >= ends {
            return (down, Duration::ZERO);
        }
        let next = down.0 + 1;
        let seconds = || u32::try_from(ends.as_secs() + 1).unwrap_or(u32::MAX) | Self::SECONDS;
        let up = Self(if next == Self::SECONDS { seconds() } else { next });
        (up, Duration::from_nanos(up.as_nanos()) - ends)
    }

    #[inline]
    pub(crate) fn is_over(self, from_ns: u64, now_ns: u64) -> bool {
        self != Self::UNLIMITED && now_ns.saturating_sub(from_ns) >= self.as_nanos()
    }

    #[inline]
    fn as_nanos(self) -> u64 {
        let unit_ns = if self.0 & Self::SECONDS == 0 { 1_000_000 } else { 1_000_000_000 };
        u64::from(self.0 & !Self::SECONDS) * unit_ns
    }
}

/// Why an entry is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
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
    #[cfg(not(unstale_mutants))]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Stamp>(), 32);
        assert_eq!(size_of::<Node>(), 24, "what a tag costs in each entry");
    }

    #[test]
    fn lifetimes_end_in_time() {
        let lifetime = Lifetime::new(Duration::from_millis(3));
        assert!(!lifetime.is_over(5, 3_000_004));
        assert!(lifetime.is_over(5, 3_000_005));
        assert!(!Lifetime::UNLIMITED.is_over(0, u64::MAX));
        assert!(Lifetime::new(Duration::MAX).is_over(0, u64::MAX));
        assert!(Lifetime::new(Duration::ZERO).is_over(0, 1_000_000));
        let month = Duration::from_millis(30 * 86_400 * 1_000 + 1);
        let whole_seconds = Duration::from_secs(30 * 86_400);
        assert_eq!(Duration::from_nanos(Lifetime::new(month).as_nanos()), whole_seconds);
        assert_eq!(
            Duration::from_nanos(Lifetime::new(Lifetime::LONGEST).as_nanos()),
            Lifetime::LONGEST
        );
    }

    #[test]
    fn what_was_built_from_something_older_ends_to_the_nanosecond() {
        let (day, millis) = (Duration::from_secs(86_400), Duration::from_millis);
        for limit in [millis(1), millis(500), day, 40 * day] {
            for older in [
                Duration::ZERO,
                Duration::from_nanos(1),
                millis(7),
                24 * day + millis(3),
                50 * day + millis(300),
            ] {
                let (lifetime, earlier) = Lifetime::of_load(limit, older);
                assert_eq!(Duration::from_nanos(lifetime.as_nanos()), limit + older + earlier);
                assert!(earlier < Duration::from_secs(1));
            }
        }
        // Units change in between: what is rounded up must not be read in the other unit.
        let edge = millis((1 << 31) - 1);
        let (lifetime, earlier) =
            Lifetime::of_load(millis(1), edge - millis(1) + Duration::from_nanos(1));
        assert_eq!(
            Duration::from_nanos(lifetime.as_nanos()),
            edge + Duration::from_nanos(1) + earlier
        );
    }

    #[test]
    fn a_weight_keeps_its_pin_apart() {
        for (given, kept) in [(0, 1), (7, 7), (u64::MAX, (1 << 31) - 1)] {
            for pinned in [false, true] {
                let weight = Weight::new(given, pinned);
                assert_eq!((weight.get(), weight.is_pinned()), (kept, pinned));
            }
        }
    }

    #[test]
    fn dependencies_keep_their_order_and_are_many() {
        let dependency = |seen| Dependency { cell: Arc::new(Cell::new(0)), seen };
        let many = Dependencies::new((0..100_000).map(dependency).collect()).with_last_access(5);
        let copy = many.clone();
        drop(many);
        assert!(copy.iter().map(|dependency| dependency.seen).eq(0..100_000));
        assert_eq!(copy.last_access().map(Cell::tick), Some(5));
        assert!(Dependencies::new(vec![dependency(1)]).last_access().is_none());
    }
}
