//! One connection: stream, SASL, session and a token that is renewed before it expires.

use std::sync::Arc;
use std::time::Duration;

use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::primitives::Timestamp;
use fe2o3_amqp::{Connection as AmqpConnection, Session};
use fe2o3_amqp_cbs::client::CbsClient;
use fe2o3_amqp_cbs::token::CbsToken;
use futures_util::future::{AbortHandle, abortable};
use unstale::transport::TransportError;

use super::cut::{Cut, CutStream};
use super::failure::{Cause, token_refused};
use crate::connector::Stream;
use crate::credential::{Token, Tokens};
use crate::endpoint::Endpoint;
use crate::network::Network;

/// The service sends something at least this often, or the connection counts as dead.
const IDLE_TIME_OUT_MS: u32 = 60_000;
/// Wait after a token could not be renewed. The old one is good for some time still.
const RENEWAL_PAUSE: Duration = Duration::from_secs(5);

/// Opens connections to one namespace, for one topic.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    pub(crate) endpoint: Endpoint,
    pub(crate) topic: String,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) wire: Wire,
    /// Another broker, which has no `$cbs`, takes us without a token.
    #[cfg(test)]
    pub(crate) without_token: bool,
}

/// How AMQP travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Tcp,
    #[cfg(feature = "websocket")]
    WebSocket,
}

/// An open connection with one session. Dropping it ends both, at once.
#[derive(Debug)]
pub(super) struct Connection {
    // In this order: the stream is cut before the handles go.
    _cut: Cut,
    /// `None` until the token was shown.
    renewal: Option<AbortHandle>,
    pub(super) session: SessionHandle<()>,
    _handle: ConnectionHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(renewal) = &self.renewal {
            renewal.abort();
        }
    }
}

impl Dialer {
    pub(super) fn network(&self) -> &Network {
        &self.tokens.network
    }

    /// Connects, and shows the token for the topic.
    ///
    /// # Cancel safety
    /// When dropped, the connection ends.
    pub(super) async fn open(&self) -> Result<Connection, TransportError> {
        let network = self.network();
        let doing = format!("connecting to {}", self.endpoint);
        network.within(network.timeout, &doing, self.connect()).await
    }

    async fn connect(&self) -> Result<Connection, TransportError> {
        // Before anything is connected: without a token there is no use in it.
        let token = self.tokens.token().await?;
        let mut connection = self.begin().await?;
        #[cfg(test)]
        if self.without_token {
            return Ok(connection);
        }
        let mut cbs = CbsClient::attach(&mut connection.session)
            .await
            .map_err(|error| Cause::from(error).error("reaching `$cbs`"))?;
        self.show(&mut cbs, &token).await?;
        let (task, renewal) = abortable(self.clone().renew(cbs, token));
        connection.renewal = Some(renewal);
        self.network().runtime.spawn(
            "unstale-azure-token",
            Box::pin(async move {
                // Aborted when the connection goes.
                let _ = task.await;
            }),
        );
        Ok(connection)
    }

    /// A connection that has shown no token yet.
    async fn begin(&self) -> Result<Connection, TransportError> {
        const DOING: &str = "opening an AMQP connection";
        let (stream, cut) = CutStream::new(self.stream().await?);
        let container = format!("unstale-{:016x}", self.network().runtime.random_seed());
        let mut handle = AmqpConnection::builder()
            .container_id(container)
            .hostname(self.endpoint.host())
            .sasl_profile(SaslProfile::Anonymous)
            .idle_time_out(IDLE_TIME_OUT_MS)
            .open_with_stream(stream)
            .await
            .map_err(|error| Cause::from(error).error(DOING))?;
        let session =
            Session::begin(&mut handle).await.map_err(|error| Cause::from(error).error(DOING))?;
        Ok(Connection { _cut: cut, renewal: None, session, _handle: handle })
    }

    async fn stream(&self) -> Result<Box<dyn Stream>, TransportError> {
        let (host, encrypted) = (self.endpoint.host(), self.endpoint.is_encrypted());
        match self.wire {
            Wire::Tcp => self.network().dial(host, self.endpoint.amqp_port(), encrypted).await,
            #[cfg(feature = "websocket")]
            Wire::WebSocket => super::websocket::open(self.network(), &self.endpoint).await,
        }
    }

    async fn show(&self, cbs: &mut CbsClient, token: &Token) -> Result<(), TransportError> {
        let since_epoch = token.expires.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let expires_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        let shown = CbsToken::new(
            token.value.reveal(),
            token.kind(),
            Timestamp::from_milliseconds(expires_ms),
        );
        let scheme = if self.endpoint.is_encrypted() { "amqps" } else { "amqp" };
        let audience = format!("{scheme}://{}/{}", self.endpoint.host(), self.topic);
        cbs.put_token(audience, shown).await.map_err(token_refused)
    }

    /// Shows a new token whenever the old one is about to expire; ends only with the connection.
    async fn renew(self, mut cbs: CbsClient, mut token: Token) {
        let runtime = &self.network().runtime;
        loop {
            let wait = token.fresh_for(self.network().wall_now());
            runtime.sleep_until(runtime.now().after(wait)).await;
            let renewed = async {
                let token = self.tokens.token().await?;
                self.show(&mut cbs, &token).await?;
                Ok::<_, TransportError>(token)
            };
            match renewed.await {
                Ok(renewed) => token = renewed,
                Err(error) => {
                    // The service ends the links when the old token expires; that is then reported.
                    tracing::warn!(%error, "the token could not be renewed");
                    runtime.sleep_until(runtime.now().after(RENEWAL_PAUSE)).await;
                }
            }
        }
    }
}
