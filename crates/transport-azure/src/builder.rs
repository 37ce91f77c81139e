//! Configuration.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use unstale::transport::{Capabilities, SequencerId};
use unstale::{Runtime, TokioRuntime};

#[cfg(feature = "amqp")]
use crate::amqp::{AmqpPath, Dialer, Publisher, Wire};
use crate::connection_string::ConnectionString;
use crate::connector::{Connector, NetConnector};
use crate::credential::{Credential, Tokens};
use crate::endpoint::Endpoint;
use crate::http::Http;
use crate::management::{Administration, SubscriptionSettings};
use crate::network::{Network, WallClock};
use crate::path::DataPath;
#[cfg(feature = "rest")]
use crate::rest::RestPath;
use crate::subscriptions::{Strategy, Subscriptions};
use crate::tls::Tls;
use crate::transport::{AzureTransport, Path};

/// The service's limits on names.
const MAX_TOPIC_BYTES: usize = 260;
const MAX_SUBSCRIPTION_BYTES: usize = 50;
/// What is added to a prefix.
const NUMBER_BYTES: usize = 17;
/// The service refuses less.
const MIN_AUTO_DELETE: Duration = Duration::from_secs(5 * 60);
const MAX_MESSAGE_TIME_TO_LIVE: Duration = Duration::from_secs(14 * 24 * 3600);
/// The premium tier's largest message.
const MAX_FRAME_BYTES: usize = 100 << 20;
/// A message has 256 KiB in the standard tier; the rest is for what surrounds a frame.
const DEFAULT_FRAME_BYTES: usize = 240 * 1024;

/// Configures an [`AzureTransport`]. Made by [`AzureTransport::builder`].
///
/// A [connection string](Self::connection_string), or a [namespace](Self::namespace) and a
/// [credential](Self::credential), and a [topic](Self::topic) are required.
///
/// | setting | default | because |
/// | --- | --- | --- |
/// | path | AMQP | the fastest and cheapest |
/// | subscriptions | created automatically | no step is needed for each node; needs the right *Manage* |
/// | auto-delete on idle | 5 minutes | the least that the service takes: a node that died leaves nothing |
/// | message time to live | 2 minutes | nobody wants older ones: a node that was away repairs otherwise |
/// | prefetch | 1,000 messages | a burst need not wait for credit |
/// | largest frame | 240 KiB | the standard tier's 256 KiB, less what surrounds a frame |
/// | connect time-out | 10 s | TLS, SASL, session and token are about ten round trips |
/// | publish time-out | 10 s | the service usually answers in tens of milliseconds |
/// | token lifetime | 1 h | renewed with a quarter of it left |
#[derive(Clone)]
pub struct AzureTransportBuilder {
    connection_string: Option<String>,
    namespace: Option<String>,
    credential: Option<Credential>,
    topic: Option<String>,
    subscriptions: Option<Vec<String>>,
    prefix: String,
    settings: SubscriptionSettings,
    path: DataPath,
    connector: Arc<dyn Connector>,
    tls: Option<Tls>,
    runtime: Option<Arc<dyn Runtime>>,
    wall_clock: WallClock,
    prefetch: u32,
    connect_timeout: Duration,
    publish_timeout: Duration,
    token_lifetime: Duration,
    max_frame_bytes: usize,
}

impl Default for AzureTransportBuilder {
    fn default() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the date, where none is given")]
        let wall_clock: WallClock = Arc::new(SystemTime::now);
        Self {
            connection_string: None,
            namespace: None,
            credential: None,
            topic: None,
            subscriptions: None,
            prefix: "unstale".to_owned(),
            settings: SubscriptionSettings {
                auto_delete_on_idle: MIN_AUTO_DELETE,
                message_time_to_live: Duration::from_secs(120),
            },
            path: DataPath::default(),
            connector: Arc::new(NetConnector),
            tls: None,
            runtime: None,
            wall_clock,
            prefetch: 1_000,
            connect_timeout: Duration::from_secs(10),
            publish_timeout: Duration::from_secs(10),
            token_lifetime: Duration::from_secs(3_600),
            max_frame_bytes: DEFAULT_FRAME_BYTES,
        }
    }
}

impl AzureTransportBuilder {
    /// The namespace and a credential, as the portal shows them under *Shared access policies*. With
    /// `UseDevelopmentEmulator=true` nothing is encrypted; never use that with the real service.
    #[must_use]
    pub fn connection_string(mut self, text: impl AsRef<str>) -> Self {
        self.connection_string = Some(text.as_ref().to_owned());
        self
    }

