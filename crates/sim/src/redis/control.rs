//! Faults to order, and what tests may look at. All of it takes effect at once, also while the server is
//! stalled.

use std::sync::Arc;

use bytes::Bytes;

use super::identity::{Role, Upstream};
use super::publish::Message;
use super::state::Channel;
use super::{Observer, Server};

/// What there is on a server at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Open connections.
    pub connections: usize,
    /// Subscriptions on them: one for each connection and channel.
    pub subscriptions: usize,
    /// Messages accepted since it was made, over all restarts.
    pub accepted: u64,
    /// Publishes kept by [`delay_next_publish`](Server::delay_next_publish).
    pub zombies: usize,
}

/// # Lives
impl Server {
    /// The process ends and another one starts: every connection is closed, subscriptions are forgotten, and
    /// the identity is a new one. A replica stays a replica. Whether it can be reached does not change.
    ///
    /// Orders for messages to come survive it, and so do publishes that the network keeps.
    pub fn restart(&self) {
        self.with(|state| {
            state.close_where(|_| true);
            state.identity.rerun();
            if matches!(state.role, Role::Primary) {
                state.begin_history();
            }
        });
    }

    /// Takes the server away, so that everyone notices, or brings it back. It is the same process then, unless
    /// it was also [restarted](Self::restart).
    pub fn set_up(&self, up: bool) {
        self.with(|state| {
            state.up = up;
            if !up {
                state.close_where(|_| true);
            }
        });
    }

    /// Whether it can be reached.
    pub fn is_up(&self) -> bool {
        self.lock().up
    }

    /// While stalled, the server reads nothing and answers nothing; connections live, also those that come.
    /// Clients that leave are noticed afterwards.
    pub fn stall(&self, stalled: bool) {
        self.with(|state| {
            state.faults.stalled = stalled;
            state.wake_all();
        });
    }

    /// Closes the connections of one peer; how many these were.
    pub fn kill_peer(&self, peer: &str) -> usize {
        self.with(|state| state.close_where(|connection| &*connection.peer == peer))
    }

    /// Closes all connections; how many these were.
    pub fn kill_all(&self) -> usize {
        self.with(|state| state.close_where(|_| true))
    }

    /// Changes the password of the default user. Who is logged in stays so.
    pub fn set_password(&self, password: Option<String>) {
        self.with(|state| state.options.password = password);
    }
}

/// # Replication
impl Server {
    /// Makes this a replica, silently: connections and subscriptions live on, publishes are answered with a
    /// count and reach only those who are connected here.
    ///
    /// What `primary` accepts from now on reaches the subscribers here, unless the link is broken. To follow
    /// oneself is to do nothing.
    pub fn replicate_from(&self, primary: &Self) {
        if Arc::ptr_eq(&self.0, &primary.0) {
            return;
        }
        let (host, port) = primary.with(|state| {
            state.replicas.retain(|known| {
                known.strong_count() > 0 && !std::ptr::eq(known.as_ptr(), Arc::as_ptr(&self.0))
            });
            state.replicas.push(Arc::downgrade(&self.0));
            (state.name.clone(), state.options.port)
        });
        let server = Arc::downgrade(&primary.0);
        self.with(|state| state.role = Role::Replica(Upstream { server, host, port }));
        self.resynchronize();
    }

    /// Makes this a primary, with a history of its own from here on: a new replication id, in the same process.
    pub fn promote(&self) {
        self.with(|state| {
            if matches!(state.role, Role::Replica(_)) {
                state.role = Role::Primary;
                state.begin_history();
            }
        });
    }

    /// Breaks or mends the link over which this server hears from its primary. What was accepted meanwhile does
    /// not come any more.
    pub fn set_link_broken(&self, broken: bool) {
        self.with(|state| state.link_broken = broken);
        self.resynchronize();
    }

    /// Takes over the history of the primary, if there is one and the link to it works.
    fn resynchronize(&self) {
        let primary = {
            let state = self.lock();
            match &state.role {
                Role::Replica(upstream) if !state.link_broken => upstream.server.upgrade(),
                _ => None,
            }
        };
        if let Some(primary) = primary {
            let id = Self(primary).replication_id();
            self.with(|state| state.adopt_history(id));
        }
    }

    /// Whether it is a primary.
    pub fn is_primary(&self) -> bool {
        matches!(self.lock().role, Role::Primary)
    }

    /// The identity of the process.
    pub fn run_id(&self) -> String {
        self.lock().identity.run_id.clone()
    }

    /// The identity of the history that it writes or follows.
    pub fn replication_id(&self) -> String {
        self.lock().identity.replication_id.clone()
    }
}

