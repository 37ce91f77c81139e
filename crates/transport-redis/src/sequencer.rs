//! What publishing and subscribing know of each other: which primary orders the channel.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Context;

use futures_util::task::AtomicWaker;
use unstale::transport::{SequencerId, TransportError, TransportErrorKind as Kind};

/// The primary that the newest subscription is at.
///
/// A publish counts only if it went there. A *freshly found* publishing connection that leads to another
/// primary ends that subscription, so that the next one finds the same: else an old primary that still answers
/// would keep the subscription alive for ever while no publish succeeds.
#[derive(Debug, Default)]
pub(crate) struct Sequencer {
    newest: Mutex<Weak<Tenure>>,
}

impl Sequencer {
    /// A subscription was confirmed.
    pub(crate) fn subscribed(&self, tenure: &Arc<Tenure>) {
        *self.newest() = Arc::downgrade(tenure);
    }

    /// Whether a publish accepted by `primary` reaches the newest subscription. Without one, every primary
    /// is right.
    pub(crate) fn accepts(&self, primary: &SequencerId) -> Result<(), TransportError> {
        match self.newest().upgrade() {
            Some(tenure) if tenure.primary != *primary => Err(elsewhere()),
            _ => Ok(()),
        }
    }

    /// Ends the newest subscription if it is at another primary than `found`.
    pub(crate) fn found(&self, found: &SequencerId) {
        if let Some(tenure) = self.newest().upgrade()
            && tenure.primary != *found
        {
            tenure.over.store(true, Ordering::Release);
            tenure.waker.wake();
        }
    }

    fn newest(&self) -> std::sync::MutexGuard<'_, Weak<Tenure>> {
        // Only ever replaced as a whole, so a panic elsewhere cannot have left it half written.
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One subscription's view of who the primary is.
#[derive(Debug)]
pub(crate) struct Tenure {
    primary: SequencerId,
    over: AtomicBool,
    waker: AtomicWaker,
}

impl Tenure {
    pub(crate) fn of(primary: SequencerId) -> Self {
        Self { primary, over: AtomicBool::new(false), waker: AtomicWaker::new() }
    }

    /// An error once a newer primary is known; the task is woken when that happens.
    pub(crate) fn poll_over(&self, context: &mut Context<'_>) -> Result<(), TransportError> {
        self.waker.register(context.waker());
        if self.over.load(Ordering::Acquire) {
            return Err(elsewhere());
        }
        Ok(())
    }
}

fn elsewhere() -> TransportError {
    Kind::Demoted.error(
        "publishing and subscribing reach different servers; after a failover this passes by itself, else give \
         both the same address",
    )
}
