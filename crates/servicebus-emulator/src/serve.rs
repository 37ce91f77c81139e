//! The one entrance for connections of every kind.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use crate::Emulator;
use crate::broker::connections::ConnectionId;
use crate::prefixed::Prefixed;
use crate::time::sleep;
use crate::{amqp, http};

/// The first byte of TLS.
const TLS_HANDSHAKE: u8 = 0x16;

/// A connection's place at the broker, given up when it is dropped.
pub(crate) struct Place {
    emulator: Emulator,
    pub(crate) id: ConnectionId,
    pub(crate) notify: Arc<Notify>,
}

impl Place {
    /// `None` if the broker lets nobody in.
    pub(crate) fn take(emulator: &Emulator, peer: Option<String>) -> Option<Self> {
        let (id, notify) = emulator.broker().open(peer)?;
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
        self.serve_peer(None, stream).await;
    }

    /// Like [`serve`](Self::serve), for a peer that an [`Interceptor`](crate::Interceptor) knows by a name.
    pub async fn serve_from<S>(&self, peer: impl Into<String>, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.serve_peer(Some(peer.into()), stream).await;
    }

    async fn serve_peer<S>(&self, peer: Option<String>, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Some(place) = Place::take(self, peer) else {
            return;
        };
        let Some((first, stream)) = self.sniff(&place, stream).await else {
            return;
        };
        let tls = self.tls().filter(|_| first[0] == TLS_HANDSHAKE);
        let Some(tls) = tls.cloned() else {
            return self.serve_plain(&place, first, stream, "http").await;
        };
        let handshake = TlsAcceptor::from(tls).accept(stream);
        let stream = tokio::select! {
            biased;
            stream = handshake => stream,
            () = sleep(self.idle_timeout()) => return,
            () = self.until_cut(&place) => return,
        };
        let Ok(stream) = stream else {
            return;
        };
        if let Some((first, stream)) = self.sniff(&place, stream).await {
            self.serve_plain(&place, first, stream, "https").await;
        }
    }

    /// The first bytes, and the stream as it was before they were read; `None` if there is nothing to serve.
    async fn sniff<S>(&self, place: &Place, mut stream: S) -> Option<([u8; 4], Prefixed<S>)>
    where
        S: AsyncRead + Unpin,
    {
        let mut first = [0; 4];
        tokio::select! {
            biased;
            read = stream.read_exact(&mut first) => read.ok()?,
            // A peer that says nothing.
            () = sleep(self.idle_timeout()) => return None,
            () = self.until_cut(place) => return None,
        };
        Some((first, Prefixed::new(first.to_vec(), stream)))
    }

    async fn serve_plain<S>(&self, place: &Place, first: [u8; 4], stream: S, scheme: &'static str)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let notify = Arc::clone(&place.notify);
        if &first == b"AMQP" {
            return amqp::connection::serve(self, place.id, notify, stream).await;
        }
        let upgraded = tokio::select! {
            biased;
            () = self.until_cut(place) => None,
            upgraded = http::serve(self, stream, scheme) => upgraded,
        };
        if let Some(socket) = upgraded {
            amqp::connection::serve(self, place.id, notify, socket).await;
        }
    }

    /// Ready when the connection is cut.
    pub(crate) async fn until_cut(&self, place: &Place) {
        while !self.broker().is_cut(place.id) {
            place.notify.notified().await;
        }
    }
}