/// # Messages
/// An order for the next messages takes the place of an earlier one of the same kind; a count of 0 takes it back.
impl Server {
    /// The next `count` messages for a subscription of this peer are not delivered, silently.
    pub fn lose_next_to(&self, peer: &str, count: usize) {
        self.with(|state| state.faults.peer(peer).lose = count);
    }

    /// The same for the next messages like these.
    pub fn lose_next_like(&self, peer: &str, count: usize, like: fn(&[u8]) -> bool) {
        self.with(|state| state.faults.peer(peer).lose_like = Some((like, count)));
    }

    /// The same for all messages like these, until it is taken back.
    pub fn lose_all_like(&self, peer: &str, like: Option<fn(&[u8]) -> bool>) {
        self.with(|state| state.faults.peer(peer).lose_all_like = like);
    }

    /// The next `count` messages are accepted, confirmed, and delivered to nobody, at replicas neither.
    pub fn lose_next_accepted(&self, count: usize) {
        self.with(|state| state.faults.lose_accepted = count);
    }

    /// Nothing that is written to this peer, or to all for `None`, leaves the server while held: neither replies
    /// nor messages. Commands are executed. A subscriber overflows in the end.
    pub fn hold_replies(&self, peer: Option<&str>, held: bool) {
        self.with(|state| {
            match peer {
                Some(peer) if held => {
                    state.faults.held.insert(peer.into());
                }
                Some(peer) => {
                    state.faults.held.remove(peer);
                }
                None => state.faults.hold_all = held,
            }
            state.wake_all();
        });
    }

    /// The next `count` publishes of this peer are not accepted, and answered with this error, which begins with
    /// its code (`"OOM command not allowed"`).
    pub fn refuse_next_publishes(&self, peer: &str, count: usize, error: impl Into<String>) {
        let error = error.into();
        self.with(|state| {
            let orders = state.faults.peer(peer);
            orders.refuse = count;
            orders.refusal = error;
        });
    }

    /// The next `count` publishes of this peer are accepted, but the connection is closed before the reply: the
    /// publisher cannot know.
    pub fn break_after_publish(&self, peer: &str, count: usize) {
        self.with(|state| state.faults.peer(peer).break_after = count);
    }

    /// The next `count` publishes of this peer are not accepted; the connection is closed without a reply, and
    /// the network keeps the frame as a zombie until [`release_zombies`](Self::release_zombies).
    pub fn delay_next_publish(&self, peer: &str, count: usize) {
        self.with(|state| state.faults.peer(peer).delay = count);
    }

    /// Accepts the frames that were kept, in their order; how many these were.
    pub fn release_zombies(&self) -> usize {
        self.with(|state| {
            let zombies = std::mem::take(&mut state.faults.zombies);
            let count = zombies.len();
            zombies.into_iter().for_each(|message| state.accept(message));
            count
        })
    }

    /// Accepts the last accepted message again, or the `back`-th before it; whether it was still known (the
    /// last 1,024 are).
    pub fn accept_again(&self, back: usize) -> bool {
        self.with(|state| {
            let message = state.faults.accepted(back);
            message.map(|message| state.accept(message)).is_some()
        })
    }

    /// Accepts a message on an ordinary channel that no peer of ours has published.
    pub fn publish_foreign(&self, channel: impl Into<Bytes>, frame: impl Into<Bytes>) {
        let channel = Channel { sharded: false, name: channel.into() };
        let frame = frame.into();
        self.with(|state| state.accept(Message { channel, frame, publisher: None }));
    }

    /// Takes back every order, and forgets what was kept: no fault is left but those that have happened. Who is
    /// up, who is primary and which link is broken does not change.
    pub fn heal(&self) {
        self.with(|state| {
            state.faults.clear_orders();
            state.wake_all();
        });
    }
}

/// # Watching
impl Server {
    /// Who is told what happens to frames, from now on.
    pub fn set_observer(&self, observer: Arc<dyn Observer>) {
        self.with(|state| state.observer = Some(observer));
    }

    /// What there is now.
    pub fn counts(&self) -> Counts {
        let state = self.lock();
        Counts {
            connections: state.connections.len(),
            subscriptions: state.connections.values().map(|one| one.subscribed.len()).sum(),
            accepted: state.accepted,
            zombies: state.faults.zombies.len(),
        }
    }

    /// Subscriptions on one channel, sharded or not.
    pub fn subscribers(&self, channel: &[u8]) -> usize {
        let state = self.lock();
        let on_channel = |one: &&Channel| one.name == channel;
        state.connections.values().map(|one| one.subscribed.iter().filter(on_channel).count()).sum()
    }
}
