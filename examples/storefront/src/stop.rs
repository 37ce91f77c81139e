//! When to leave.

use std::future::pending;
use std::io::Read;

use tokio::sync::oneshot;

/// Resolves at Ctrl-C, at a polite signal to end, and, if told so, when standard input ends.
pub(crate) async fn asked(until_eof: bool) {
    tokio::select! {
        Ok(()) = tokio::signal::ctrl_c() => {}
        () = terminated() => {}
        () = end_of_input(), if until_eof => {}
        else => pending().await,
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => signal.recv().await.unwrap_or_default(),
        Err(_) => pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    pending().await
}

async fn end_of_input() {
    let (ended, end) = oneshot::channel::<()>();
    // A thread of its own, and not tokio's standard input: a read that never returns would keep the runtime from
    // shutting down.
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut buffer = [0; 256];
        while input.read(&mut buffer).is_ok_and(|bytes| bytes > 0) {}
        drop(ended);
    });
    let _ = end.await;
}
