//! What every connection of a transport is made with.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::{Either, select};
use unstale::Runtime;
use unstale::transport::{TransportError, TransportErrorKind as Kind};

use crate::connector::{Connector, Stream};
use crate::tls::Tls;

/// Tells the date: tokens expire by it.
pub(crate) type WallClock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Opens streams, tells the time and runs tasks.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) tls: Option<Tls>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) wall_clock: WallClock,
    /// Limit for connecting, and for every single answer that is waited for.
    pub(crate) timeout: Duration,
}

impl Network {
    /// A stream to a server, encrypted or not.
    pub(crate) async fn dial(
        &self,
        host: &str,
        port: u16,
        encrypted: bool,
    ) -> Result<Box<dyn Stream>, TransportError> {
        let stream = self
            .connector
            .connect(host, port)
            .await
            .map_err(|error| io_failed("connecting to", host, port, error))?;
        match &self.tls {
            Some(tls) if encrypted => tls
                .wrap(host, stream)
                .await
                .map_err(|error| io_failed("speaking TLS with", host, port, error)),
            _ => Ok(stream),
        }
    }

    /// The future's output, unless it takes longer than `limit`.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        what: &str,
        future: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, TransportError> {
        let deadline = self.runtime.sleep_until(self.runtime.now().after(limit));
        match select(pin!(future), deadline).await {
            Either::Left((output, _)) => output,
            Either::Right(_) => Err(Kind::Unreachable
                .error(format!("{what}: no answer within {} ms", limit.as_millis()))),
        }
    }

    pub(crate) fn wall_now(&self) -> SystemTime {
        (self.wall_clock)()
    }
}

fn io_failed(doing: &str, host: &str, port: u16, error: io::Error) -> TransportError {
    let kind = match error.kind() {
        // Certificates that do not fit, or a server that does not speak TLS.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Kind::Configuration,
        _ => Kind::Unreachable,
    };
    kind.error(format!("{doing} {host}:{port} failed")).with_source(error)
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("connector", &self.connector).finish_non_exhaustive()
    }
}
