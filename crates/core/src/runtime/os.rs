//! The operating system's clocks.

use super::strict::Clocks;

/// The clocks of this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Os;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod clocks {
    use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

    use super::{Clocks, Os};

    /// Those that start when the machine does are not negative, and end in 584 years; differences to the wall clock,
    /// which may be negative, wrap around.
    #[inline]
    fn ns(time: Timespec) -> u64 {
        let (seconds, nanos) = (time.tv_sec.cast_unsigned(), time.tv_nsec.cast_unsigned());
        seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos)
    }

    impl Clocks for Os {
        #[inline]
        fn coarse_ns(&self) -> u64 {
            ns(clock_gettime(ClockId::MonotonicCoarse))
        }

        #[inline]
        fn coarse_wall_ns(&self) -> u64 {
            ns(clock_gettime(ClockId::RealtimeCoarse))
        }

        fn coarse_resolution_ns(&self) -> u64 {
            ns(clock_getres(ClockId::MonotonicCoarse))
        }

        fn monotonic_ns(&self) -> u64 {
            ns(clock_gettime(ClockId::Monotonic))
        }

        fn boot_ns(&self) -> u64 {
            ns(clock_gettime(ClockId::Boottime))
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod clocks {
    use std::sync::OnceLock;
    use std::time::Instant;

    use super::{Clocks, Os};

    impl Clocks for Os {
        fn coarse_ns(&self) -> u64 {
            self.boot_ns()
        }

        fn coarse_wall_ns(&self) -> u64 {
            self.boot_ns()
        }

        fn coarse_resolution_ns(&self) -> u64 {
            0
        }

        fn monotonic_ns(&self) -> u64 {
            self.boot_ns()
        }

        fn boot_ns(&self) -> u64 {
            static START: OnceLock<Instant> = OnceLock::new();
            #[expect(clippy::disallowed_methods, reason = "this is the runtime")]
            let now = Instant::now();
            let start = *START.get_or_init(|| now);
            // One second ahead, so that no real moment is the start of time.
            crate::time::saturating_nanos(now.saturating_duration_since(start)) + 1_000_000_000
        }
    }
}
