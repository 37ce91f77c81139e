//! Time, randomness and spawning, as a parameter.
//!
//! Nothing in this crate reads a clock, draws a random number or spawns a task on its own: it asks the
//! [`Runtime`] it was given, so that a simulation can decide all three. [`TokioRuntime`] is the real one.

mod os;
mod strict;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tracing::Instrument;

use os::Os;
use strict::{Clocks, StrictClock};

use crate::time::Timestamp;

/// A boxed future that owns all it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// Where a node takes time, randomness and tasks from.
///
/// # Contract
/// - [`now`](Self::now) is monotonic over all threads and counts the time that the machine was suspended.
/// - [`upper_now`](Self::upper_now) is never earlier than `now` would have been, except that it may miss a
///   machine suspend until [`resynchronize`](Self::resynchronize) is called.
/// - [`sleep_until`](Self::sleep_until) resolves at its deadline or later, never earlier.
/// - [`random_seed`](Self::random_seed) differs from call to call and from process to process; it feeds node
///   identities and jitter, not secrets.
///
/// # Panics
/// No method panics.
///
/// # Example
/// A runtime with the real clocks whose random numbers repeat:
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::Duration;
///
/// use unstale::runtime::BoxFuture;
/// use unstale::{Runtime, Timestamp, TokioRuntime};
///
/// #[derive(Debug)]
/// struct Seeded {
///     real: TokioRuntime,
///     next_seed: AtomicU64,
/// }
///
/// impl Runtime for Seeded {
///     fn now(&self) -> Timestamp {
///         self.real.now()
///     }
///     fn upper_now(&self) -> Timestamp {
///         self.real.upper_now()
///     }
///     fn resynchronize(&self) -> Duration {
///         self.real.resynchronize()
///     }
///     fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<()> {
///         self.real.sleep_until(deadline)
///     }
///     fn spawn(&self, name: &'static str, task: BoxFuture<()>) {
///         self.real.spawn(name, task);
///     }
///     fn random_seed(&self) -> u64 {
///         self.next_seed.fetch_add(1, Ordering::Relaxed)
///     }
/// }
/// ```
pub trait Runtime: fmt::Debug + Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// A cheap upper bound of the current time, for the hit path: a coarse clock plus its resolution.
    fn upper_now(&self) -> Timestamp;

    /// Makes [`upper_now`](Self::upper_now) catch up with a machine suspend. A node's watchdog calls it
    /// every few tens of milliseconds. Returns how far the two clocks had come apart.
    fn resynchronize(&self) -> Duration;

    /// Resolves once `deadline` has come.
    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<()>;

    /// Runs a task to its end, in the background. `name` appears in traces.
    fn spawn(&self, name: &'static str, task: BoxFuture<()>);

    /// A seed for a generator of its own.
    fn random_seed(&self) -> u64;
}

/// The real thing: the operating system's clocks and entropy, and tokio's timer and tasks.
///
/// On Linux time is `CLOCK_BOOTTIME`, which goes on while the machine is suspended; the cheap upper bound is
/// `CLOCK_MONOTONIC_COARSE` plus twice its resolution plus the suspended time known so far. Elsewhere both are
/// the standard library's monotonic clock.
///
/// Timers and tasks are those of the tokio runtime that it was made in, from whichever thread it is used; made
/// outside of any, they are those of the runtime that it is used in. Where there is none either, it says so in
/// the log: sleeps do not end, and tasks are not run. The tokio runtime must have its timers enabled.
#[derive(Debug)]
pub struct TokioRuntime {
    /// The tokio runtime that this was made in.
    handle: Option<Handle>,
    /// What to add to the coarse clock: twice its resolution and the suspended time known so far, in
    /// nanoseconds.
    coarse_offset_ns: AtomicU64,
    strict: Strict,
}

/// How a hit is kept from missing a suspend.
#[derive(Debug)]
#[cfg_attr(
    feature = "model",
    expect(clippy::large_enum_variant, reason = "a simulated lock is larger than a real one")
)]
enum Strict {
    /// Not at all, until the watchdog has looked.
    Off,
    /// By two coarse clocks.
    Coarse(StrictClock),
    /// By the exact clock: the system's coarse ones are no cheaper.
    Exact,
}

impl Strict {
    /// Out of line: where no suspend is looked for, a hit saves no registers for it.
    #[inline(never)]
    fn upper_ns(&self) -> u64 {
        match self {
            Self::Coarse(clock) => clock.upper_ns(&Os),
            Self::Off | Self::Exact => Os.boot_ns(),
        }
    }
}

/// What is finer than this is no coarse clock.
const COARSE_NS: u64 = 100_000;