    /// The namespace's host (`shop.servicebus.windows.net`), where there is no connection string.
    #[must_use]
    pub fn namespace(mut self, host: impl Into<String>) -> Self {
        self.namespace = Some(host.into());
        self
    }

    /// Who the transport is. Replaces what a connection string says of it.
    #[must_use]
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credential = Some(credential);
        self
    }

    /// The topic. Default: the connection string's `EntityPath`. It must not be partitioned.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Reads this subscription, which an operator made for this node alone, instead of creating one. The
    /// rights *Send* and *Listen* are enough.
    ///
    /// Give the subscription the filter `sys.To IS NULL OR sys.To = 'its name'`, or every node's fences are
    /// delivered to it, and paid for.
    #[must_use]
    pub fn subscription(self, name: impl Into<String>) -> Self {
        self.subscriptions([name])
    }

    /// Like [`subscription`](Self::subscription), for a transport that several nodes share: one for each.
    #[must_use]
    pub fn subscriptions(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.subscriptions = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// What the names of subscriptions that are created begin with, at most 33 bytes: whose they are, for
    /// whoever looks at them in the portal. Default `unstale`.
    #[must_use]
    pub fn subscription_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// When the service deletes a subscription that nobody reads: after at least 5 minutes.
    #[must_use]
    pub fn auto_delete_on_idle(mut self, idle: Duration) -> Self {
        self.settings.auto_delete_on_idle = idle;
        self
    }

    /// How long an undelivered message stays in a subscription that is created: 1 s to 14 days.
    #[must_use]
    pub fn message_time_to_live(mut self, time_to_live: Duration) -> Self {
        self.settings.message_time_to_live = time_to_live;
        self
    }

    /// Which way frames go.
    #[must_use]
    pub fn path(mut self, path: DataPath) -> Self {
        self.path = path;
        self
    }

    /// AMQP in websockets, on port 443: the same as [`path`](Self::path) with [`DataPath::WebSocket`].
    #[cfg(feature = "websocket")]
    #[must_use]
    pub fn websocket(self) -> Self {
        self.path(DataPath::WebSocket)
    }

    /// How streams are opened. Default [`NetConnector`].
    #[must_use]
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.connector = Arc::new(connector);
        self
    }

    /// Whom to trust. Default [`Tls::system`].
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Where time, randomness and background tasks come from. Default [`TokioRuntime`].
    #[must_use]
    pub fn runtime(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// What tells the date, by which tokens expire. Default the system's.
    #[must_use]
    pub fn wall_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.wall_clock = Arc::new(clock);
        self
    }

    /// How many messages the service may send ahead of their being read, over AMQP.
    #[must_use]
    pub fn prefetch(mut self, messages: u32) -> Self {
        self.prefetch = messages;
        self
    }

    /// Limit for connecting, with TLS, login and attaching, and for one answer of the management interface.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long the service may take to accept a frame; then the connection is given up.
    #[must_use]
    pub fn publish_timeout(mut self, timeout: Duration) -> Self {
        self.publish_timeout = timeout;
        self
    }

    /// How long a signature that is made from a shared access key lasts: at least a minute.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// The largest frame that is sent, in bytes: from 4 KiB to 100 MiB. Over HTTPS that is the size of its base64,
    /// so that a frame may have three quarters of it, which must be 4 KiB too.
    #[must_use]
    pub fn max_frame_bytes(mut self, bytes: usize) -> Self {
        self.max_frame_bytes = bytes;
        self
    }

    /// The transport. Connects to nothing yet.
    ///
    /// # Errors
    /// [`ConfigError`] says what is missing or makes no sense. Never shows a secret.
    pub fn build(self) -> Result<AzureTransport, ConfigError> {
        if self.prefetch == 0 {
            return Err(ConfigError::Prefetch);
        }
        if self.publish_timeout.is_zero() {
            return Err(ConfigError::Timeout);
        }
        let (publish_timeout, prefetch, path) = (self.publish_timeout, self.prefetch, self.path);
        let capabilities = Capabilities::new("azure")
            .with_max_frame_bytes(self.frame_bytes()?)
            .with_native_fences()
            .with_metered_frames();
        let names = self.subscriptions.clone();
        for name in names.iter().flatten() {
            check_name(name, MAX_SUBSCRIPTION_BYTES, false)
                .map_err(|()| ConfigError::Subscription(name.clone()))?;
        }
        check_name(&self.prefix, MAX_SUBSCRIPTION_BYTES - NUMBER_BYTES, false)
            .map_err(|()| ConfigError::SubscriptionPrefix(self.prefix.clone()))?;
        let prefix = self.prefix.clone();
        let (endpoint, administration) = self.resolve()?;
        let (topic, tokens) = (administration.topic.clone(), Arc::clone(&administration.tokens));
        let network = tokens.network.clone();
        #[cfg(feature = "amqp")]
        let amqp = |wire| {
            let (endpoint, topic) = (endpoint.clone(), topic.clone());
            let dialer = Dialer {
                endpoint,
                topic,
                tokens: Arc::clone(&tokens),
                wire,
                #[cfg(test)]
                without_token: false,
            };
            let publisher = Publisher::new(dialer.clone(), publish_timeout);
            Path::Amqp(AmqpPath { dialer, publisher, prefetch })
        };
        let path = match path {
            #[cfg(feature = "amqp")]
            DataPath::Amqp => amqp(Wire::Tcp),
            #[cfg(feature = "websocket")]
            DataPath::WebSocket => amqp(Wire::WebSocket),
            #[cfg(feature = "rest")]
            DataPath::Rest => {
                let root = endpoint.http_root();
                Path::Rest(RestPath::new(root, &topic, &tokens, publish_timeout)?)
            }
        };
        #[cfg(not(feature = "amqp"))]
        let _ = prefetch;
        let (strategy, names) = match names {
            None => (Strategy::Automatic { administration, prefix }, Vec::new()),
            Some(names) if names.is_empty() => {
                return Err(ConfigError::Subscription(String::new()));
            }
            Some(names) => (Strategy::Manual, names),
        };
        Ok(AzureTransport {
            subscriptions: Subscriptions::new(strategy, names, Arc::clone(&network.runtime)),
            sequencer: sequencer(&endpoint, &topic),
            topic,
            path,
            open_timeout: publish_timeout,
            id: network.runtime.random_seed(),
            network,
            opened: AtomicU64::new(0),
            capabilities,
        })
    }

    /// The largest frame that fits.
    fn frame_bytes(&self) -> Result<usize, ConfigError> {
        let bytes = match self.path {
            #[cfg(feature = "rest")]
            DataPath::Rest => self.max_frame_bytes / 4 * 3,
            #[cfg(feature = "amqp")]
            _ => self.max_frame_bytes,
        };
        if self.max_frame_bytes > MAX_FRAME_BYTES || bytes < Capabilities::MIN_FRAME_BYTES {
            return Err(ConfigError::FrameSize(self.max_frame_bytes));
        }
        Ok(bytes)
    }

    /// What creates and deletes the topic and its subscriptions, for a tool that sets things up.
    ///
    /// # Errors
    /// As for [`build`](Self::build).
    pub fn administration(self) -> Result<Administration, ConfigError> {
        Ok(self.resolve()?.1)
    }

    fn resolve(self) -> Result<(Endpoint, Administration), ConfigError> {
        if self.connect_timeout.is_zero() {
            return Err(ConfigError::Timeout);
        }
        if self.token_lifetime < Duration::from_secs(60) {
            return Err(ConfigError::TokenLifetime);
        }
        if self.settings.auto_delete_on_idle < MIN_AUTO_DELETE {
            return Err(ConfigError::AutoDelete(self.settings.auto_delete_on_idle));
        }
        let time_to_live = self.settings.message_time_to_live;
        if !(Duration::from_secs(1)..=MAX_MESSAGE_TIME_TO_LIVE).contains(&time_to_live) {
            return Err(ConfigError::MessageTimeToLive(time_to_live));
        }
        let parsed = self.connection_string.as_deref().map(ConnectionString::parse).transpose()?;
        let (from_string, path, access) = match parsed {
            Some(ConnectionString { endpoint, entity_path, access }) => {
                (Some(endpoint), entity_path, Some(access))
            }
            None => (None, None, None),
        };
        let endpoint = match (from_string, &self.namespace) {
            (Some(endpoint), None) => endpoint,
            (None, Some(host)) => Endpoint::parse_host(host).map_err(ConfigError::Namespace)?,
            (Some(_), Some(_)) => {
                return Err(ConfigError::Namespace(
                    "the connection string names one already".into(),
                ));
            }
            (None, None) => return Err(ConfigError::Address),
        };
        let credential = self.credential.or_else(|| access.map(Credential::from_access));
        let credential = credential.ok_or(ConfigError::Credential)?;
        let topic = match (self.topic, path) {
            (Some(topic), Some(path)) if topic != path => {
                return Err(ConfigError::EntityPath { topic, path });
            }
            (Some(topic), _) | (None, Some(topic)) => topic,
            (None, None) => return Err(ConfigError::Topic(String::new())),
        };
        check_name(&topic, MAX_TOPIC_BYTES, true)
            .map_err(|()| ConfigError::Topic(topic.clone()))?;
        let tls = match self.tls {
            None if endpoint.is_encrypted() => Some(Tls::system()?),
            configured => configured,
        };
        let network = Network {
            connector: self.connector,
            tls,
            runtime: self.runtime.unwrap_or_else(|| Arc::new(TokioRuntime::new())),
            wall_clock: self.wall_clock,
            timeout: self.connect_timeout,
        };
        let http = Arc::new(Http::new(network.clone()));
        let tokens = Tokens {
            credential,
            http: Arc::clone(&http),
            network,
            resource: Tokens::resource(&endpoint, &topic),
            lifetime: self.token_lifetime,
        };
        let administration = Administration {
            http,
            tokens: Arc::new(tokens),
            root: endpoint.http_root().clone(),
            topic,
            settings: self.settings,
        };
        Ok((endpoint, administration))
    }
}

