//! Where a Service Bus namespace is.

use std::fmt;

use url::Url;

#[cfg(any(feature = "amqp", test))]
const AMQPS_PORT: u16 = 5671;
const AMQP_PORT: u16 = 5672;
const HTTPS_PORT: u16 = 443;

/// A namespace's host, and how it is reached.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    host: String,
    port: Option<u16>,
    encrypted: bool,
    http_root: Url,
}

impl Endpoint {
    /// Reads `sb://host[:port][/]`; a development emulator speaks without encryption.
    pub(crate) fn parse(text: &str, emulator: bool) -> Result<Self, String> {
        let wrong = || "`Endpoint` is not of the form `sb://host/`".to_owned();
        let url = Url::parse(text).map_err(|_| wrong())?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        let extra = url.query().is_some() || url.fragment().is_some() || !url.username().is_empty();
        if !matches!(url.scheme(), "sb" | "amqp" | "amqps" | "https")
            || url.password().is_some()
            || extra
        {
            return Err(wrong());
        }
        let (host, port, encrypted) = (host.to_ascii_lowercase(), url.port(), !emulator);
        let (scheme, default_port) =
            if encrypted { ("https", HTTPS_PORT) } else { ("http", AMQP_PORT) };
        // A port that was given is the port of everything.
        let root = format!("{scheme}://{host}:{}/", port.unwrap_or(default_port));
        let http_root = Url::parse(&root).map_err(|_| wrong())?;
        Ok(Self { host, port, encrypted, http_root })
    }

    /// Reads a host, with or without a port, or a URL.
    pub(crate) fn parse_host(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Self::parse(text, false);
        }
        Self::parse(&format!("sb://{text}"), false)
            .map_err(|_| "the namespace is not a host name".to_owned())
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// The port of AMQP: the one that was given, or the standard one.
    #[cfg(any(feature = "amqp", test))]
    pub(crate) fn amqp_port(&self) -> u16 {
        self.port.unwrap_or(if self.encrypted { AMQPS_PORT } else { AMQP_PORT })
    }

    /// The root of the management and REST interfaces.
    pub(crate) fn http_root(&self) -> &Url {
        &self.http_root
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}
