//! The same transport over clients of the `fred` crate, for those who already run them.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fred::clients::{Client, SubscriberClient};
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::config::Options;
use fred::types::{ClusterHash, CustomCommand, Message, RespVersion, Value};
use futures_util::stream::{self, Stream};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use unstale::transport::{
    Capabilities, Item, SequencerId, Subscription, TransportError, TransportErrorKind as Kind,
};
use unstale::{Runtime, TokioRuntime, Transport};

use crate::builder::ConfigError;
use crate::channel::Channel;
use crate::error;
use crate::sequencer::{Sequencer, Tenure};
use crate::server::{self, Primary};

const NAME: &str = "the server of the fred client";

/// Redis publish/subscribe over `fred` clients of yours.
///
/// Compared with [`RedisTransport`](crate::RedisTransport) it needs no address and no credentials, and costs a
/// node more:
/// - `fred` hands messages over through a bounded channel and drops those that do not fit, of all your channels
///   together. That ends the subscription. Its default holds 32 messages; set
///   `PerformanceConfig::broadcast_channel_capacity` to some ten thousands.
/// - `fred` reconnects on its own and may lose frames meanwhile. Every reconnect, of which it tells, ends the
///   subscription.
/// - `fred` does not tell when the server ends a subscription. So there are no native fences: a node publishes
///   a frame to itself and waits for it.
/// - `fred` does not tell when a subscription is refused. So `CLIENT INFO` is asked (Redis 6.2, `+client|info`),
///   and all channels that the client tracks must be subscribed to.
/// - Every publish asks the server who it is, in a second round trip.
///
/// Both clients must be connected to one server or found by Sentinel, not to a cluster, and speak version 3 of the
/// protocol (`config.version = RespVersion::RESP3`). The subscriber stays subscribed to the channel when the
/// node goes; do not unsubscribe it while the node lives.
pub struct FredTransport {
    subscriber: SubscriberClient,
    publisher: Client,
    channel: Channel,
    sequencer: Sequencer,
    runtime: Arc<dyn Runtime>,
    timeout: Duration,
    max_frame_bytes: usize,
}

impl FredTransport {
    /// A transport over two clients, which the application connects (`init`), on the channel
    /// `unstale:{namespace}`.
    ///
    /// # Errors
    /// [`ConfigError`] when a client is configured for a cluster or for version 2 of the protocol, or the namespace
    /// is empty.
    pub fn new(
        subscriber: SubscriberClient,
        publisher: Client,
        namespace: &str,
    ) -> Result<Self, ConfigError> {
        Self::on_lane(subscriber, publisher, namespace, 0)
    }

    /// Like [`new`](Self::new), on the channel of another [lane](crate::RedisTransportBuilder::lane).
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn on_lane(
        subscriber: SubscriberClient,
        publisher: Client,
        namespace: &str,
        lane: u16,
    ) -> Result<Self, ConfigError> {
        if namespace.is_empty() {
            return Err(ConfigError::Channel);
        }
        if subscriber.is_clustered() || publisher.is_clustered() {
            return Err(ConfigError::Client("is configured for a cluster"));
        }
        if subscriber.protocol_version() != RespVersion::RESP3 {
            return Err(ConfigError::Client("is not configured for RESP3"));
        }
        Ok(Self {
            subscriber,
            publisher,
            channel: Channel::new(Channel::conventional(namespace, lane), false)?,
            sequencer: Sequencer::default(),
            runtime: Arc::new(TokioRuntime::new()),
            timeout: Duration::from_secs(3),
            max_frame_bytes: 1 << 20,
        })
    }

    /// How long the server may take to confirm a subscription or a publish. Default 3 s.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Where the time for that comes from. Default [`TokioRuntime`].
    #[must_use]
    pub fn with_runtime(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.runtime = runtime;
        self
    }

    async fn in_time<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        server::within(&*self.runtime, self.timeout, work).await.unwrap_or_else(|| {
            Err(Kind::Unreachable
                .error(format!("{what} was not confirmed within {} ms", self.timeout.as_millis())))
        })
    }

    /// Subscribes, over as many reconnects as it takes.
    async fn open(&self) -> Result<(Events, Primary), TransportError> {
        loop {
            // Listening comes first: what happens from here on ends or reaches the subscription.
            let events = Events {
                messages: self.subscriber.message_rx(),
                reconnects: self.subscriber.reconnect_rx(),
                errors: self.subscriber.error_rx(),
                channel: self.channel.as_str().to_owned(),
            };
            let primary = self.confirm_subscription().await?;
            // fred tells of a new connection before it uses it. If it came up meanwhile, then it is unknown
            // which of our questions the old one answered.
            if events.errors.is_empty() && events.reconnects.is_empty() {
                return Ok((events, primary));
            }
        }
    }

    async fn confirm_subscription(&self) -> Result<Primary, TransportError> {
        self.subscriber.subscribe(self.channel.as_str()).await.map_err(failed)?;
        // fred neither waits for the server's confirmation nor tells of a refusal. The answer to a later command
        // on the same connection shows that the server has decided, and how.
        let question = vec![Value::from_static_str("INFO")];
        let state: String =
            self.subscriber.custom(command("CLIENT"), question).await.map_err(failed)?;
        let channels = state.split(' ').find_map(|part| part.strip_prefix("sub=")?.parse().ok());
        if channels.unwrap_or(0_usize) < self.subscriber.tracked_channels().len() {
            return Err(Kind::Unauthorized.error(format!(
                "{NAME} refused a subscription; the user needs +subscribe and the channel (&)"
            )));
        }
        ask(&self.subscriber).await
    }

    async fn confirm_publish(&self, frame: Bytes) -> Result<SequencerId, TransportError> {
        // One attempt: fred would repeat it after a reconnect, and the frame could be accepted twice.
        let once = Options { max_attempts: Some(1), fail_fast: true, ..Options::default() };
        let publisher = self.publisher.with_options(&once);
        let arguments = vec![Value::from(self.channel.as_str()), Value::Bytes(frame)];
        let _receivers: i64 =
            publisher.custom(command("PUBLISH"), arguments).await.map_err(failed)?;
        Ok(ask(&publisher).await?.sequencer())
    }
}

