//! Getting to a server: connect, speak TLS, log in, and ask who it is.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use unstale::Runtime;
use unstale::transport::{SequencerId, TransportError, TransportErrorKind as Kind};

use crate::address::Endpoint;
use crate::connector::{Connector, Stream};
use crate::error;
use crate::mutation::{self, Mutation};
use crate::resp::Value;
use crate::tls::Tls;
use crate::wire::Wire;

/// Opens connections.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) tls: Option<Tls>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_value_bytes: usize,
    /// Shown by the server's `CLIENT LIST`.
    pub(crate) client_name: String,
}

impl Dialer {
    /// Connects and logs in. With `resp3` the newer protocol is asked for; [`Server::resp3`] says if it was
    /// granted.
    pub(crate) async fn open(
        &self,
        endpoint: &Endpoint,
        resp3: bool,
    ) -> Result<Server, TransportError> {
        let stream = self.stream(endpoint).await?;
        let mut wire = Wire::new(endpoint.clone(), stream, self.max_value_bytes);
        if let Some(credentials) = &endpoint.credentials {
            let password = credentials.password.as_bytes();
            let login: &[&[u8]] = match &credentials.username {
                Some(username) => &[b"AUTH", username.as_bytes(), password],
                None => &[b"AUTH", password],
            };
            if let [Value::Error(text)] = &wire.request(&[login]).await?[..] {
                return Err(error::login_refused(endpoint, text));
            }
        }
        let mut granted = false;
        if resp3 {
            // A server before Redis 6, a renamed command, a missing permission: version 2 will do.
            let hello = wire.request(&[&[b"HELLO", b"3"]]).await?;
            granted = !matches!(hello[..], [Value::Error(_)]);
            if let [Value::Error(text)] = &hello[..]
                && error::is_greeting(text)
            {
                return Err(error::refused(endpoint, "the connection", text));
            }
        }
        // Only for the operator's eyes; a refusal changes nothing.
        wire.request(&[&[b"CLIENT", b"SETNAME", self.client_name.as_bytes()]]).await?;
        Ok(Server { wire, resp3: granted })
    }

    async fn stream(&self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, TransportError> {
        let stream = self
            .connector
            .connect(&endpoint.address)
            .await
            .map_err(|failure| error::io_failed(endpoint, "connecting to", failure))?;
        match &self.tls {
            Some(tls) if endpoint.tls => tls
                .wrap(&endpoint.address, stream)
                .await
                .map_err(|failure| error::io_failed(endpoint, "the TLS handshake with", failure)),
            None if endpoint.tls => Err(Kind::Configuration.error("TLS without certificates")),
            _ => Ok(stream),
        }
    }

    /// Limits the time that `work`, which begins at `endpoint`, may take.
    pub(crate) async fn in_time<T>(
        &self,
        endpoint: &Endpoint,
        work: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        within(&*self.runtime, self.connect_timeout, work)
            .await
            .unwrap_or_else(|| Err(error::timed_out(endpoint, self.connect_timeout)))
    }
}

/// `work`, or `None` if it takes longer than `limit`.
pub(crate) async fn within<T>(
    runtime: &dyn Runtime,
    limit: Duration,
    work: impl Future<Output = T> + Send,
) -> Option<T> {
    let deadline = runtime.sleep_until(runtime.now().after(limit));
    match select(Box::pin(work), deadline).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(((), _)) => None,
    }
}

/// A server that let us in.
pub(crate) struct Server {
    pub(crate) wire: Wire,
    /// Whether the connection speaks version 3 of the protocol.
    pub(crate) resp3: bool,
}

impl Server {
    /// Who the server is; an error if it is not a primary.
    pub(crate) async fn primary(&mut self) -> Result<Primary, TransportError> {
        let values =
            self.wire.request(&[&[b"INFO", b"server"], &[b"INFO", b"replication"]]).await?;
        let endpoint = self.wire.endpoint();
        let mut sections = Vec::with_capacity(values.len());
        for value in &values {
            let Value::Text(section) = value else {
                return Err(error::unexpected(endpoint, "INFO", value));
            };
            sections.push(&section[..]);
        }
        Primary::from_info(&endpoint.to_string(), &sections)
    }
}

/// Identity of a primary: this process, continuously primary since it last became one.
///
/// A server that is demoted and promoted again keeps its `run_id`, but never its replication id; frames that
/// another primary accepted in between are not on its subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Primary {
    pub(crate) run_id: String,
    pub(crate) replication_id: String,
}

