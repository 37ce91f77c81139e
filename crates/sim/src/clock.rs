//! The clocks of a simulated machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use unstale::Timestamp;

/// True time: what only the simulation knows. Nanoseconds since its start.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrueTime {
    at: Arc<AtomicU64>,
    /// Whether turmoil has the time, to the tick of the host that asks.
    of_hosts: bool,
}

impl TrueTime {
    /// The time of turmoil's hosts; outside of them what was [set](Self::set) last.
    pub(crate) fn of_hosts() -> Self {
        Self { at: Arc::default(), of_hosts: true }
    }

    pub(crate) fn now(&self) -> u64 {
        if self.of_hosts
            && let Some(elapsed) = turmoil::sim_elapsed()
        {
            return u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        }
        self.at.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, now: u64) {
        self.at.store(now, Ordering::Relaxed);
    }
}

/// A machine's clocks: one that goes on while it is suspended, and a coarse one that does not, as on Linux. Both
/// start where they like and run a little too fast or too slow.
#[derive(Debug)]
pub(crate) struct MachineClock {
    time: TrueTime,
    offset_ns: u64,
    drift_ppm: i64,
    /// Suspended so far, in the machine's own time.
    suspended_ns: AtomicU64,
    /// What the cheap clock has made up for.
    caught_up_ns: AtomicU64,
}

/// The resolution of the coarse clock.
const COARSE_NS: u64 = 4_000_000;

impl MachineClock {
    pub(crate) fn new(time: TrueTime, offset: Duration, drift_ppm: i64) -> Self {
        Self {
            time,
            offset_ns: u64::try_from(offset.as_nanos()).unwrap_or(0) + 1_000_000_000,
            drift_ppm,
            suspended_ns: AtomicU64::new(0),
            caught_up_ns: AtomicU64::new(0),
        }
    }

    /// What the machine's clock says at this true time.
    pub(crate) fn local(&self, true_ns: u64) -> Timestamp {
        Timestamp::from_nanos(self.offset_ns + self.scaled(true_ns, self.drift_ppm))
    }

    fn scaled(&self, ns: u64, ppm: i64) -> u64 {
        if ppm == 0 {
            return ns;
        }
        let moved = quotient(i128::from(ns) * i128::from(ppm), 1_000_000);
        u64::try_from(i128::from(ns) + moved).unwrap_or(0)
    }

    /// The earliest true time at which the machine's clock says at least this.
    pub(crate) fn true_at(&self, local: Timestamp) -> u64 {
        let behind = self.stood_still_ns();
        let since = i128::from(local.as_nanos().saturating_sub(self.offset_ns) + behind);
        let rate = 1_000_000 + i128::from(self.drift_ppm);
        let mut at =
            u64::try_from(quotient(since * 1_000_000 + rate - 1, rate)).unwrap_or(u64::MAX);
        // Rounding: never early.
        while self.local(at).before(Duration::from_nanos(behind)) < local && at < u64::MAX {
            at += 1;
        }
        at
    }

    pub(crate) fn true_now(&self) -> u64 {
        self.time.now()
    }

    /// The clock that goes on while suspended.
    pub(crate) fn now(&self) -> Timestamp {
        self.local(self.time.now()).before(Duration::from_nanos(self.stood_still_ns()))
    }

    /// For how long the clock that goes on has not: a mistake of whoever chose it.
    fn stood_still_ns(&self) -> u64 {
        if crate::mutants::is_on(crate::mutants::CLOCK_STOPS_IN_SUSPEND) {
            self.suspended_ns.load(Ordering::Relaxed)
        } else {
            0
        }
    }

    /// The cheap upper bound, which misses a suspend until it has caught up.
    pub(crate) fn upper_now(&self) -> Timestamp {
        let running =
            self.local(self.time.now()).as_nanos() - self.suspended_ns.load(Ordering::Relaxed);
        let coarse = running / COARSE_NS * COARSE_NS + 2 * COARSE_NS;
        Timestamp::from_nanos(coarse + self.caught_up_ns.load(Ordering::Relaxed))
    }

    pub(crate) fn resynchronize(&self) -> Duration {
        let suspended = self.suspended_ns.load(Ordering::Relaxed);
        let before = self.caught_up_ns.swap(suspended, Ordering::Relaxed);
        Duration::from_nanos(suspended - before)
    }

    /// The machine was suspended for this long.
    pub(crate) fn was_suspended(&self, true_ns: u64) {
        self.suspended_ns.fetch_add(self.scaled(true_ns, self.drift_ppm), Ordering::Relaxed);
    }
}

/// `dividend / divisor`, which is much cheaper where both are small, as they are but in very long runs.
fn quotient(dividend: i128, divisor: i128) -> i128 {
    match (i64::try_from(dividend), i64::try_from(divisor)) {
        (Ok(dividend), Ok(divisor)) => i128::from(dividend / divisor),
        _ => dividend / divisor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_times_come_back() {
        for drift in [-20_000, 0, 333, 20_000] {
            let clock = MachineClock::new(TrueTime::default(), Duration::from_secs(5), drift);
            for at in [0, 1, 999_999_999, 123_456_789_012] {
                let local = clock.local(at);
                let back = clock.true_at(local);
                assert!(
                    clock.local(back) >= local && back.abs_diff(at) <= 1,
                    "{drift} {at} {back}"
                );
            }
        }
    }

    #[test]
    fn the_cheap_clock_misses_a_suspend_until_it_catches_up() {
        let time = TrueTime::default();
        let clock = MachineClock::new(time.clone(), Duration::ZERO, 0);
        time.set(5_000_000_000);
        clock.was_suspended(2_000_000_000);
        assert!(clock.upper_now() < clock.now());
        assert_eq!(clock.resynchronize(), Duration::from_secs(2));
        assert!(clock.upper_now() >= clock.now());
        assert_eq!(clock.resynchronize(), Duration::ZERO);
    }
}
