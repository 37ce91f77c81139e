//! One connection: bytes in, frames, bytes out.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;

use crate::Emulator;
use crate::broker::connections::ConnectionId;
use crate::time::{later, sleep_until};

use super::endpoint::Endpoint;
use super::wire::SIGN_OF_LIFE;

/// With so much unwritten, nothing more is taken from the broker.
const FULL_BYTES: usize = 256 * 1024;
/// With so much unwritten, nothing is read: whoever asks does not listen.
const STUFFED_BYTES: usize = 4 * 1024 * 1024;
const EVENTS_AT_ONCE: usize = 64;

/// Serves a connection that the broker has let in, to its end.
pub(crate) async fn serve<S>(emulator: &Emulator, id: ConnectionId, notify: Arc<Notify>, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut endpoint = Endpoint::new(emulator.clone(), id);
    let mut inbox = BytesMut::new();
    let mut flushed = true;
    let mut life = Life::new(emulator);
    loop {
        let now = emulator.clock().now();
        let Some(deadline) = endpoint.work(now, FULL_BYTES, EVENTS_AT_ONCE) else {
            return;
        };
        if !life.check(now, &mut endpoint) {
            return;
        }
        if endpoint.is_done() && endpoint.out.is_empty() && flushed {
            // Whatever is left to say is said; the peer may read it in peace.
            let _ = writer.shutdown().await;
            return;
        }
        let deadline = [deadline, life.deadline(&endpoint)].into_iter().flatten().min();
        let reads = !endpoint.is_done() && endpoint.out.len() < STUFFED_BYTES;
        tokio::select! {
            biased;
            written = write(&mut writer, &mut endpoint.out, &mut flushed) => {
                if written.is_err() {
                    return;
                }
            }
            read = reader.read_buf(&mut inbox), if reads => {
                match read {
                    Ok(1..) => {
                        life.heard_at = now;
                        endpoint.receive(&mut inbox);
                    }
                    Ok(0) | Err(_) => return,
                }
            }
            () = notify.notified() => {}
            () = sleep_until(emulator.clock(), deadline) => {}
        }
    }
}

/// Writes some of what there is; if there is nothing, flushes, once. Ready when something is done.
async fn write<W: AsyncWrite + Unpin>(
    writer: &mut W,
    out: &mut BytesMut,
    flushed: &mut bool,
) -> io::Result<()> {
    if !out.is_empty() {
        let written = writer.write_buf(out).await?;
        *flushed = false;
        return if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) };
    }
    if *flushed {
        return std::future::pending().await;
    }
    writer.flush().await?;
    *flushed = true;
    Ok(())
}

/// Signs of life, ours and theirs.
struct Life {
    idle_timeout: Duration,
    heard_at: SystemTime,
    said_at: SystemTime,
}

impl Life {
    fn new(emulator: &Emulator) -> Self {
        let now = emulator.clock().now();
        Self { idle_timeout: emulator.idle_timeout(), heard_at: now, said_at: now }
    }

    /// False if the peer is taken for dead.
    fn check(&mut self, now: SystemTime, endpoint: &mut Endpoint) -> bool {
        if later(self.heard_at, self.idle_timeout) <= now {
            return false;
        }
        let due = endpoint.sign_of_life_every().is_some_and(|every| self.said_at + every <= now);
        if due && endpoint.out.is_empty() {
            endpoint.out.extend_from_slice(&SIGN_OF_LIFE);
        }
        if due || !endpoint.out.is_empty() {
            self.said_at = now;
        }
        true
    }

    fn deadline(&self, endpoint: &Endpoint) -> Option<SystemTime> {
        let ours = endpoint.sign_of_life_every().map(|every| self.said_at + every);
        [Some(later(self.heard_at, self.idle_timeout)), ours].into_iter().flatten().min()
    }
}
