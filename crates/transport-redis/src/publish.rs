//! The publishing side: one multiplexed connection, re-dialled when it is lost.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Pipeline, RedisConnectionInfo, RedisResult, Value};
use tokio::sync::{Mutex, oneshot};
use unstale::runtime::BoxFuture;
use unstale::transport::{SequencerId, TransportError, TransportErrorKind as Kind};

use crate::channel::Channel;
use crate::error;
use crate::locate::Locator;
use crate::mutation::{self, Mutation};
use crate::sequencer::Sequencer;
use crate::server::{self, Dialer, Primary};

/// Publishes frames and makes sure that the right server took them.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) dialer: Dialer,
    pub(crate) locator: Arc<Locator>,
    pub(crate) channel: Arc<Channel>,
    pub(crate) sequencer: Arc<Sequencer>,
    pub(crate) timeout: Duration,
    pub(crate) path: Path,
}

/// Which connection frames leave through.
#[derive(Debug)]
pub(crate) enum Path {
    /// Ours, dialled at the first publish and after every failure.
    Own(Mutex<Option<Arc<Connection>>>),
    /// The application's. It may reconnect on its own, so it is asked who it is with every publish.
    Given(GivenConnection),
}

impl Path {
    pub(crate) fn own() -> Self {
        Self::Own(Mutex::new(None))
    }
}

impl Publisher {
    /// Publishes one frame; an error when it is not certain that the channel's primary took it.
    pub(crate) async fn publish(&self, frame: &[u8]) -> Result<(), TransportError> {
        let accepted_by = match &self.path {
            Path::Own(slot) => self.publish_on_own(slot, frame).await?,
            Path::Given(connection) => self.publish_on_given(connection, frame).await?,
        };
        self.sequencer.accepts(&accepted_by)
    }

    async fn publish_on_own(
        &self,
        slot: &Mutex<Option<Arc<Connection>>>,
        frame: &[u8],
    ) -> Result<SequencerId, TransportError> {
        let connection = self.connection(slot).await?;
        let attempt = Attempt { connection: &connection, succeeded: false };
        let mut pipeline = self.pipeline(frame);
        pipeline.cmd("ROLE");
        let mut multiplexed = connection.multiplexed.clone();
        let sent = pipeline.query_async::<Vec<RedisResult<Value>>>(&mut multiplexed);
        let replies = self.in_time(sent).await?;
        let rest = self.check_accepted(&connection.name, &replies)?;
        if !mutation::active(Mutation::DemotedPrimaryConfirms) {
            check_role(&connection.name, rest)?;
        }
        self.sequencer.accepts(&connection.primary)?;
        attempt.succeed();
        Ok(connection.primary.clone())
    }

    async fn publish_on_given(
        &self,
        connection: &GivenConnection,
        frame: &[u8],
    ) -> Result<SequencerId, TransportError> {
        const NAME: &str = "the given connection";
        let mut pipeline = self.pipeline(frame);
        pipeline.cmd("INFO").arg("server");
        pipeline.cmd("INFO").arg("replication");
        let replies = self.in_time((connection.send)(pipeline)).await?;
        let rest = self.check_accepted(NAME, &replies)?;
        let sections = rest.iter().map(|reply| text(NAME, reply));
        let sections = sections.collect::<Result<Vec<_>, _>>()?;
        Ok(Primary::from_info(NAME, &sections)?.sequencer())
    }

    fn pipeline(&self, frame: &[u8]) -> Pipeline {
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        pipeline.cmd(self.channel.publish_command()).arg(self.channel.name()).arg(frame);
        if let Some([command, argument]) = self.channel.ownership_question() {
            let mut question = redis::Cmd::new();
            question.arg(command).arg(argument);
            pipeline.add_command(question);
        }
        pipeline
    }

