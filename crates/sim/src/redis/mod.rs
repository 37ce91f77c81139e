//! A Redis server inside the simulation: publish/subscribe, who it is, and faults to order.
//!
//! It speaks to clients as a real server does, over any stream, and does nothing on its own: it spawns no
//! task, reads no clock and draws no random number. What happens follows from what the streams bring and from
//! the calls of whoever plans the faults.
//!
//! # Where it differs from a real server
//! - There is no keyspace: of all other commands it knows those that a client needs to find its primary.
//! - What a primary accepts reaches its replicas at once, or never, if the link is broken: a replica that is
//!   linked again is not told what it missed.
//! - A subscriber on the connection that publishes gets the reply first and then the message, as from 7.2 on.
//! - The kernel's socket buffers are not there. What a stream does not take counts as unwritten.
//! - Unread replies on a connection without a subscription are bounded, too: see [`Options`].

mod commands;
mod connection;
mod control;
mod faults;
mod identity;
mod observer;
mod options;
mod publish;
mod resp;
mod state;
mod subscribe;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

pub use control::Counts;
pub use observer::Observer;
pub use options::Options;

use publish::Message;
use state::State;

/// A handle to one simulated server process. Clones are the same server.
///
/// Its faults are ordered by synchronous calls, at any moment. Those that name a peer concern the connections
/// that were [served](Self::serve) under this name.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    name: String,
    state: Mutex<State>,
}

impl Server {
    /// A primary, reachable as `name` (that is what its replicas say of it), that nobody is connected to.
    ///
    /// Its identity follows from its name and from how often it was restarted and promoted.
    pub fn new(name: impl Into<String>) -> Self {
        Self::with_options(name, Options::default())
    }

    /// As [`new`](Self::new), other than usual in what `options` say.
    pub fn with_options(name: impl Into<String>, options: Options) -> Self {
        let name = name.into();
        let state = Mutex::new(State::new(&name, options));
        Self(Arc::new(Inner { name, state }))
    }

    /// The name that it was made with.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Serves one connection of `peer` until either side ends it; at once if the server is down.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn serve<S>(&self, stream: S, peer: impl Into<String>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        connection::serve(self, stream, peer.into().into()).await;
    }

    /// Changes the state, and then does what follows from it outside of this server. Nothing of that happens
    /// under the lock: an observer may call back, and a replica is a server of its own.
    fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let (result, effects, observer) = {
            let mut state = self.lock();
            let result = change(&mut state);
            (result, std::mem::take(&mut state.effects), state.observer.clone())
        };
        for effect in effects {
            match effect {
                Effect::Propagate { message, sequence } => {
                    self.each_replica(&|replica| {
                        replica.deliver(&message, sequence);
                        replica.relay(&message, sequence);
                    });
                }
                Effect::NewHistory(id) => {
                    self.each_replica(&|replica| replica.adopt_history(id.clone()));
                }
                Effect::Observe(event) => {
                    if let Some(observer) = &observer {
                        event.tell(&**observer);
                    }
                }
            }
        }
        result
    }

    /// Those that replicate from this server over a link that works, in the order in which they came.
    fn each_replica(&self, change: &dyn Fn(&mut State)) {
        let replicas = self.lock().replicas.clone();
        for replica in replicas.iter().filter_map(Weak::upgrade) {
            Self(replica).with(|state| {
                if state.hears(&self.0) {
                    change(state);
                }
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under it is a bug of the server or of the test; the next one should not hide it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.0.name).finish_non_exhaustive()
    }
}

/// What a change of the state entails outside of it.
enum Effect {
    /// The replicas get this as well.
    Propagate {
        message: Message,
        sequence: u64,
    },
    /// The replication id is a new one, which the replicas take over.
    NewHistory(String),
    Observe(Event),
}

/// What an [`Observer`] is told.
enum Event {
    Accepted { sequence: u64, publisher: Option<Arc<str>>, frame: Bytes },
    Dropped { peer: Arc<str>, frame: Bytes, sequence: u64 },
    CutOff { peer: Arc<str> },
}

impl Event {
    fn tell(&self, observer: &dyn Observer) {
        match self {
            Self::Accepted { sequence, publisher, frame } => {
                observer.accepted(*sequence, publisher.as_deref(), frame);
            }
            Self::Dropped { peer, frame, sequence } => observer.dropped(peer, frame, *sequence),
            Self::CutOff { peer } => observer.cut_off(peer),
        }
    }
}