impl Primary {
    /// From the sections `server` and `replication` of `INFO`. `server` names it in errors.
    pub(crate) fn from_info(server: &str, sections: &[&[u8]]) -> Result<Self, TransportError> {
        let run_id = sections.iter().find_map(|section| field(section, "run_id"));
        let replication = sections
            .iter()
            .find_map(|section| replication_id(server, section).transpose())
            .transpose()?;
        match (run_id, replication) {
            (Some(run_id), Some(replication_id)) => Ok(Self {
                run_id,
                replication_id,
            }),
            _ => Err(Kind::Protocol.error(format!(
                "{server} does not tell its run_id and master_replid (INFO), without which a failover cannot be \
                 noticed; is it a single Redis server?"
            ))),
        }
    }

    /// Whether the section `replication` of `INFO`, asked on the same connection, still says so.
    pub(crate) fn check(&self, server: &str, section: &[u8]) -> Result<(), TransportError> {
        match replication_id(server, section)? {
            Some(id) if id == self.replication_id => Ok(()),
            Some(_) if mutation::active(Mutation::SequencerIsRunIdOnly) => Ok(()),
            Some(_) => Err(Kind::Demoted.error(format!(
                "{server} was demoted and promoted again: another primary may have accepted frames meanwhile"
            ))),
            None => Err(Kind::Protocol.error(format!("{server} no longer tells its master_replid"))),
        }
    }

    /// Both ids, shortened to 96 bits each: enough to tell servers apart, and still what `INFO` shows.
    pub(crate) fn sequencer(&self) -> SequencerId {
        let short = |id: &str| id.chars().take(24).collect::<String>();
        if mutation::active(Mutation::SequencerIsRunIdOnly) {
            return SequencerId::new(short(&self.run_id));
        }
        SequencerId::new(format!("{}:{}", short(&self.run_id), short(&self.replication_id)))
    }
}

/// The replication id in this section, if it has one; an error if the server is not a primary.
fn replication_id(server: &str, section: &[u8]) -> Result<Option<String>, TransportError> {
    match field(section, "role").as_deref() {
        Some("master") => Ok(field(section, "master_replid")),
        Some(role) => {
            let primary = match (field(section, "master_host"), field(section, "master_port")) {
                (Some(host), Some(port)) => format!(" of {host}:{port}"),
                _ => String::new(),
            };
            Err(not_primary(server, role, &primary))
        }
        None => Ok(None),
    }
}

/// The error for a server that is `role` instead of primary.
pub(crate) fn not_primary(server: &str, role: &str, of: &str) -> TransportError {
    let role = match role {
        "slave" | "replica" => "a replica",
        "sentinel" => "a sentinel",
        _ => "not a primary",
    };
    Kind::Demoted.error(format!(
        "{server} is {role}{of}; frames must go through the primary: give its address, or let Sentinel find it"
    ))
}

fn field(section: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(section).ok()?;
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.trim().to_owned())
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &[u8] =
        b"# Server\r\nredis_version:7.0.15\r\nrun_id:0123456789abcdef0123456789abcdef01234567\r\n";
    const REPLICATION: &[u8] =
        b"# Replication\r\nrole:master\r\nmaster_replid:fedcba9876543210fedcba9876543210fedcba98\r\n";

    #[test]
    fn a_primary_is_recognised() {
        let primary = Primary::from_info("h", &[SERVER, REPLICATION]).unwrap();
        assert_eq!(
            primary.sequencer(),
            SequencerId::new("0123456789abcdef01234567:fedcba9876543210fedcba98")
        );
        primary.check("h", REPLICATION).unwrap();
    }

    #[test]
    fn anything_else_is_not() {
        let primary = Primary::from_info("h", &[SERVER, REPLICATION]).unwrap();
        let kind = |section: &[u8]| primary.check("h", section).unwrap_err().kind();
        assert_eq!(kind(b"role:slave\r\nmaster_replid:x\r\n"), Kind::Demoted);
        assert_eq!(kind(b"role:master\r\nmaster_replid:x\r\n"), Kind::Demoted);
        assert_eq!(kind(b"role:sentinel\r\n"), Kind::Demoted);
        assert_eq!(kind(b"role:master\r\n"), Kind::Protocol);
        assert_eq!(kind(b"\xff"), Kind::Protocol);
        assert_eq!(Primary::from_info("h", &[SERVER]).unwrap_err().kind(), Kind::Protocol);
    }
}
