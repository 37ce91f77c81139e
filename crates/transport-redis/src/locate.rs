//! Finding the one server that orders the channel.

use std::sync::atomic::{AtomicUsize, Ordering};

use unstale::transport::{TransportError, TransportErrorKind as Kind};

use crate::address::{Address, Credentials, Endpoint};
use crate::error;
use crate::resp::Value;
use crate::server::{Dialer, Primary, Server};

/// What the configured addresses are.
#[derive(Debug)]
pub(crate) enum Topology {
    /// Servers of which at most one is the primary.
    Servers,
    /// Sentinels that know where the primary is.
    Sentinel {
        master: String,
        /// For the primary; a sentinel's own are in its URL.
        credentials: Option<Credentials>,
    },
    /// Nodes of a cluster; the primary of this slot orders the channel.
    Cluster { slot: u16 },
}

/// Finds the primary anew for every connection.
#[derive(Debug)]
pub(crate) struct Locator {
    topology: Topology,
    contacts: Vec<Endpoint>,
    /// Where the next search begins: at the contact that answered last, or that was being tried when the last
    /// search was cancelled. So the time-outs of dead ones are not met again and again.
    preferred: AtomicUsize,
}

impl Locator {
    pub(crate) fn new(topology: Topology, contacts: Vec<Endpoint>) -> Self {
        Self { topology, contacts, preferred: AtomicUsize::new(0) }
    }

    /// Connects to the primary through the first contact that leads there. Each contact gets the connect
    /// time-out of its own.
    pub(crate) async fn connect(
        &self,
        dialer: &Dialer,
        resp3: bool,
    ) -> Result<(Server, Primary), TransportError> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut telling: Option<TransportError> = None;
        for offset in 0..self.contacts.len() {
            let index = (first + offset) % self.contacts.len();
            let contact = &self.contacts[index];
            // Whoever waits for this may give up before all time-outs are over: the next search goes on here.
            self.preferred.store(index, Ordering::Relaxed);
            let attempt = self.connect_through(dialer, contact, resp3);
            match dialer.in_time(contact, attempt).await {
                Ok(found) => return Ok(found),
                // "Wrong password" tells an operator more than "another one is down".
                Err(error) => match &telling {
                    Some(kept) if kept.kind() != Kind::Unreachable => {}
                    _ => telling = Some(error),
                },
            }
        }
        Err(telling.unwrap_or_else(|| Kind::Configuration.error("no address to connect to")))
    }

    async fn connect_through(
        &self,
        dialer: &Dialer,
        contact: &Endpoint,
        resp3: bool,
    ) -> Result<(Server, Primary), TransportError> {
        let endpoint = match &self.topology {
            Topology::Servers => contact.clone(),
            Topology::Sentinel { master, credentials } => Endpoint {
                credentials: credentials.clone(),
                ..ask_sentinel(dialer, contact, master).await?
            },
            Topology::Cluster { slot } => ask_cluster(dialer, contact, *slot).await?,
        };
        let mut server = dialer.open(&endpoint, resp3).await?;
        let primary = server.primary().await?;
        Ok((server, primary))
    }
}

async fn ask_sentinel(
    dialer: &Dialer,
    sentinel: &Endpoint,
    master: &str,
) -> Result<Endpoint, TransportError> {
    let mut server = dialer.open(sentinel, false).await?;
    let question: &[&[u8]] = &[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", master.as_bytes()];
    let answer = server.wire.request(&[question]).await?.pop();
    match answer {
        Some(Value::List(parts)) => match &parts[..] {
            [host, port] => located(sentinel, host, port),
            _ => None,
        }
        .ok_or_else(|| error::unexpected(sentinel, "SENTINEL", &Value::Nil)),
        Some(Value::Nil) => Err(Kind::NotFound
            .error(format!("the sentinel {sentinel} knows no primary named {master:?}"))),
        other => Err(error::unexpected(sentinel, "SENTINEL", &other.unwrap_or(Value::Nil))),
    }
}

async fn ask_cluster(
    dialer: &Dialer,
    seed: &Endpoint,
    slot: u16,
) -> Result<Endpoint, TransportError> {
    let mut server = dialer.open(seed, false).await?;
    let answer = server.wire.request(&[&[b"CLUSTER", b"SLOTS"]]).await?.pop();
    let ranges = match answer {
        Some(Value::List(ranges)) => ranges,
        other => {
            return Err(error::unexpected(seed, "CLUSTER SLOTS", &other.unwrap_or(Value::Nil)));
        }
    };
    for range in &ranges {
        let Value::List(range) = range else { continue };
        let [Value::Integer(from), Value::Integer(to), Value::List(primary), ..] = &range[..]
        else {
            continue;
        };
        if (*from..=*to).contains(&i64::from(slot)) {
            return match &primary[..] {
                [host, port, ..] => located(seed, host, port),
                _ => None,
            }
            .ok_or_else(|| error::unexpected(seed, "CLUSTER SLOTS", &Value::Nil));
        }
    }
    Err(Kind::Unreachable
        .error(format!("the cluster node {seed} knows no owner of the channel's slot {slot}")))
}

/// A server that `informant` named: reached with TLS and credentials like the informant itself.
fn located(informant: &Endpoint, host: &Value, port: &Value) -> Option<Endpoint> {
    let port = match port {
        Value::Integer(port) => u16::try_from(*port).ok()?,
        Value::Text(text) => std::str::from_utf8(text).ok()?.parse().ok()?,
        _ => return None,
    };
    let host = match host {
        Value::Text(host) if !host.is_empty() && &host[..] != b"?" => {
            std::str::from_utf8(host).ok()?.to_owned()
        }
        // A node that does not know its own address means the one we reached it by.
        Value::Nil | Value::Text(_) => match &informant.address {
            Address::Tcp { host, .. } => host.clone(),
            Address::Unix(_) => return None,
        },
        _ => return None,
    };
    Some(Endpoint {
        address: Address::Tcp { host, port },
        tls: informant.tls,
        credentials: informant.credentials.clone(),
    })
}
