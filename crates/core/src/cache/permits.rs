//! The limit on the concurrent loads of one cache.
//!
//! A load runs under the permit of a load around it, if one of those has any; else it waits for its own. No
//! deadlock comes from that, for while any load with a permit waits for another, directly or not, that one
//! does not wait for a permit: see [`WaitGraph`](super::waits::WaitGraph).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::FixedState;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::context::Current;
use super::domain::Shared;
use super::error::LoadError;
use super::waits::LoadId;
use crate::shim::lock;
use crate::shim::sync::Mutex;
use crate::time::Timestamp;

/// The permits of one cache, and who has them.
#[derive(Debug)]
pub(crate) struct Permits {
    free: Arc<Semaphore>,
    held: Mutex<HashMap<LoadId, Held, FixedState>>,
    load_timeout: Duration,
}

#[derive(Debug)]
struct Held {
    /// From then on it may be taken from a load that nobody drives.
    deadline: Timestamp,
    _permit: OwnedSemaphorePermit,
}

/// The right to load, until it is dropped.
pub(crate) struct Turn {
    shared: Arc<Shared>,
    permits: Arc<Permits>,
    load: LoadId,
}

impl Permits {
    pub(crate) fn new(limit: usize, load_timeout: Duration) -> Arc<Self> {
        // More than the semaphore can count is no limit.
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            free: Arc::new(Semaphore::new(limit)),
            held: Mutex::new(HashMap::with_hasher(FixedState::with_seed(0))),
            load_timeout,
        })
    }

    /// Waits for the turn of a load, which is part of `outer`. `None`: it needs no permit of its own.
    ///
    /// # Errors
    /// The load time-out is over.
    pub(crate) async fn turn(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        load: LoadId,
        outer: Option<&Current>,
    ) -> Result<Option<Turn>, LoadError> {
        // Whoever waits for the load around this one waits for this one's turn too.
        let _waiting = outer.and_then(|outer| shared.waits.wait(outer.context.load(), load));
        let Some(queued) = shared.waits.queue(load) else {
            return Ok(None);
        };
        let free = Arc::clone(&self.free);
        let permit = match Arc::clone(&free).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait(shared).await?,
        };
        let deadline = shared.runtime.now().after(self.load_timeout);
        lock(&self.held).insert(load, Held { deadline, _permit: permit });
        queued.granted();
        Ok(Some(Turn { shared: Arc::clone(shared), permits: Arc::clone(self), load }))
    }

    async fn wait(&self, shared: &Shared) -> Result<OwnedSemaphorePermit, LoadError> {
        let acquired = Arc::clone(&self.free).acquire_owned();
        tokio::pin!(acquired);
        self.release_overdue(shared.runtime.now());
        let deadline = shared.runtime.now().after(self.load_timeout);
        tokio::select! {
            biased;
            permit = &mut acquired => return permit.map_err(|_| LoadError::timed_out()),
            () = shared.runtime.sleep_until(deadline) => {}
        }
        // All who had a permit when the wait began should have ended by now.
        self.release_overdue(shared.runtime.now());
        tokio::select! {
            biased;
            permit = &mut acquired => permit.map_err(|_| LoadError::timed_out()),
            () = std::future::ready(()) => Err(LoadError::timed_out()),
        }
    }

    /// Takes the permit from a load that has ended, or that nobody drives.
    pub(crate) fn release(&self, load: LoadId) {
        let held = lock(&self.held).remove(&load);
        drop(held);
    }

    fn release_overdue(&self, now: Timestamp) {
        let mut held = lock(&self.held);
        held.retain(|_, held| held.deadline > now);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.permits.release(self.load);
        self.shared.waits.release(self.load);
    }
}
