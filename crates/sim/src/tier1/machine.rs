//! Time, randomness and tasks of a process on a simulated machine.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use unstale::runtime::BoxFuture;
use unstale::{Runtime, Timestamp};

use crate::clock::MachineClock;
use crate::rng::Seeds;

/// Whether something stands still: a process that is paused, a socket that nobody reads.
#[derive(Debug, Default)]
pub(super) struct Gate {
    closed: AtomicU32,
    waiting: Mutex<Vec<Waker>>,
}

impl Gate {
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed) > 0
    }

    /// Closes it once more.
    pub(super) fn close(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes back one closing; with the last one everything behind it goes on.
    pub(super) fn open(&self) {
        if self.closed.fetch_sub(1, Ordering::Relaxed) == 1 {
            let waiting =
                std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// Pending, and woken when it opens, while it is closed.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        if !self.is_closed() {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(context.waker().clone());
        Poll::Pending
    }
}

/// A task that stands still with its process.
pub(super) struct Gated<F> {
    gate: Arc<Gate>,
    task: Pin<Box<F>>,
}

impl<F> Gated<F> {
    pub(super) fn new(gate: &Arc<Gate>, task: F) -> Self {
        Self { gate: Arc::clone(gate), task: Box::pin(task) }
    }
}

impl<F: Future> Future for Gated<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        match self.gate.poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => self.task.as_mut().poll(context),
        }
    }
}

/// The runtime of one process.
#[derive(Debug)]
pub(super) struct MachineRuntime {
    clock: Arc<MachineClock>,
    gate: Arc<Gate>,
    seeds: Seeds,
    drawn: AtomicU64,
}

impl MachineRuntime {
    pub(super) fn new(clock: Arc<MachineClock>, gate: Arc<Gate>, seeds: Seeds) -> Self {
        Self { clock, gate, seeds, drawn: AtomicU64::new(0) }
    }
}

/// Sleeps for this long in true time.
pub(super) async fn sleep_ns(ns: u64) {
    #[expect(clippy::disallowed_methods, reason = "this is the simulated machine")]
    tokio::time::sleep(Duration::from_nanos(ns)).await;
}

impl Runtime for MachineRuntime {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn upper_now(&self) -> Timestamp {
        self.clock.upper_now()
    }

    fn resynchronize(&self) -> Duration {
        self.clock.resynchronize()
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<()> {
        let clock = Arc::clone(&self.clock);
        Box::pin(async move {
            // Timers have milliseconds: what is rounded down must wait again.
            while clock.now() < deadline {
                let until = clock.true_at(deadline);
                sleep_ns(until.saturating_sub(clock.true_now()).max(1)).await;
            }
        })
    }

    fn spawn(&self, _name: &'static str, task: BoxFuture<()>) {
        // Not on the runtime itself: what is dropped first in a crash would follow from the numbers of tasks, which
        // all threads of the process share.
        tokio::task::spawn_local(Gated::new(&self.gate, task));
    }

    fn random_seed(&self) -> u64 {
        self.seeds.draw(self.drawn.fetch_add(1, Ordering::Relaxed))
    }
}
