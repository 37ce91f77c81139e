//! Configuration.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::ConnectionLike;
use unstale::transport::Capabilities;
use unstale::{Runtime, TokioRuntime};

use crate::address::{Credentials, Endpoint};
use crate::channel::Channel;
use crate::connector::{Connector, NetConnector};
use crate::locate::{Locator, Topology};
use crate::publish::{GivenConnection, Path, Publisher};
use crate::sequencer::Sequencer;
use crate::server::Dialer;
use crate::slot;
use crate::tls::Tls;
use crate::transport::RedisTransport;

/// Room for what surrounds a message: its kind, its channel, lengths.
const ENVELOPE_BYTES: usize = 4 * 1024;
/// Messages up to this size are received even if this node sends smaller ones; above, Redis itself cuts a
/// subscriber off (the default of its `client-output-buffer-limit pubsub`).
const RECEIVED_BYTES: usize = 32 << 20;
/// Redis refuses longer strings unless told otherwise (`proto-max-bulk-len`).
const MAX_FRAME_BYTES: usize = 512 << 20;

/// Configures a [`RedisTransport`]. Made by [`RedisTransport::builder`].
///
/// The address is given once, as [`url`](Self::url), [`urls`](Self::urls), [`sentinel`](Self::sentinel) or
/// [`cluster`](Self::cluster), and a [`namespace`](Self::namespace) or [`channel`](Self::channel).
///
/// # URLs
/// `redis://[user][:password]@host[:port]`, `rediss://…` for TLS, `unix:///path?user=…&pass=…`; `valkey`
/// and `valkeys` mean the same. A database (`/3`) is accepted and ignored: publish/subscribe spans all
/// databases of a server.
#[derive(Clone)]
pub struct RedisTransportBuilder {
    source: Source,
    credentials: Option<Credentials>,
    namespace: Option<String>,
    channel: Option<String>,
    lane: u16,
    connector: Arc<dyn Connector>,
    tls: Option<Tls>,
    runtime: Arc<dyn Runtime>,
    given: Option<GivenConnection>,
    connect_timeout: Duration,
    publish_timeout: Duration,
    max_frame_bytes: usize,
}

#[derive(Clone)]
enum Source {
    Missing,
    Urls(Vec<String>),
    Sentinel { master: String, urls: Vec<String> },
    Cluster(Vec<String>),
}

impl Default for RedisTransportBuilder {
    fn default() -> Self {
        Self {
            source: Source::Missing,
            credentials: None,
            namespace: None,
            channel: None,
            lane: 0,
            connector: Arc::new(NetConnector),
            tls: None,
            runtime: Arc::new(TokioRuntime::new()),
            given: None,
            connect_timeout: Duration::from_secs(3),
            publish_timeout: Duration::from_secs(3),
            max_frame_bytes: 1 << 20,
        }
    }
}

impl RedisTransportBuilder {
    /// One server, which must be the primary.
    #[must_use]
    pub fn url(self, url: impl Into<String>) -> Self {
        self.urls([url])
    }

    /// Several servers of which one is the primary: they are tried in turn at every (re)connect, and
    /// replicas are passed over. Make sure that never two of them are primaries at the same time; Sentinel does.
    #[must_use]
    pub fn urls(mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.source = Source::Urls(collect(urls));
        self
    }

    /// Sentinels, and the name under which they know the primary. They are asked at every (re)connect.
    ///
    /// A user and password in these URLs are for the sentinels; those of the primary are given by
    /// [`credentials`](Self::credentials). With `rediss://` the primary is reached through TLS too.
    #[must_use]
    pub fn sentinel(
        mut self,
        master: impl Into<String>,
        urls: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.source = Source::Sentinel { master: master.into(), urls: collect(urls) };
        self
    }

