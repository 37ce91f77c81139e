//! Where a server is, and what to say there to be let in.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::builder::ConfigError;

const DEFAULT_PORT: u16 = 6379;

/// Where a server listens; what a [`Connector`](crate::Connector) connects to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A host name or IP address, and a port.
    Tcp {
        /// The host name or IP address, an IPv6 address without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A user and a password. Its `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// `None`: the server's default user, in the form that servers before Redis 6 understand too.
    pub(crate) username: Option<String>,
    pub(crate) password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

/// An address, whether to speak TLS there, and the credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) address: Address,
    pub(crate) tls: bool,
    pub(crate) credentials: Option<Credentials>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Endpoint {
    /// Parses `redis[s]://[user][:password]@host[:port][/database]` and `unix:///path?user=..&pass=..`.
    ///
    /// The database is accepted and ignored: publish/subscribe spans all databases.
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        // An error must not quote the text: it may contain a password.
        let url = Url::parse(text).map_err(|error| ConfigError::Url(error.to_string()))?;
        match url.scheme() {
            "redis" | "valkey" => Self::tcp(&url, false),
            "rediss" | "valkeys" => Self::tcp(&url, true),
            "unix" | "redis+unix" | "valkey+unix" => Self::unix(&url),
            _ => Err(ConfigError::Url(
                "the scheme must be redis, rediss (TLS), valkey, valkeys or unix".into(),
            )),
        }
    }

    fn tcp(url: &Url, tls: bool) -> Result<Self, ConfigError> {
        let host = match url.host() {
            Some(url::Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(url::Host::Ipv4(address)) => address.to_string(),
            Some(url::Host::Ipv6(address)) => address.to_string(),
            Some(url::Host::Domain(_)) | None => {
                return Err(ConfigError::Url("the host is missing".into()));
            }
        };
        if url.fragment().is_some() {
            // redis-rs turns certificate checks off with `#insecure`; silently checking would be as
            // surprising as silently not doing so.
            return Err(ConfigError::Url(
                "a fragment (`#...`) is not supported; trust a certificate with `tls` instead"
                    .into(),
            ));
        }
        let credentials = match url.password() {
            Some(password) => Some(Credentials {
                username: non_default(decode(url.username())?),
                password: decode(password)?,
            }),
            None if url.username().is_empty() => None,
            None => {
                return Err(ConfigError::Url(
                    "a user without a password; for a password alone write redis://:password@host"
                        .into(),
                ));
            }
        };
        Ok(Self {
            address: Address::Tcp { host, port: url.port().unwrap_or(DEFAULT_PORT) },
            tls,
            credentials,
        })
    }

    fn unix(url: &Url) -> Result<Self, ConfigError> {
        let path = decode(url.path())?;
        if path.is_empty() || path == "/" {
            return Err(ConfigError::Url("the path of the socket is missing".into()));
        }
        let query = |name: &str| {
            url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let credentials = query("pass").map(|password| Credentials {
            username: query("user").and_then(non_default),
            password,
        });
        Ok(Self { address: Address::Unix(PathBuf::from(path)), tls: false, credentials })
    }
}

fn non_default(username: String) -> Option<String> {
    (!username.is_empty() && username != "default").then_some(username)
}

fn decode(text: &str) -> Result<String, ConfigError> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| ConfigError::Url("percent-encoded bytes that are not UTF-8".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp { host: host.into(), port }
    }

    #[test]
    fn urls_are_understood() {
        let plain = Endpoint::parse("redis://cache.internal/3").unwrap();
        assert_eq!(plain.address, tcp("cache.internal", 6379));
        assert!(!plain.tls && plain.credentials.is_none());

        let full = Endpoint::parse("rediss://app:p%40ss%2F@[::1]:7000").unwrap();
        assert_eq!(full.address, tcp("::1", 7000));
        assert_eq!(full.to_string(), "[::1]:7000");
        assert!(full.tls);
        let credentials = full.credentials.unwrap();
        assert_eq!(credentials.username.as_deref(), Some("app"));
        assert_eq!(credentials.password, "p@ss/");

        let default_user = Endpoint::parse("redis://default:x@h").unwrap();
        assert_eq!(default_user.credentials.unwrap().username, None);

        let unix = Endpoint::parse("unix:///run/redis.sock?pass=x&user=app").unwrap();
        assert_eq!(unix.address, Address::Unix("/run/redis.sock".into()));
        assert_eq!(unix.credentials.unwrap().password, "x");
    }

    #[test]
    fn nonsense_is_refused_and_never_quoted() {
        for url in [
            "hunter2",
            "http://:hunter2@host",
            "redis://:hunter2@",
            "redis://hunter2@host",
            "redis://:hunter2@host:99999",
            "redis://:hunter2%ff@host",
            "rediss://:hunter2@host#insecure",
            "unix://?pass=hunter2",
        ] {
            let error = Endpoint::parse(url).expect_err(url);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn debug_hides_the_password() {
        let endpoint = Endpoint::parse("redis://app:hunter2@host").unwrap();
        let shown = format!("{endpoint:?} {endpoint}");
        assert!(!shown.contains("hunter2") && !shown.contains("app"), "{shown}");
    }
}
