//! The defect of `fe2o3-amqp` for which the transport cuts its streams (`src/amqp/cut.rs`), as small as it gets.
//!
//! When the first test fails after an upgrade, the defect is mended: the cut can go.
#![cfg(feature = "amqp")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the library runs on tokio itself; a test may panic"
)]

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::{Connection, Session};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use unstale_servicebus_emulator::{Clock, Emulator, Options};

/// Whether a stream's peer has fallen silent, and whether the stream is cut.
#[derive(Debug, Default)]
struct Watch {
    silent: AtomicBool,
    cut: AtomicBool,
}

/// A stream whose peer can fall silent without closing it.
#[derive(Debug)]
struct Watched {
    inner: DuplexStream,
    watch: Arc<Watch>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.watch.cut.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        if self.watch.silent.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.watch.cut.load(Ordering::SeqCst) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.watch.silent.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Whether the runtime is never idle for 300 ms after a connection was dropped whose peer does not answer.
async fn spins_after_drop(cuts: bool) -> bool {
    let (client, server) = duplex(64 * 1024);
    let emulator = Emulator::new(Options::new(Clock::tokio(std::time::UNIX_EPOCH)));
    tokio::spawn(async move { emulator.serve(server).await });
    let watch = Arc::<Watch>::default();
    let stream = Watched { inner: client, watch: Arc::clone(&watch) };
    let connection = Connection::builder()
        .container_id("a client")
        .hostname("localhost")
        .sasl_profile(SaslProfile::Anonymous)
        .open_with_stream(stream)
        .await
        .unwrap();
    let mut connection = connection;
    let session = Session::begin(&mut connection).await.unwrap();
    watch.silent.store(true, Ordering::SeqCst);
    watch.cut.store(cuts, Ordering::SeqCst);
    drop(session);
    drop(connection);
    // The clock stands still until nobody has anything to do, and jumps then.
    let (sender, real_time) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        let _ = sender.send(());
    });
    tokio::select! {
        biased;
        _ = real_time => true,
        () = tokio::time::sleep(Duration::from_secs(1)) => false,
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_connection_spins_until_the_peer_answers() {
    assert!(spins_after_drop(false).await, "the defect is mended");
}

#[tokio::test(start_paused = true)]
async fn one_whose_stream_is_cut_does_not() {
    assert!(!spins_after_drop(true).await);
}
