//! The one lock that orders everything.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use bytes::Bytes;
use unstale::transport::{Item, SequencerId, TransportError, TransportErrorKind};

use crate::lock;
use crate::queue::{End, Queue};

/// Sizes that bound a hub's memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_frame_bytes: usize,
    pub(crate) queue_bytes: usize,
}

/// Channels and their subscribers.
///
/// Frames enter all queues of a channel under one lock, and so does a fence: there is one order, and a
/// fence is in its place in it. Subscribers read their queue without that lock.
pub(crate) struct Broker {
    limits: Limits,
    state: Mutex<State>,
}

struct State {
    down: bool,
    sequencer: SequencerId,
    /// Only channels that someone is subscribed to.
    channels: BTreeMap<Arc<str>, Vec<Arc<Queue>>>,
}

impl Broker {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: Mutex::new(State {
                down: false,
                sequencer: next_sequencer(),
                channels: BTreeMap::new(),
            }),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn subscribe(
        &self,
        channel: &Arc<str>,
    ) -> Result<(Arc<Queue>, SequencerId), TransportError> {
        let queue = Arc::new(Queue::new(self.limits.queue_bytes));
        let mut state = lock(&self.state);
        if state.down {
            return Err(End::Down.error());
        }
        state.channels.entry(Arc::clone(channel)).or_default().push(Arc::clone(&queue));
        Ok((queue, state.sequencer.clone()))
    }

    pub(crate) fn unsubscribe(&self, channel: &Arc<str>, queue: &Arc<Queue>) {
        let mut state = lock(&self.state);
        if let Some(queues) = state.channels.get_mut(channel) {
            queues.retain(|other| !Arc::ptr_eq(other, queue));
            if queues.is_empty() {
                state.channels.remove(channel);
            }
        }
    }

    pub(crate) fn publish(&self, channel: &Arc<str>, frame: &Bytes) -> Result<(), TransportError> {
        if frame.len() > self.limits.max_frame_bytes {
            return Err(TransportErrorKind::Rejected.error(format!(
                "the frame has {} bytes, the hub takes {}",
                frame.len(),
                self.limits.max_frame_bytes
            )));
        }
        let mut wakers = Vec::new();
        {
            let mut state = lock(&self.state);
            if state.down {
                return Err(End::Down.error());
            }
            if let Some(queues) = state.channels.get_mut(channel) {
                queues.retain(|queue| {
                    let offered = queue.offer(Item::Frame(frame.clone()));
                    wakers.extend(offered.waker);
                    offered.open
                });
            }
        }
        wakers.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Under the broker's lock, though it touches one queue only: a frame that another subscriber could
    /// already have read must not come after the fence.
    pub(crate) fn fence(&self, queue: &Queue, token: u64) {
        let offered = {
            let _order = lock(&self.state);
            queue.offer(Item::Fenced(token))
        };
        if let Some(waker) = offered.waker {
            waker.wake();
        }
    }

    pub(crate) fn restart(&self) {
        let wakers = {
            let mut state = lock(&self.state);
            state.sequencer = next_sequencer();
            state.end_all(End::Restarted)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn set_down(&self, down: bool) {
        let wakers = {
            let mut state = lock(&self.state);
            state.down = down;
            if down { state.end_all(End::Down) } else { Vec::new() }
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// How many subscriptions are open.
    pub(crate) fn subscriptions(&self) -> usize {
        lock(&self.state).channels.values().map(Vec::len).sum()
    }
}

impl State {
    fn end_all(&mut self, end: End) -> Vec<Waker> {
        std::mem::take(&mut self.channels)
            .into_values()
            .flatten()
            .filter_map(|queue| queue.end(end))
            .collect()
    }
}

/// An identity that no other broker of this process has or had; nobody outside of it can be subscribed.
fn next_sequencer() -> SequencerId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    SequencerId::new(format!("memory-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}
