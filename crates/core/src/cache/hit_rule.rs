//! The rule by which a hit is served, worked out before the entry is looked for.

use super::entry::Stamp;

/// What an entry must reach to be served to a read that begins now: all that [`judge`](super::store::Store::judge) asks
/// of it, in three words.
///
/// Taking a lock and giving it back are locked instructions, which wait until everything is stored that was before
/// them. So a hit is as quick as it stores little: the rule travels by value, and to look at an entry calls nothing.
///
/// To work it out before the look is soon enough. What was applied before the read began is in it, and, as it is read
/// after the horizon, whatever the horizon vouches for; what is applied later need not be seen. That reads do not go
/// backwards does not hang on it: who stores or hands out something newer voids or removes what is older. Only cells cannot
/// be read earlier: an entry leads to them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HitRule {
    /// The least as-of that is not dropped, and fresh enough, in nanoseconds.
    pub(crate) as_of: u64,
    /// The least tick at the start of a load that has not been cleared.
    pub(crate) tick: u64,
    /// When the read began, in nanoseconds.
    pub(crate) now: u64,
}

impl HitRule {
    /// Whether an entry may be served that does not expire of being idle.
    #[inline]
    pub(crate) fn admits(self, stamp: &Stamp) -> bool {
        stamp.as_of >= self.as_of
            && stamp.tick >= self.tick
            && !stamp.lifetime.is_over(stamp.as_of, self.now)
            && stamp.dependencies_hold()
    }

    /// The same of one that does, after so many nanoseconds; if so, this is an access.
    pub(crate) fn admits_of_idle(self, stamp: &Stamp, idle_ns: u64) -> bool {
        let served = self.admits(stamp) && !stamp.is_idle(self.now, idle_ns);
        if served {
            stamp.touch(self.now);
        }
        served
    }
}