    /// Some nodes of a Redis Cluster (Redis 7 or newer). Frames go through the primary that owns the channel's
    /// slot, as sharded publish/subscribe; it is looked up at every (re)connect.
    ///
    /// User, password and TLS of the node that answered are used for the others as well.
    #[must_use]
    pub fn cluster(mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.source = Source::Cluster(collect(urls));
        self
    }

    /// User and password of the primary, where Sentinel finds it; an empty user is the server's default one.
    /// Elsewhere it serves URLs that have none of their own, so that passwords can stay out of URLs.
    #[must_use]
    pub fn credentials(mut self, username: impl Into<String>, password: impl Into<String>) -> Self {
        let username = username.into();
        self.credentials = Some(Credentials {
            username: (!username.is_empty() && username != "default").then_some(username),
            password: password.into(),
        });
        self
    }

    /// All nodes of a namespace hear each other. The channel is `unstale:{namespace}`, literally
    /// `unstale:shop` for `shop`; what an access rule needs is thus `&unstale:shop*`.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// The channel's name as it is, instead of one made from namespace and lane.
    #[must_use]
    pub fn channel(mut self, channel: impl Into<String>) -> Self {
        self.channel = Some(channel.into());
        self
    }

    /// Which of several channels of the namespace this transport carries. Default 0, whose channel has no
    /// suffix; the others are `unstale:{namespace}:{lane}`. A cluster spreads them over its primaries.
    #[must_use]
    pub fn lane(mut self, lane: u16) -> Self {
        self.lane = lane;
        self
    }

    /// How streams to servers are opened. Default [`NetConnector`].
    #[must_use]
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.connector = Arc::new(connector);
        self
    }

    /// Whom to trust where a URL says TLS. Default [`Tls::system`].
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Where time and background tasks come from. Default [`TokioRuntime`].
    #[must_use]
    pub fn runtime(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.runtime = runtime;
        self
    }

    /// Publishes over this connection instead of one of the transport's own: a multiplexed connection, a
    /// connection manager, anything that can be cloned. The subscriber stays the transport's own.
    ///
    /// It must lead to the same server as the address, directly: a connection to a cluster as a whole does not.
    /// Since it may reconnect on its own, every publish also asks the server who it is (two `INFO` sections,
    /// about 1 KB); one that reached another server than the subscription is an error of kind
    /// [`Demoted`](unstale::transport::TransportErrorKind::Demoted).
    #[must_use]
    pub fn publish_with<C>(mut self, connection: C) -> Self
    where
        C: ConnectionLike + Clone + Send + Sync + 'static,
    {
        self.given = Some(GivenConnection::new(connection));
        self
    }

    /// Limit for connecting, including TLS, login and finding the primary, for each address that is tried.
    /// Default 3 s: a lost packet or two, and still within what a node waits before it says so.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long the server may take to confirm a publish; then the connection is given up. Default 3 s.
    #[must_use]
    pub fn publish_timeout(mut self, timeout: Duration) -> Self {
        self.publish_timeout = timeout;
        self
    }

    /// The largest frame that is sent, in bytes: from 4 KiB to 512 MiB. Default 1 MiB, because a larger one keeps a
    /// server busy for milliseconds. Frames of others are received up to this or 32 MiB, whichever is more.
    #[must_use]
    pub fn max_frame_bytes(mut self, bytes: usize) -> Self {
        self.max_frame_bytes = bytes;
        self
    }

    /// The transport. Connects to nothing yet.
    ///
    /// # Errors
    /// [`ConfigError`] says what is missing or makes no sense. Never shows a password.
    pub fn build(self) -> Result<RedisTransport, ConfigError> {
        if self.connect_timeout.is_zero() || self.publish_timeout.is_zero() {
            return Err(ConfigError::Timeout);
        }
        if !(Capabilities::MIN_FRAME_BYTES..=MAX_FRAME_BYTES).contains(&self.max_frame_bytes) {
            return Err(ConfigError::FrameSize);
        }
        let name = match (self.channel, self.namespace) {
            (Some(channel), _) => channel,
            (None, Some(namespace)) if !namespace.is_empty() => {
                Channel::conventional(&namespace, self.lane)
            }
            (None, _) => return Err(ConfigError::Channel),
        };
        let sharded = matches!(self.source, Source::Cluster(_));
        let channel = Arc::new(Channel::new(name, sharded)?);
        let (topology, urls) = match self.source {
            Source::Missing => return Err(ConfigError::Address),
            Source::Urls(urls) => (Topology::Servers, urls),
            Source::Sentinel { master, urls } => {
                let credentials = self.credentials.clone();
                (Topology::Sentinel { master, credentials }, urls)
            }
            Source::Cluster(urls) => (Topology::Cluster { slot: slot::of(channel.name()) }, urls),
        };
        let contacts = contacts(&urls, &topology, self.credentials.as_ref())?;
        let tls = match self.tls {
            None if contacts.iter().any(|contact| contact.tls) => Some(Tls::system()?),
            configured => configured,
        };
        let dialer = Dialer {
            connector: self.connector,
            tls,
            runtime: self.runtime,
            connect_timeout: self.connect_timeout,
            max_value_bytes: self.max_frame_bytes.max(RECEIVED_BYTES) + ENVELOPE_BYTES,
            client_name: String::from_utf8_lossy(channel.name()).into_owned(),
        };
        Ok(RedisTransport::new_from(
            Publisher {
                dialer,
                locator: Arc::new(Locator::new(topology, contacts)),
                channel,
                sequencer: Arc::new(Sequencer::default()),
                timeout: self.publish_timeout,
                path: self.given.map_or_else(Path::own, Path::Given),
            },
            Capabilities::new("redis")
                .with_max_frame_bytes(self.max_frame_bytes)
                .with_native_fences(),
        ))
    }
}

