//! What a server knows: its connections, what is on its way to them, and its orders.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::task::Waker;

use bytes::{Bytes, BytesMut};

use super::faults::Faults;
use super::identity::{Identity, Role};
use super::resp::Writer;
use super::{Effect, Event, Inner, Observer, Options};

pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) options: Options,
    pub(crate) identity: Identity,
    pub(crate) role: Role,
    /// Nothing comes from the primary.
    pub(crate) link_broken: bool,
    /// Everyone that ever asked to follow; whether they still do they know themselves.
    pub(crate) replicas: Vec<Weak<Inner>>,
    pub(crate) up: bool,
    /// By number, in the order of their coming: so is everything done that concerns several.
    pub(crate) connections: BTreeMap<u64, Connection>,
    pub(crate) next_connection: u64,
    /// Messages accepted so far.
    pub(crate) accepted: u64,
    pub(crate) faults: Faults,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) effects: Vec<Effect>,
}

/// One connection, as the server sees it.
pub(crate) struct Connection {
    pub(crate) peer: Arc<str>,
    pub(crate) authenticated: bool,
    pub(crate) resp3: bool,
    pub(crate) client_name: Bytes,
    pub(crate) subscribed: BTreeSet<Channel>,
    /// Output that its task has not taken yet.
    pub(crate) out: BytesMut,
    /// Output that the stream has not taken yet, whoever has it.
    pub(crate) unwritten: usize,
    /// It is closed once its output is written; nothing is read any more.
    pub(crate) closing: bool,
    pub(crate) waker: Option<Waker>,
}

/// Ordinary channels and sharded ones are different, whatever their names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Channel {
    pub(crate) sharded: bool,
    pub(crate) name: Bytes,
}

impl State {
    pub(crate) fn new(name: &str, options: Options) -> Self {
        Self {
            name: name.to_owned(),
            options,
            identity: Identity::new(name),
            role: Role::Primary,
            link_broken: false,
            replicas: Vec::new(),
            up: true,
            connections: BTreeMap::new(),
            next_connection: 1,
            accepted: 0,
            faults: Faults::default(),
            observer: None,
            effects: Vec::new(),
        }
    }

    /// Lets a connection in; `None` if the server is down.
    pub(crate) fn open(&mut self, peer: Arc<str>) -> Option<u64> {
        if !self.up {
            return None;
        }
        let id = self.next_connection;
        self.next_connection += 1;
        let connection = Connection {
            peer,
            authenticated: self.options.password.is_none(),
            resp3: false,
            client_name: Bytes::new(),
            subscribed: BTreeSet::new(),
            out: BytesMut::new(),
            unwritten: 0,
            closing: false,
            waker: None,
        };
        self.connections.insert(id, connection);
        Some(id)
    }

    /// Forgets a connection; its task ends when it next looks.
    pub(crate) fn close(&mut self, id: u64) {
        if let Some(mut connection) = self.connections.remove(&id) {
            connection.wake();
        }
    }

    /// Closes the connections that `which` chooses; how many these were.
    pub(crate) fn close_where(&mut self, which: impl Fn(&Connection) -> bool) -> usize {
        let chosen: Vec<u64> = self
            .connections
            .iter()
            .filter(|(_, connection)| which(connection))
            .map(|(id, _)| *id)
            .collect();
        for id in &chosen {
            self.close(*id);
        }
        chosen.len()
    }

    pub(crate) fn wake_all(&mut self) {
        self.connections.values_mut().for_each(Connection::wake);
    }

    /// Appends to a connection's output; one that has not read enough of it is cut off.
    pub(crate) fn write(&mut self, id: u64, write: impl FnOnce(&mut Writer<'_>)) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let before = connection.out.len();
        write(&mut Writer { out: &mut connection.out, resp3: connection.resp3 });
        connection.unwritten += connection.out.len() - before;
        let limit = if connection.subscribed.is_empty() {
            self.options.reply_limit_bytes
        } else {
            self.options.output_limit_bytes
        };
        if connection.unwritten > limit {
            let peer = Arc::clone(&connection.peer);
            self.close(id);
            self.effects.push(Effect::Observe(Event::CutOff { peer }));
        }
    }
}

impl Connection {
    pub(crate) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
