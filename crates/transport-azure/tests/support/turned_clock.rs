//! A date that moves on when it is told to, for whoever reads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use unstale_servicebus_emulator::Clock;

/// The system's date, and what it was turned on by.
#[derive(Clone, Debug, Default)]
pub(crate) struct TurnedClock(Arc<AtomicU64>);

impl TurnedClock {
    pub(crate) fn turn(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> SystemTime {
        #[expect(clippy::disallowed_methods, reason = "the emulator runs in real time")]
        let now = SystemTime::now();
        now + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }

    /// The clock for a transport.
    pub(crate) fn reader(self) -> impl Fn() -> SystemTime + Send + Sync + 'static {
        move || self.now()
    }

    /// The clock for an emulator.
    pub(crate) fn emulators(&self) -> Clock {
        Clock::new(self.clone().reader())
    }
}
