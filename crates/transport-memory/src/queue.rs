//! What waits for one subscriber, bounded.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use unstale::transport::{Item, TransportError, TransportErrorKind};

use crate::lock;

/// The items that one subscriber has not read yet, and how the subscription ended.
///
/// Wakers are handed to the caller and never woken or dropped under a lock: both may run code that comes
/// back here.
pub(crate) struct Queue {
    limit_bytes: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    items: VecDeque<Item>,
    bytes: usize,
    end: Option<End>,
    waker: Option<Waker>,
}

/// Why a subscription ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Lagged,
    Down,
    Restarted,
}

impl End {
    pub(crate) fn error(self) -> TransportError {
        match self {
            Self::Lagged => TransportErrorKind::Lagged.error("the subscriber's queue overflowed"),
            Self::Down => TransportErrorKind::Unreachable.error("the hub is down"),
            Self::Restarted => TransportErrorKind::Unreachable.error("the hub was restarted"),
        }
    }
}

/// Whether a queue still takes items, and whom to wake.
pub(crate) struct Offered {
    pub(crate) open: bool,
    pub(crate) waker: Option<Waker>,
}

impl Queue {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, inner: Mutex::default() }
    }

    /// Appends an item; one that does not fit ends the queue instead. What is already there stays readable:
    /// it is true, and the more a node has met, the less it must have replayed.
    pub(crate) fn offer(&self, item: Item) -> Offered {
        let mut inner = lock(&self.inner);
        if inner.end.is_none() {
            let bytes = inner.bytes.saturating_add(weight(&item));
            if bytes <= self.limit_bytes {
                inner.bytes = bytes;
                inner.items.push_back(item);
            } else {
                inner.end = Some(End::Lagged);
            }
        }
        Offered { open: inner.end.is_none(), waker: inner.waker.take() }
    }

    /// Ends the queue after the items it holds.
    pub(crate) fn end(&self, end: End) -> Option<Waker> {
        let mut inner = lock(&self.inner);
        inner.end.get_or_insert(end);
        inner.waker.take()
    }

    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        let waker = context.waker().clone();
        // Declared before the guard, so that it is dropped after it.
        let _replaced;
        let mut inner = lock(&self.inner);
        if let Some(item) = inner.items.pop_front() {
            inner.bytes = inner.bytes.saturating_sub(weight(&item));
            return Poll::Ready(Ok(item));
        }
        if let Some(end) = inner.end {
            return Poll::Ready(Err(end.error()));
        }
        _replaced = inner.waker.replace(waker);
        Poll::Pending
    }
}

/// What an item counts against the limit: its bytes and its place in the queue, so that empty frames and
/// fences are bounded too.
fn weight(item: &Item) -> usize {
    let bytes = match item {
        Item::Frame(frame) => frame.len(),
        _ => 0,
    };
    bytes.saturating_add(size_of::<Item>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn read(queue: &Queue) -> Poll<Result<Item, TransportErrorKind>> {
        let mut context = Context::from_waker(Waker::noop());
        queue.poll(&mut context).map(|item| item.map_err(|error| error.kind()))
    }

    #[test]
    fn overflow_keeps_what_was_queued_and_then_ends() {
        let frame = Item::Frame(Bytes::from_static(b"12345678"));
        let queue = Queue::new(2 * weight(&frame) + weight(&frame) - 1);
        assert!(queue.offer(frame.clone()).open);
        assert!(queue.offer(frame.clone()).open);
        assert!(!queue.offer(frame.clone()).open);
        assert_eq!(read(&queue), Poll::Ready(Ok(frame.clone())));
        assert!(!queue.offer(frame.clone()).open, "an end is final");
        assert_eq!(read(&queue), Poll::Ready(Ok(frame)));
        assert_eq!(read(&queue), Poll::Ready(Err(TransportErrorKind::Lagged)));
    }

    #[test]
    fn reading_makes_room() {
        let fence = Item::Fenced(7);
        let queue = Queue::new(weight(&fence));
        for _ in 0..3 {
            assert!(queue.offer(fence.clone()).open);
            assert_eq!(read(&queue), Poll::Ready(Ok(fence.clone())));
        }
        assert_eq!(read(&queue), Poll::Pending);
    }

    #[test]
    fn the_first_end_counts() {
        let queue = Queue::new(0);
        queue.end(End::Restarted);
        queue.end(End::Lagged);
        let error = read(&queue);
        assert_eq!(error, Poll::Ready(Err(TransportErrorKind::Unreachable)));
    }
}
