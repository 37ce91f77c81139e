//! Who we are: keys, signatures and tokens.

mod client_secret;
#[cfg(feature = "entra")]
mod entra;
mod shared_access;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;
use unstale::runtime::BoxFuture;
use unstale::transport::{TransportError, TransportErrorKind as Kind};

pub use client_secret::ClientSecret;

use crate::connection_string::Access;
use crate::endpoint::Endpoint;
use crate::http::Http;
use crate::network::Network;
use crate::secret::Secret;

/// What Entra ID must have issued a token for.
pub const SCOPE: &str = "https://servicebus.azure.net/.default";

/// A token is asked for anew when this much of its time is left, or a quarter.
const LEAST_LEFT: Duration = Duration::from_secs(60);

type BoxError = Box<dyn StdError + Send + Sync>;
type TokenFn = Arc<dyn Fn() -> BoxFuture<Result<AccessToken, BoxError>> + Send + Sync>;

/// Proves to Service Bus who a transport is.
///
/// A connection string has one already. `Debug` shows none of it.
#[derive(Clone)]
pub struct Credential {
    source: Source,
    /// The last token that was not made here, while it is good.
    cached: Arc<Mutex<Option<Token>>>,
}

#[derive(Clone)]
enum Source {
    Key { name: String, key: Secret },
    Signature(Secret),
    ClientSecret(Arc<ClientSecret>),
    Function(TokenFn),
}

/// A token, as a [function](Credential::from_fn) returns it.
#[derive(Clone)]
pub struct AccessToken {
    value: Secret,
    expires_on: SystemTime,
}

impl AccessToken {
    /// A JSON web token of Entra ID, or a text that begins with `SharedAccessSignature `; and until when the
    /// service takes it.
    pub fn new(value: impl Into<String>, expires_on: SystemTime) -> Self {
        Self { value: Secret::new(value), expires_on }
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("expires_on", &self.expires_on).finish_non_exhaustive()
    }
}

impl Credential {
    /// A shared access key and the name of its policy, as the portal shows them.
    pub fn shared_access_key(name: impl Into<String>, key: impl Into<String>) -> Self {
        Self::new(Source::Key { name: name.into(), key: Secret::new(key) })
    }

    /// A shared access signature that someone else made (`SharedAccessSignature sr=…&sig=…&se=…&skn=…`). When
    /// it has expired the transport fails until it is built anew.
    pub fn shared_access_signature(signature: impl Into<String>) -> Self {
        Self::new(Source::Signature(Secret::new(signature)))
    }

    /// An application registered in Entra ID.
    pub fn client_secret(client: ClientSecret) -> Self {
        Self::new(Source::ClientSecret(Arc::new(client)))
    }

    /// Tokens from a function. It is called when a connection is opened and before its token expires; the
    /// scope that Entra ID must be asked for is [`SCOPE`]. Its errors must not contain a secret.
    pub fn from_fn<F, Fut>(function: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<AccessToken, BoxError>> + Send + 'static,
    {
        Self::new(Source::Function(Arc::new(move || Box::pin(function()))))
    }

    fn new(source: Source) -> Self {
        Self { source, cached: Arc::default() }
    }

    pub(crate) fn from_access(access: Access) -> Self {
        match access {
            Access::Key { name, key } => Self::new(Source::Key { name, key }),
            Access::Signature(signature) => Self::new(Source::Signature(signature)),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Source::Key { .. } => "Credential(shared access key)",
            Source::Signature(_) => "Credential(shared access signature)",
            Source::ClientSecret(_) => "Credential(client secret)",
            Source::Function(_) => "Credential(function)",
        })
    }
}

/// What is shown to the service.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) value: Secret,
    pub(crate) expires: SystemTime,
}

impl Token {
    /// How `$cbs` calls this sort of token.
    #[cfg(feature = "amqp")]
    pub(crate) fn kind(&self) -> &'static str {
        if self.is_signature() { "servicebus.windows.net:sastoken" } else { "jwt" }
    }

    /// The value of an `Authorization` header.
    pub(crate) fn authorization(&self) -> String {
        let value = self.value.reveal();
        if self.is_signature() { value.to_owned() } else { format!("Bearer {value}") }
    }

    fn is_signature(&self) -> bool {
        self.value.reveal().starts_with("SharedAccessSignature ")
    }

    /// How long until a new one is needed; zero if that is now.
    #[cfg(feature = "amqp")]
    pub(crate) fn fresh_for(&self, now: SystemTime) -> Duration {
        let left = self.expires.duration_since(now).unwrap_or_default();
        left.saturating_sub((left / 4).max(LEAST_LEFT.min(left / 2)))
    }

    fn is_fresh(&self, now: SystemTime) -> bool {
        self.expires.duration_since(now).is_ok_and(|left| left > LEAST_LEFT)
    }
}

/// A credential in use: makes tokens for one topic of one namespace.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) credential: Credential,
    pub(crate) http: Arc<Http>,
    pub(crate) network: Network,
    /// What tokens are made for: `sb://host/topic`.
    pub(crate) resource: String,
    /// How long a signature that is made here lasts.
    pub(crate) lifetime: Duration,
}

impl Tokens {
    pub(crate) fn resource(endpoint: &Endpoint, topic: &str) -> String {
        format!("sb://{}/{topic}", endpoint.host())
    }

    /// A token that is good for a while.
    pub(crate) async fn token(&self) -> Result<Token, TransportError> {
        let now = self.network.wall_now();
        match &self.credential.source {
            Source::Key { name, key } => {
                shared_access::sign(&self.resource, name, key, now, self.lifetime)
            }
            Source::Signature(signature) => shared_access::given(signature, now),
            Source::ClientSecret(client) => {
                self.cached(now, || client.fetch(&self.http, &self.network)).await
            }
            Source::Function(function) => {
                let called = async || {
                    let token = function().await.map_err(|error| {
                        Kind::Unauthorized.error("the token function failed").with_source(error)
                    })?;
                    Ok(Token { value: token.value, expires: token.expires_on })
                };
                self.cached(now, called).await
            }
        }
    }

    async fn cached<F>(
        &self,
        now: SystemTime,
        fetch: impl FnOnce() -> F,
    ) -> Result<Token, TransportError>
    where
        F: Future<Output = Result<Token, TransportError>>,
    {
        let mut cached = self.credential.cached.lock().await;
        if let Some(token) = cached.as_ref().filter(|token| token.is_fresh(now)) {
            return Ok(token.clone());
        }
        let token = fetch().await?;
        if token.expires <= now {
            return Err(Kind::Unauthorized.error("the token that was issued has expired already"));
        }
        Ok(cached.insert(token).clone())
    }
}
