//! A stream that can be ended from outside.
//!
//! `fe2o3-amqp` 0.18.4 has a defect: after a connection's handle is closed or dropped, its engine runs at full
//! speed until the other side answers, for ever if it never does. `tests/engine_spins.rs` shows it. So a
//! connection's stream is cut before its handles go: the engine then meets the end of the stream and stops.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Ends its stream when it is dropped.
#[derive(Debug)]
pub(super) struct Cut(Arc<State>);

#[derive(Debug, Default)]
struct State {
    cut: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Drop for Cut {
    fn drop(&mut self) {
        // The flag first: whoever is woken must see it.
        self.0.cut.store(true, Ordering::SeqCst);
        self.0.reader.wake();
        self.0.writer.wake();
    }
}

/// A stream that is at its end once it was cut.
pub(super) struct CutStream<S> {
    inner: S,
    state: Arc<State>,
}

impl<S> CutStream<S> {
    pub(super) fn new(inner: S) -> (Self, Cut) {
        let state = Arc::<State>::default();
        (Self { inner, state: Arc::clone(&state) }, Cut(state))
    }

    /// Whether the stream was cut; a later cut wakes this task.
    fn is_cut(&self, waker: &AtomicWaker, context: &Context<'_>) -> bool {
        waker.register(context.waker());
        self.state.cut.load(Ordering::SeqCst)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for CutStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_cut(&self.state.reader, context) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CutStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut(&self.state.writer, context) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_cut(&self.state.writer, context) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_cut(&self.state.writer, context) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl<S> fmt::Debug for CutStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CutStream(..)")
    }
}
