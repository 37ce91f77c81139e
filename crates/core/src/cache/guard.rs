//! Invalidating also when the code that wrote is cancelled.

use std::fmt;

use crate::receipt::Receipt;

/// Invalidates when it is dropped: make it before the write is committed, so that a task that is cancelled
/// or panics between commit and invalidation leaves nobody stale.
///
/// An invalidation too many, for a write that did not happen, costs a load and nothing else.
#[must_use = "it invalidates at once if it is not kept until the write is committed"]
pub struct InvalidateGuard {
    invalidate: Option<Box<dyn FnOnce() -> Receipt + Send + Sync>>,
}

impl InvalidateGuard {
    pub(crate) fn new(invalidate: impl FnOnce() -> Receipt + Send + Sync + 'static) -> Self {
        Self { invalidate: Some(Box::new(invalidate)) }
    }

    /// Does nothing when it is dropped: the write did not happen.
    pub fn disarm(mut self) {
        self.invalidate = None;
    }

    /// Invalidates now.
    pub fn invalidate_now(mut self) -> Receipt {
        self.invalidate.take().map_or_else(Receipt::default, |invalidate| invalidate())
    }
}

impl Drop for InvalidateGuard {
    fn drop(&mut self) {
        if let Some(invalidate) = self.invalidate.take() {
            drop(invalidate());
        }
    }
}

impl fmt::Debug for InvalidateGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidateGuard").field("armed", &self.invalidate.is_some()).finish()
    }
}
