//! The cheap clock of hits that must not miss a machine suspend, not even for a moment.
//!
//! A clock that counts suspended time costs as much as the rest of a hit: it has to ask the hardware, where a coarse
//! one is only read from memory. There is no coarse one that counts suspended time, but there are two that a suspend
//! sets apart: when a machine resumes, Linux adds the suspended time to the wall clock (`CLOCK_REALTIME`) and to
//! `CLOCK_BOOTTIME` in one step, before any process runs, and not to `CLOCK_MONOTONIC`
//! (`timekeeping_inject_sleeptime` in `kernel/time/timekeeping.c`). Else the two keep their distance to the
//! nanosecond, also while NTP slews them, which it does to both, except when somebody sets the wall clock.
//!
//! So as long as the wall clock is as far ahead as it was when the suspended time was found, that is still all there
//! is. If not, the machine was suspended, or the clock was set, or a tick came between the two reads: then it is found
//! anew. (To hide a suspend somebody would have to set the wall clock back by just as many nanoseconds, before a hit
//! or the watchdog looks.) Like any hit it takes for granted that ticks are late by less than a tick.

use crate::shim::sync::Mutex;
use crate::shim::sync::atomic::{AtomicU64, Ordering};

/// Clocks of one machine, in nanoseconds since moments of their own.
pub(super) trait Clocks {
    /// `CLOCK_MONOTONIC` at its last tick.
    fn coarse_ns(&self) -> u64;
    /// `CLOCK_REALTIME` at its last tick, which is the same tick.
    fn coarse_wall_ns(&self) -> u64;
    /// From tick to tick.
    fn coarse_resolution_ns(&self) -> u64;
    /// Without the time that the machine was suspended.
    fn monotonic_ns(&self) -> u64;
    /// With it.
    fn boot_ns(&self) -> u64;
}

/// What to add to the coarse clock so that it is not behind `boot_ns`, until the next suspend; wraps around, as either
/// clock may be ahead of the other in a time namespace.
pub(super) fn offset_ns(clocks: &impl Clocks) -> u64 {
    // Between the two reads the thread may be held up: the offset then comes out too large by that,
    // which makes entries look older, never younger.
    let monotonic_ns = clocks.monotonic_ns();
    let boot_ns = clocks.boot_ns();
    let suspended_ns = boot_ns.wrapping_sub(monotonic_ns);
    // The coarse clock lags by its resolution and by how late the tick is that updates it (0.6 ms was
    // seen on a quiet virtual machine): twice the resolution covers a tick that is late by a whole one.
    suspended_ns.wrapping_add(2 * clocks.coarse_resolution_ns())
}

/// An upper bound of `boot_ns` that costs two coarse clocks, unless the machine was suspended.
///
/// Invariant: whoever reads `ahead_ns`, then `offset_ns`, and then finds the wall clock that far ahead, may add that
/// offset. It holds since both are written under the lock by one who measured the distance first and the offset
/// after it, and are written in the other order: an offset may be newer than its distance, never older.
#[derive(Debug)]
pub(super) struct StrictClock {
    /// How far the wall clock was ahead of the monotonic one; wraps around.
    ahead_ns: AtomicU64,
    /// [`UNKNOWN`](Self::UNKNOWN) until it was found.
    offset_ns: AtomicU64,
    finding: Mutex<()>,
}

impl Default for StrictClock {
    fn default() -> Self {
        Self {
            ahead_ns: AtomicU64::new(0),
            offset_ns: AtomicU64::new(Self::UNKNOWN),
            finding: Mutex::new(()),
        }
    }
}

impl StrictClock {
    /// No offset: 292 years, forwards and backwards.
    const UNKNOWN: u64 = 1 << 63;

    /// No earlier than `boot_ns` was when this was called.
    #[inline]
    pub(super) fn upper_ns(&self, clocks: &impl Clocks) -> u64 {
        let ahead_ns = self.ahead_ns.load(Ordering::Acquire);
        // Acquire, as the two above: the clocks are read after both.
        let offset_ns = self.offset_ns.load(Ordering::Acquire);
        let coarse_ns = clocks.coarse_ns();
        // The wall clock last: a suspend between the two shows.
        let is_as_ever = clocks.coarse_wall_ns().wrapping_sub(coarse_ns) == ahead_ns;
        if is_as_ever && offset_ns != Self::UNKNOWN {
            coarse_ns.wrapping_add(offset_ns)
        } else {
            self.find(clocks)
        }
    }

    /// Finds how long the machine was suspended so far, unless somebody else is about to; the exact time.
    #[cold]
    fn find(&self, clocks: &impl Clocks) -> u64 {
        if let Ok(_alone) = self.finding.try_lock() {
            let begun_ns = clocks.monotonic_ns();
            let coarse_ns = clocks.coarse_ns();
            let ahead_ns = clocks.coarse_wall_ns().wrapping_sub(coarse_ns);
            let is_one_tick = clocks.coarse_ns() == coarse_ns;
            let offset_ns = offset_ns(clocks);
            let took_ns = clocks.monotonic_ns().wrapping_sub(begun_ns);
            // If a tick came between, this is no distance; and if the thread was held up, the offset may be far too
            // large, and would stay. Then the next hit tries again.
            if is_one_tick && took_ns <= clocks.coarse_resolution_ns() {
                self.offset_ns.store(offset_ns, Ordering::Release);
                self.ahead_ns.store(ahead_ns, Ordering::Release);
            }
        }
        clocks.boot_ns()
    }
}

#[cfg(test)]
mod tests;