/// Letters, digits, `.`, `-`, `_`, and `/` in the names of topics: what the service takes.
fn check_name(name: &str, max_bytes: usize, slashes: bool) -> Result<(), ()> {
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric() || b".-_".contains(&byte) || (slashes && byte == b'/')
    };
    let edges = name.starts_with('/') || name.ends_with('/');
    if name.is_empty() || name.len() > max_bytes || edges || !name.bytes().all(allowed) {
        return Err(());
    }
    Ok(())
}

/// A topic is ordered by whoever holds it in the namespace, and that is told by its name.
///
/// One that is deleted and created again under the same name takes all its subscriptions along: no log that was
/// filled before it outlives it.
fn sequencer(endpoint: &Endpoint, topic: &str) -> SequencerId {
    // Without the port: the same namespace may be reached through several.
    let name = format!("{}/{}", endpoint.host(), topic.to_ascii_lowercase());
    SequencerId::new(&Sha256::digest(name.as_bytes())[..16])
}

impl fmt::Debug for AzureTransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The connection string is not shown: it contains a key.
        f.debug_struct("AzureTransportBuilder")
            .field("namespace", &self.namespace)
            .field("credential", &self.credential)
            .field("topic", &self.topic)
            .field("subscriptions", &self.subscriptions)
            .field("settings", &self.settings)
            .field("path", &self.path)
            .field("connector", &self.connector)
            .field("prefetch", &self.prefetch)
            .field("max_frame_bytes", &self.max_frame_bytes)
            .finish_non_exhaustive()
    }
}