fn collect(urls: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    urls.into_iter().map(Into::into).collect()
}

fn contacts(
    urls: &[String],
    topology: &Topology,
    credentials: Option<&Credentials>,
) -> Result<Vec<Endpoint>, ConfigError> {
    if urls.is_empty() {
        return Err(ConfigError::Address);
    }
    urls.iter()
        .map(|url| {
            let mut contact = Endpoint::parse(url)?;
            if contact.credentials.is_none() && !matches!(topology, Topology::Sentinel { .. }) {
                contact.credentials = credentials.cloned();
            }
            Ok(contact)
        })
        .collect()
}

impl fmt::Debug for RedisTransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URLs are not shown: they may contain passwords.
        f.debug_struct("RedisTransportBuilder")
            .field("namespace", &self.namespace)
            .field("channel", &self.channel)
            .field("lane", &self.lane)
            .field("connector", &self.connector)
            .field("connect_timeout", &self.connect_timeout)
            .field("publish_timeout", &self.publish_timeout)
            .field("max_frame_bytes", &self.max_frame_bytes)
            .finish_non_exhaustive()
    }
}

/// What a configuration lacks, or what makes no sense in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No address was given.
    #[error("no address: call `url`, `urls`, `sentinel` or `cluster`")]
    Address,
    /// A URL cannot be understood. The text does not quote it.
    #[error("a Redis URL cannot be understood: {0}")]
    Url(String),
    /// Neither namespace nor channel was given, or its name is empty or longer than 512 bytes.
    #[error("call `namespace` (or `channel`) with a name of 1 to 512 bytes")]
    Channel,
    /// A time-out of zero.
    #[error("a time-out must be longer than zero")]
    Timeout,
    /// Frames of this size are not possible.
    #[error("`max_frame_bytes` must be between 4 KiB and 512 MiB")]
    FrameSize,
    /// A client of the application cannot be used.
    #[error("the client {0}")]
    Client(&'static str),
    /// Certificates cannot be used.
    #[error("TLS: {0}")]
    Tls(String),
}