/// Who the server of this client is; an error if it is not a primary.
async fn ask<C: ClientLike + Sync>(client: &C) -> Result<Primary, TransportError> {
    let section = |name| client.custom(command("INFO"), vec![Value::from_static_str(name)]);
    let server: String = section("server").await.map_err(failed)?;
    let replication: String = section("replication").await.map_err(failed)?;
    Primary::from_info(NAME, &[server.as_bytes(), replication.as_bytes()])
}

fn command(name: &'static str) -> CustomCommand {
    CustomCommand::new_static(name, ClusterHash::FirstKey, false)
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(failure: fred::error::Error) -> TransportError {
    use fred::error::ErrorKind;
    match failure.kind() {
        ErrorKind::IO
        | ErrorKind::Canceled
        | ErrorKind::Timeout
        | ErrorKind::Routing
        | ErrorKind::Sentinel => Kind::Unreachable
            .error(format!("fred could not reach the server: {}", failure.details())),
        _ => error::refused_anonymous(failure.details()),
    }
}

#[async_trait]
impl Transport for FredTransport {
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, TransportError> {
        let (events, primary) = self.in_time("the subscription", self.open()).await?;
        let tenure = Arc::new(Tenure::of(primary.sequencer()));
        self.sequencer.subscribed(&tenure);
        let frames = stream::unfold(events, |mut events| async {
            let frame = events.next().await;
            Some((frame, events))
        });
        Ok(Box::new(FredSubscription {
            sequencer: primary.sequencer(),
            _tenure: tenure,
            frames: Box::pin(frames),
            ended: false,
        }))
    }

    async fn publish(&self, frame: Bytes) -> Result<(), TransportError> {
        if frame.len() > self.max_frame_bytes {
            return Err(Kind::Rejected.error(format!(
                "a frame of {} bytes is over the largest size ({})",
                frame.len(),
                self.max_frame_bytes
            )));
        }
        let accepted_by = self.in_time("a publish", self.confirm_publish(frame)).await?;
        self.sequencer.accepts(&accepted_by)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new("redis-fred").with_max_frame_bytes(self.max_frame_bytes)
    }
}

impl fmt::Debug for FredTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The clients are not shown: they hold credentials.
        f.debug_struct("FredTransport")
            .field("channel", &self.channel)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What a fred client tells, in channels of its own each.
struct Events {
    messages: Receiver<Message>,
    reconnects: Receiver<fred::types::config::Server>,
    errors: Receiver<(fred::error::Error, Option<fred::types::config::Server>)>,
    channel: String,
}

impl Events {
    /// The next frame, or the end. Bad news first: fred tells of a broken connection before it sends what came
    /// over the next one.
    async fn next(&mut self) -> Result<Bytes, TransportError> {
        loop {
            let message = tokio::select! {
                biased;
                error = self.errors.recv() => {
                    let what = error.map_or_else(|_| String::new(), |(error, _)| format!(": {}", error.details()));
                    return Err(Kind::Unreachable.error(format!("fred lost its connection{what}")));
                }
                _ = self.reconnects.recv() => {
                    return Err(Kind::Unreachable.error("fred has reconnected; frames may be lost"));
                }
                message = self.messages.recv() => message,
            };
            match message {
                Ok(message) if *message.channel == *self.channel => {
                    return message.value.into_bytes().ok_or_else(|| {
                        Kind::Protocol.error("fred handed over a message that is not bytes")
                    });
                }
                Ok(_) => {}
                Err(RecvError::Lagged(count)) => {
                    return Err(Kind::Lagged.error(format!(
                        "fred dropped {count} messages; raise its `broadcast_channel_capacity`"
                    )));
                }
                Err(RecvError::Closed) => {
                    return Err(Kind::Closed.error("the fred client was shut down"));
                }
            }
        }
    }
}

struct FredSubscription {
    sequencer: SequencerId,
    /// Tells the publishing side which primary this subscription is at.
    _tenure: Arc<Tenure>,
    frames: Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>,
    ended: bool,
}

#[async_trait]
impl Subscription for FredSubscription {
    fn sequencer(&self) -> Option<&SequencerId> {
        Some(&self.sequencer)
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        if self.ended {
            return Poll::Ready(Err(Kind::Closed.error("this subscription has ended")));
        }
        self.frames.as_mut().poll_next(context).map(|next| {
            let item = next.unwrap_or_else(|| Err(Kind::Closed.error("the stream has ended")));
            self.ended = item.is_err();
            item.map(Item::Frame)
        })
    }

    /// Not called: no native fences are declared.
    fn fence(&mut self, _token: u64) {}

    async fn close(self: Box<Self>) {}
}