/// What a configuration lacks, or what makes no sense in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Neither connection string nor namespace.
    #[error("no address: call `connection_string`, or `namespace` and `credential`")]
    Address,
    /// A connection string lacks a part or has a wrong one. The text does not quote it.
    #[error("the connection string: {0}")]
    ConnectionString(String),
    /// A namespace that is no host, or one too many.
    #[error("the namespace: {0}")]
    Namespace(String),
    /// Nothing says who we are.
    #[error("no credential: call `credential`, or use a connection string that has one")]
    Credential,
    /// No topic, or not a name that the service takes.
    #[error("`{0}` is no topic: 1 to 260 letters, digits, `.`, `-`, `_` or inner `/`")]
    Topic(String),
    /// The connection string is for another topic.
    #[error("the connection string is for `{path}` (EntityPath), not for the topic `{topic}`")]
    EntityPath {
        /// What `topic` was called with.
        topic: String,
        /// What the connection string says.
        path: String,
    },
    /// Not a name that the service takes.
    #[error("`{0}` is no subscription: 1 to 50 letters, digits, `.`, `-` or `_`")]
    Subscription(String),
    /// Not what a name can begin with.
    #[error("`{0}` is no prefix of subscriptions: 1 to 33 letters, digits, `.`, `-` or `_`")]
    SubscriptionPrefix(String),
    /// The service refuses less.
    #[error("`auto_delete_on_idle` of {0:?}: the service takes 5 minutes at least")]
    AutoDelete(Duration),
    /// Out of range.
    #[error("`message_time_to_live` of {0:?}: must be between 1 s and 14 days")]
    MessageTimeToLive(Duration),
    /// Without credit nothing arrives.
    #[error("`prefetch` must be at least 1")]
    Prefetch,
    /// A time-out of zero.
    #[error("a time-out must be longer than zero")]
    Timeout,
    /// Signatures would expire while they are used.
    #[error("`token_lifetime` must be at least a minute")]
    TokenLifetime,
    /// Frames of this size are not possible.
    #[error("`max_frame_bytes` of {0}: must be between 4 KiB (5,464 bytes over HTTPS) and 100 MiB")]
    FrameSize(usize),
    /// Certificates cannot be used.
    #[error("TLS: {0}")]
    Tls(String),
}
