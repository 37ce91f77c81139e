//! What callers, the watchdog and the driver of one channel share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::protocol::{Outbox, fence_interval, fence_timeout};
use crate::receipt::Ticket;
use crate::target::Target;
use crate::time::saturating_nanos;

/// One channel of a node, as everybody but its driver sees it.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) outbox: Arc<Outbox>,
    wake: Notify,
    wants_proof: AtomicBool,
    leaving: AtomicBool,
    stopped: AtomicBool,
    /// What the replica should use for the time between fences, and what one may take; nanoseconds.
    fence_interval_ns: AtomicU64,
    fence_timeout_ns: AtomicU64,
    /// The place in the outbox that is accepted. Its sender lives in the driver.
    accepted: watch::Receiver<u64>,
    /// Frames sealed and not accepted when the driver ended.
    unaccepted: AtomicUsize,
}

/// The driver's end of a lane: receipts fail when it is dropped.
pub(super) type Progress = watch::Sender<u64>;

impl Lane {
    pub(super) fn new(outbox: Arc<Outbox>, within: Duration) -> (Self, Progress) {
        let (progress, accepted) = watch::channel(0);
        let lane = Self {
            outbox,
            wake: Notify::new(),
            wants_proof: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            fence_interval_ns: AtomicU64::new(0),
            fence_timeout_ns: AtomicU64::new(0),
            accepted,
            unaccepted: AtomicUsize::new(0),
        };
        lane.set_fences(fence_interval(within), fence_timeout(within));
        (lane, progress)
    }

    /// Queues targets and wakes the driver.
    pub(super) fn push(&self, targets: impl IntoIterator<Item = Target>) -> Ticket {
        let place = self.outbox.push(targets);
        self.wake.notify_one();
        Ticket { place, accepted: self.accepted.clone() }
    }

    /// Asks for a fence at once.
    pub(super) fn hurry(&self) {
        self.wants_proof.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(super) fn take_wants_proof(&self) -> bool {
        self.wants_proof.swap(false, Ordering::AcqRel)
    }

    pub(super) fn leave(self: &Arc<Self>) {
        self.leaving.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// Ends the driver as soon as it looks.
    pub(super) fn stop(self: &Arc<Self>) {
        self.stopped.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(super) fn set_fences(&self, interval: Duration, timeout: Duration) {
        self.fence_interval_ns.store(saturating_nanos(interval), Ordering::Relaxed);
        self.fence_timeout_ns.store(saturating_nanos(timeout), Ordering::Relaxed);
    }

    pub(super) fn fences(&self) -> (Duration, Duration) {
        (
            Duration::from_nanos(self.fence_interval_ns.load(Ordering::Relaxed)),
            Duration::from_nanos(self.fence_timeout_ns.load(Ordering::Relaxed)),
        )
    }

    /// Resolves when the driver has ended.
    pub(super) async fn ended(&self) {
        let mut accepted = self.accepted.clone();
        while accepted.changed().await.is_ok() {}
    }

    pub(super) fn set_unaccepted(&self, frames: usize) {
        self.unaccepted.store(frames, Ordering::Release);
    }

    pub(super) fn unaccepted(self: &Arc<Self>) -> usize {
        self.unaccepted.load(Ordering::Acquire)
    }
}