impl TokioRuntime {
    /// A runtime whose hits may miss a machine suspend for up to 50 ms after the resume.
    pub fn new() -> Self {
        Self::with_strict_suspend(false)
    }

    /// Like [`new`](Self::new); with `strict_suspend` every hit also compares two coarse clocks, of which a suspend
    /// sets only one forward, and so misses none. That costs some nanoseconds more.
    pub fn with_strict_suspend(strict_suspend: bool) -> Self {
        let handle = Handle::try_current().ok();
        let strict = match strict_suspend {
            false => Strict::Off,
            true if Os.coarse_resolution_ns() < COARSE_NS => Strict::Exact,
            true => Strict::Coarse(StrictClock::default()),
        };
        let runtime = Self { handle, coarse_offset_ns: AtomicU64::new(0), strict };
        runtime.resynchronize();
        runtime
    }

    fn handle(&self) -> Option<Handle> {
        let handle = self.handle.clone().or_else(|| Handle::try_current().ok());
        if handle.is_none() {
            tracing::error!("no tokio runtime: made and used outside of any");
        }
        handle
    }
}

impl Default for TokioRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl Runtime for TokioRuntime {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(Os.boot_ns())
    }

    fn upper_now(&self) -> Timestamp {
        let upper_ns = match &self.strict {
            Strict::Off => {
                Os.coarse_ns().wrapping_add(self.coarse_offset_ns.load(Ordering::Relaxed))
            }
            strict => strict.upper_ns(),
        };
        Timestamp::from_nanos(upper_ns)
    }

    fn resynchronize(&self) -> Duration {
        let offset_ns = strict::offset_ns(&Os);
        let before_ns = self.coarse_offset_ns.swap(offset_ns, Ordering::Relaxed);
        let grown_ns = offset_ns.wrapping_sub(before_ns).cast_signed();
        Duration::from_nanos(grown_ns.max(0).cast_unsigned())
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<()> {
        let wait = deadline.since(self.now());
        let Some(handle) = self.handle() else {
            return Box::pin(std::future::pending());
        };
        let _entered = handle.enter();
        #[expect(clippy::disallowed_methods, reason = "this is the runtime")]
        let sleep = tokio::time::sleep(wait);
        Box::pin(sleep)
    }

    fn spawn(&self, name: &'static str, task: BoxFuture<()>) {
        if let Some(handle) = self.handle() {
            handle.spawn(task.instrument(tracing::debug_span!("task", name)));
        }
    }

    fn random_seed(&self) -> u64 {
        #[expect(clippy::disallowed_methods, reason = "this is the runtime")]
        let drawn = getrandom::u64();
        // Without the operating system's entropy, the standard library's hash keys are the next best.
        drawn.unwrap_or_else(|_| {
            use std::hash::BuildHasher;
            std::hash::RandomState::new().hash_one(Os.boot_ns())
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "these are tests")]
mod tests {
    use super::*;

    #[test]
    fn the_upper_bound_is_never_behind() {
        for strict in [false, true] {
            let runtime = TokioRuntime::with_strict_suspend(strict);
            for _ in 0..10_000 {
                let before = runtime.now();
                let upper = runtime.upper_now();
                assert!(upper >= before, "{upper:?} is before {before:?}");
            }
        }
    }

    #[test]
    fn seeds_differ() {
        let runtime = TokioRuntime::new();
        assert_ne!(runtime.random_seed(), runtime.random_seed());
    }

    #[test]
    fn outside_of_tokio_nothing_panics() {
        let runtime = TokioRuntime::new();
        let mut sleep = runtime.sleep_until(runtime.now());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(sleep.as_mut().poll(&mut context).is_pending());
        runtime.spawn("nothing", Box::pin(async {}));
    }

    #[test]
    fn it_can_be_used_outside_of_the_runtime_it_was_made_in() {
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .unwrap();
        let runtime = {
            let _entered = tokio.enter();
            TokioRuntime::new()
        };
        let (tell, told) = std::sync::mpsc::channel();
        let deadline = runtime.now().after(Duration::from_millis(1));
        let sleep = runtime.sleep_until(deadline);
        runtime.spawn(
            "sleeper",
            Box::pin(async move {
                sleep.await;
                tell.send(()).unwrap();
            }),
        );
        told.recv().unwrap();
        assert!(runtime.now() >= deadline);
    }

    #[tokio::test]
    async fn a_sleep_is_never_short() {
        let runtime = TokioRuntime::new();
        let deadline = runtime.now().after(Duration::from_millis(3));
        runtime.sleep_until(deadline).await;
        assert!(runtime.now() >= deadline);
    }
}