    /// Checks that the frame was accepted, by the slot's owner in a cluster; the other replies are returned.
    fn check_accepted<'a>(
        &self,
        server: &str,
        replies: &'a [RedisResult<Value>],
    ) -> Result<&'a [RedisResult<Value>], TransportError> {
        let rest = match replies {
            [Ok(Value::Int(_)), rest @ ..] => rest,
            [Err(failure), ..] => return Err(failed(failure)),
            _ => return Err(not_understood(server)),
        };
        match rest {
            _ if self.channel.ownership_question().is_none() => Ok(rest),
            [Ok(Value::Int(_)), rest @ ..] => Ok(rest),
            // Ours, and about to move: until it has, messages still go through us.
            [Err(failure), rest @ ..] if failure.code() == Some("ASK") => Ok(rest),
            [Err(failure), ..] => Err(failed(failure)),
            _ => Err(not_understood(server)),
        }
    }

    async fn in_time<T>(
        &self,
        sent: impl Future<Output = RedisResult<T>> + Send,
    ) -> Result<T, TransportError> {
        match server::within(&*self.dialer.runtime, self.timeout, sent).await {
            Some(Ok(replies)) => Ok(replies),
            Some(Err(failure)) => Err(failed(&failure)),
            None => Err(Kind::Unreachable.error(format!(
                "the server did not confirm a publish within {} ms",
                self.timeout.as_millis()
            ))),
        }
    }

    /// The connection in `slot`, or a new one. Only one is dialled at a time.
    async fn connection(
        &self,
        slot: &Mutex<Option<Arc<Connection>>>,
    ) -> Result<Arc<Connection>, TransportError> {
        let mut slot = slot.lock().await;
        if let Some(connection) = &*slot
            && connection.is_usable()
        {
            return Ok(Arc::clone(connection));
        }
        let (server, primary) = self.locator.connect(&self.dialer, false).await?;
        let name = server.wire.endpoint().to_string();
        let stream = server.wire.into_stream()?;
        // Logged in already: the `redis` crate never sees the credentials, and asks nothing more.
        let info = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = AsyncConnectionConfig::new()
            // Time-outs go through the runtime, or they could not be simulated.
            .set_response_timeout(None)
            .set_connection_timeout(None);
        let (multiplexed, driver) = MultiplexedConnection::new_with_config(&info, stream, config)
            .await
            .map_err(|failure| failed(&failure))?;
        let (alive, gone) = oneshot::channel::<()>();
        self.dialer.runtime.spawn(
            "unstale-redis publisher",
            Box::pin(async move {
                // Left to itself the driver waits for the replies of a dead server.
                match select(Box::pin(driver), gone).await {
                    Either::Left(_) | Either::Right(_) => {}
                }
            }),
        );
        let connection = Arc::new(Connection {
            name,
            primary: primary.sequencer(),
            multiplexed,
            suspect: AtomicBool::new(false),
            alive,
        });
        self.sequencer.found(&connection.primary);
        *slot = Some(Arc::clone(&connection));
        Ok(connection)
    }
}

/// A publishing connection of ours: to one server process, which was a primary when we came.
pub(crate) struct Connection {
    name: String,
    primary: SequencerId,
    multiplexed: MultiplexedConnection,
    /// A publish on it went wrong, whatever it was: a new one finds out who is the primary now.
    suspect: AtomicBool,
    /// Dropped with the connection, which ends its driver; closed when the driver has ended by itself.
    alive: oneshot::Sender<()>,
}

impl Connection {
    fn is_usable(&self) -> bool {
        !self.suspect.load(Ordering::Relaxed) && !self.alive.is_closed()
    }
}

/// Marks the connection unless the publish succeeded; also when its caller gave up waiting, or a dead
/// connection would be tried again and again by impatient callers.
struct Attempt<'a> {
    connection: &'a Connection,
    succeeded: bool,
}

impl Attempt<'_> {
    fn succeed(mut self) {
        self.succeeded = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.succeeded {
            self.connection.suspect.store(true, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("name", &self.name)
            .field("primary", &self.primary)
            .finish_non_exhaustive()
    }
}

type Replies = Vec<RedisResult<Value>>;

/// A connection of the application, of whatever type.
#[derive(Clone)]
pub(crate) struct GivenConnection {
    send: Arc<dyn Fn(Pipeline) -> BoxFuture<RedisResult<Replies>> + Send + Sync>,
}

impl GivenConnection {
    pub(crate) fn new<C>(connection: C) -> Self
    where
        C: ConnectionLike + Clone + Send + Sync + 'static,
    {
        Self {
            send: Arc::new(move |pipeline| {
                let mut connection = connection.clone();
                Box::pin(async move { pipeline.query_async(&mut connection).await })
            }),
        }
    }
}

impl fmt::Debug for GivenConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenConnection(..)")
    }
}

fn check_role(server: &str, replies: &[RedisResult<Value>]) -> Result<(), TransportError> {
    match replies {
        [Ok(Value::Array(parts))] => match parts.first() {
            Some(Value::BulkString(role)) if role == b"master" => Ok(()),
            Some(Value::BulkString(role)) => {
                Err(server::not_primary(server, &String::from_utf8_lossy(role), ""))
            }
            _ => Err(not_understood(server)),
        },
        [Err(failure)] => Err(failed(failure)),
        _ => Err(not_understood(server)),
    }
}

fn text<'a>(server: &str, reply: &'a RedisResult<Value>) -> Result<&'a [u8], TransportError> {
    match reply {
        Ok(Value::BulkString(text)) => Ok(text),
        Ok(Value::SimpleString(text) | Value::VerbatimString { text, .. }) => Ok(text.as_bytes()),
        Ok(_) => Err(not_understood(server)),
        Err(failure) => Err(failed(failure)),
    }
}

fn not_understood(server: &str) -> TransportError {
    Kind::Protocol.error(format!(
        "{server} answered a publish with something that this transport does not understand; it must be a \
         connection to one server, not to a cluster as a whole"
    ))
}

fn failed(failure: &redis::RedisError) -> TransportError {
    match failure.code() {
        Some(code) => {
            error::refused_anonymous(&format!("{code} {}", failure.detail().unwrap_or_default()))
        }
        // The connection broke. Its own text names no server, but neither can it hold a secret: the
        // `redis` crate was given none.
        None => Kind::Unreachable.error(format!("publishing failed: {failure}")),
    }
}
