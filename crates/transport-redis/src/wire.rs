//! One connection: commands out, values in, in the order of the server.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use unstale::transport::TransportError;

use crate::address::Endpoint;
use crate::connector::Stream;
use crate::error;
use crate::resp::{self, Value};

/// What the buffer is when nothing large is on its way.
const IDLE_BUFFER_BYTES: usize = 32 * 1024;

/// One connection to one server.
pub(crate) struct Wire {
    endpoint: Endpoint,
    stream: Box<dyn Stream>,
    out: BytesMut,
    flushed: bool,
    inbox: Vec<u8>,
    /// `inbox[start..end]` has been read and not parsed.
    start: usize,
    end: usize,
    max_value_bytes: usize,
}

impl Wire {
    /// A value of more than `max_value_bytes` is an error.
    pub(crate) fn new(endpoint: Endpoint, stream: Box<dyn Stream>, max_value_bytes: usize) -> Self {
        Self {
            endpoint,
            stream,
            out: BytesMut::new(),
            flushed: true,
            inbox: vec![0; IDLE_BUFFER_BYTES],
            start: 0,
            end: 0,
            max_value_bytes,
        }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The bare stream, if every byte that came has been understood.
    pub(crate) fn into_stream(self) -> Result<Box<dyn Stream>, TransportError> {
        if self.start == self.end && self.out.is_empty() {
            Ok(self.stream)
        } else {
            Err(error::unexpected(&self.endpoint, "INFO", &Value::Nil))
        }
    }

    /// Queues a command; it leaves with the next [`poll_value`](Self::poll_value).
    pub(crate) fn queue(&mut self, arguments: &[&[u8]]) {
        resp::encode(&mut self.out, arguments);
        self.flushed = false;
    }

    /// Sends what is queued and yields the next value. Dropping the waiter loses nothing.
    pub(crate) fn poll_value(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Value, TransportError>> {
        // A server that does not read must not keep us from reading, hence no `ready!` here.
        if let Poll::Ready(Err(failure)) = self.poll_send(context) {
            return Poll::Ready(Err(error::io_failed(&self.endpoint, "sending to", failure)));
        }
        loop {
            match resp::parse(&self.inbox[self.start..self.end], self.max_value_bytes) {
                Ok(Some((value, taken))) => {
                    self.start += taken;
                    return Poll::Ready(Ok(value));
                }
                Ok(None) => {}
                Err(malformed) => {
                    return Poll::Ready(Err(error::malformed(&self.endpoint, malformed)));
                }
            }
            match ready!(self.poll_fill(context)) {
                Ok(()) => {}
                Err(failure) => {
                    return Poll::Ready(Err(error::io_failed(
                        &self.endpoint,
                        "receiving from",
                        failure,
                    )));
                }
            }
        }
    }

    /// Sends the commands at once and waits for one value each.
    pub(crate) async fn request(
        &mut self,
        commands: &[&[&[u8]]],
    ) -> Result<Vec<Value>, TransportError> {
        for command in commands {
            self.queue(command);
        }
        let mut values = Vec::with_capacity(commands.len());
        for _ in commands {
            values.push(poll_fn(|context| self.poll_value(context)).await?);
        }
        Ok(values)
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, &self.out))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(sent);
        }
        if !self.flushed {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads more bytes, at least one.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.make_room();
        let mut buffer = ReadBuf::new(&mut self.inbox[self.end..]);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        let read = buffer.filled().len();
        if read == 0 {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the server closed the connection",
            )));
        }
        self.end += read;
        Poll::Ready(Ok(()))
    }

    /// Leaves space behind `end`. The parser refuses a value before it outgrows the limit, so the buffer
    /// grows to at most twice `max_value_bytes`.
    fn make_room(&mut self) {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            if self.inbox.len() > IDLE_BUFFER_BYTES {
                self.inbox = vec![0; IDLE_BUFFER_BYTES];
            }
        } else if self.end == self.inbox.len() {
            if self.start > 0 {
                self.inbox.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            // Half full or more of one value: double, so that its bytes are moved only a few times.
            if self.end * 2 > self.inbox.len() {
                self.inbox.resize(self.inbox.len() * 2, 0);
            }
        }
    }
}
