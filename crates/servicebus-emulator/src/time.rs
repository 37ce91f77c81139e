//! The one place that waits, and the emulator's clock.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What time it is. The emulator knows no other clock: locks, times to live, tokens and what it tells
/// clients all follow this one.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// A clock that shows what `now` returns.
    ///
    /// It must move about as fast as tokio's clock, which is what the emulator sleeps on.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// A clock that shows `epoch` now and moves with tokio's, paused or not.
    ///
    /// All threads that use it must be in the same runtime as the caller is.
    #[expect(clippy::disallowed_methods, reason = "the clock is made of it, at the caller's order")]
    pub fn tokio(epoch: SystemTime) -> Self {
        let start = tokio::time::Instant::now();
        Self::new(move || epoch + tokio::time::Instant::now().saturating_duration_since(start))
    }

    pub(crate) fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Sleeps on tokio's clock.
#[expect(clippy::disallowed_methods, reason = "it follows tokio's clock, as its simulator does")]
pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Sleeps until about `deadline`; for ever without one. The caller looks at the clock again.
pub(crate) async fn sleep_until(clock: &Clock, deadline: Option<SystemTime>) {
    let Some(deadline) = deadline else {
        return std::future::pending().await;
    };
    let left = deadline.duration_since(clock.now()).unwrap_or_default();
    // Two clocks: one that lags by a fraction would otherwise be asked again and again.
    sleep(left.max(Duration::from_millis(1))).await;
}

/// So much later, or at the end of the time there is.
pub(crate) fn later(time: SystemTime, duration: Duration) -> SystemTime {
    // A hundred years are as good as for ever, and no test is longer.
    const LONG: Duration = Duration::from_secs(100 * 365 * 86_400);
    time.checked_add(duration.min(LONG)).unwrap_or(time)
}

/// Milliseconds since 1970, as AMQP has them.
pub(crate) fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Seconds since 1970, as tokens have them.
pub(crate) fn from_seconds(seconds: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}
