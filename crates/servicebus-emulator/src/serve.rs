//! The one entrance for connections of every kind.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::sync::Notify;

use crate::Emulator;
use crate::broker::connections::ConnectionId;
use crate::prefixed::Prefixed;
use crate::time::sleep;
use crate::{amqp, http};

/// A connection's place at the broker, given up when it is dropped.
pub(crate) struct Place {
    emulator: Emulator,
    pub(crate) id: ConnectionId,
    pub(crate) notify: Arc<Notify>,
}

impl Place {
    /// `None` if the broker lets nobody in.
    pub(crate) fn take(emulator: &Emulator) -> Option<Self> {
        let (id, notify) = emulator.broker().open()?;
        Some(Self { emulator: emulator.clone(), id, notify })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.emulator.broker().close(self.id);
    }
}

impl Emulator {
    /// Serves one connection, whatever it turns out to speak, until either side ends it.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn serve<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Some(place) = Place::take(self) else {
            return;
        };
        self.serve_plain(&place, stream).await;
    }

    async fn serve_plain<S>(&self, place: &Place, mut stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut first = [0; 4];
        let reading = stream.read_exact(&mut first);
        tokio::select! {
            biased;
            read = reading => if read.is_err() {
                return;
            },
            // A peer that says nothing.
            () = sleep(self.idle_timeout()) => return,
            () = self.until_cut(place) => return,
        }
        let stream = Prefixed::new(first.to_vec(), stream);
        if &first == b"AMQP" {
            let notify = Arc::clone(&place.notify);
            amqp::connection::serve(self, place.id, notify, stream).await;
        } else {
            tokio::select! {
                biased;
                () = self.until_cut(place) => {}
                () = http::serve(self, stream) => {}
            }
        }
    }

    /// Ready when the connection is cut.
    pub(crate) async fn until_cut(&self, place: &Place) {
        while !self.broker().is_cut(place.id) {
            place.notify.notified().await;
        }
    }
}
