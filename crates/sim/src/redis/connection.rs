//! One connection: bytes in, commands, bytes out.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Server;
use super::resp;

const CHUNK_BYTES: usize = 16 * 1024;

/// Serves a stream to its end.
pub(super) async fn serve<S>(server: &Server, stream: S, peer: Arc<str>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(id) = server.with(|state| state.open(peer)) else {
        return;
    };
    let mut session = Session {
        registration: Registration { server: server.clone(), id },
        stream,
        inbox: BytesMut::new(),
        sending: Bytes::new(),
    };
    poll_fn(|context| session.poll(context)).await;
}

/// A place among the server's connections, given up when it is dropped.
struct Registration {
    server: Server,
    id: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.server.with(|state| state.close(self.id));
    }
}

struct Session<S> {
    registration: Registration,
    stream: S,
    /// Read, and not executed.
    inbox: BytesMut,
    /// Taken from the server's output for this connection, and not written.
    sending: Bytes,
}

/// What a connection may do now.
#[derive(PartialEq, Eq)]
enum Turn {
    /// The server has closed it.
    Gone,
    /// Nothing; it lives.
    Stalled,
    /// Read, but not write.
    Held,
    /// Write what is left, and end.
    Closing,
    Free,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Ready when the connection has ended.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if matches!(self.turn(context), Turn::Free | Turn::Held) {
                self.execute();
            }
            // Whatever was executed may have changed it, and so may anyone else.
            let turn = self.turn(context);
            match turn {
                Turn::Gone => return Poll::Ready(()),
                Turn::Stalled => return Poll::Pending,
                Turn::Held => {}
                Turn::Closing | Turn::Free => match self.poll_send(context) {
                    Poll::Ready(Ok(())) if turn == Turn::Closing => return Poll::Ready(()),
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    // A client that does not read is still listened to.
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                },
            }
            if turn == Turn::Closing {
                return Poll::Pending;
            }
            match ready!(self.poll_fill(context)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
    }

    /// Looks what may be done, and asks to be woken when that changes.
    fn turn(&self, context: &Context<'_>) -> Turn {
        let Registration { server, id } = &self.registration;
        let mut state = server.lock();
        let stalled = state.faults.stalled;
        let Some(connection) = state.connections.get_mut(id) else {
            return Turn::Gone;
        };
        connection.waker = Some(context.waker().clone());
        let (closing, peer) = (connection.closing, Arc::clone(&connection.peer));
        match () {
            () if stalled => Turn::Stalled,
            // It is closed once it may be written to again.
            () if state.faults.holds(&peer) => {
                if closing {
                    Turn::Stalled
                } else {
                    Turn::Held
                }
            }
            () if closing => Turn::Closing,
            () => Turn::Free,
        }
    }

    /// Executes the commands that have come whole, until one ends the connection.
    fn execute(&mut self) {
        let Registration { server, id } = &self.registration;
        loop {
            let command = resp::take_command(&mut self.inbox);
            let goes_on = server.with(|state| {
                match &command {
                    Ok(Some(command)) => state.execute(*id, command),
                    Ok(None) => return false,
                    Err(text) => state.refuse_protocol(*id, text),
                }
                state.connections.get(id).is_some_and(|connection| !connection.closing)
            });
            if !goes_on {
                return;
            }
        }
    }

    /// Writes all that there is. Ready when nothing is left.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.sending.is_empty() {
                self.sending = self.take_output();
                if self.sending.is_empty() {
                    return Pin::new(&mut self.stream).poll_flush(context);
                }
            }
            let stream = Pin::new(&mut self.stream);
            let written = ready!(stream.poll_write(context, &self.sending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sending.advance(written);
            let mut state = self.registration.server.lock();
            if let Some(connection) = state.connections.get_mut(&self.registration.id) {
                connection.unwritten = connection.unwritten.saturating_sub(written);
            }
        }
    }

    fn take_output(&self) -> Bytes {
        let mut state = self.registration.server.lock();
        let connection = state.connections.get_mut(&self.registration.id);
        connection.map(|connection| connection.out.split().freeze()).unwrap_or_default()
    }

    /// Reads some more; 0 is the end.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut chunk = [0; CHUNK_BYTES];
        let mut buffer = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        self.inbox.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }
}
