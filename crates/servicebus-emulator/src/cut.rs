//! A stream that can be cut.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that somebody else may cut: from then on reading it yields its end, and writing fails.
///
/// An engine of `fe2o3-amqp` 0.18.4 whose handles are dropped polls without a pause until its peer answers. Over
/// a stream that is cut before, it ends at once.
#[derive(Debug)]
pub struct CutStream<S> {
    stream: S,
    scissors: Scissors,
}

/// What cuts a [`CutStream`]. Clones cut the same one.
#[derive(Clone, Debug, Default)]
pub struct Scissors(Arc<Mutex<Cut>>);

#[derive(Debug, Default)]
struct Cut {
    done: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl<S> CutStream<S> {
    /// The stream, and what cuts it.
    pub fn new(stream: S) -> (Self, Scissors) {
        let scissors = Scissors::default();
        (Self { stream, scissors: scissors.clone() }, scissors)
    }
}

impl Scissors {
    /// Cuts the stream, for good. Who waits for it is woken.
    pub fn cut(&self) {
        let mut cut = self.lock();
        cut.done = true;
        let wakers = [cut.reader.take(), cut.writer.take()];
        drop(cut);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Whether it is cut.
    pub fn is_cut(&self) -> bool {
        self.lock().done
    }

    fn lock(&self) -> MutexGuard<'_, Cut> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_failure(&self, context: &Context<'_>) -> Option<io::Error> {
        let mut cut = self.lock();
        cut.writer = Some(context.waker().clone());
        cut.done.then(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for CutStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        {
            let mut cut = self.scissors.lock();
            if cut.done {
                return Poll::Ready(Ok(()));
            }
            cut.reader = Some(context.waker().clone());
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CutStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(error) = self.scissors.write_failure(context) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.scissors.write_failure(context) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.scissors.write_failure(context).is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_cut_wakes_the_reader_and_fails_the_writer() {
        let (mut near, far) = tokio::io::duplex(8);
        let (mut far, scissors) = CutStream::new(far);
        near.write_all(b"x").await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), b'x');

        let (mut reader, mut writer) = tokio::io::split(far);
        let reading = tokio::task::LocalSet::new();
        reading
            .run_until(async {
                let reading = tokio::task::spawn_local(async move { reader.read(&mut [0]).await });
                tokio::task::yield_now().await;
                scissors.cut();
                assert_eq!(reading.await.unwrap().unwrap(), 0);
            })
            .await;
        let error = writer.write_all(b"y").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(scissors.is_cut());
    }
}
