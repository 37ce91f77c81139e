//! Who a server says it is: identifiers, role, and the commands that tell them.

use std::fmt::Write as _;
use std::sync::{Arc, Weak};

use twox_hash::XxHash3_64;

use super::resp::Writer;
use super::state::State;
use super::{Effect, Inner};

/// What it behaves like. Clients look at it to learn what there is.
pub(crate) const VERSION: &str = "7.2.4";

/// Whether a server orders its channels, or follows one that does.
pub(crate) enum Role {
    Primary,
    Replica(Upstream),
}

/// The server that a replica follows.
pub(crate) struct Upstream {
    pub(crate) server: Weak<Inner>,
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// What tells one life of a server from another.
pub(crate) struct Identity {
    name: String,
    /// Restarts and promotions so far.
    lives: u64,
    pub(crate) run_id: String,
    /// Of the history that it writes, or that it follows.
    pub(crate) replication_id: String,
}

impl Identity {
    pub(crate) fn new(name: &str) -> Self {
        let mut identity = Self {
            name: name.to_owned(),
            lives: 0,
            run_id: String::new(),
            replication_id: String::new(),
        };
        identity.rerun();
        identity.begin_history();
        identity
    }

    /// It is another process now.
    pub(crate) fn rerun(&mut self) {
        self.run_id = self.next_id();
    }

    /// It writes a history of its own from here.
    pub(crate) fn begin_history(&mut self) {
        self.replication_id = self.next_id();
    }

    /// Forty hexadecimal digits, which no other server of the simulation has or will have.
    fn next_id(&mut self) -> String {
        self.lives += 1;
        let mut id = String::with_capacity(48);
        for part in 0..3 {
            let seed = self.lives << 2 | part;
            let digits = XxHash3_64::oneshot_with_seed(seed, self.name.as_bytes());
            // Writing to a string does not fail.
            let _ = write!(id, "{digits:016x}");
        }
        id.truncate(40);
        id
    }
}

impl State {
    /// Whether what `server` says to its replicas reaches this one.
    pub(crate) fn hears(&self, server: &Arc<Inner>) -> bool {
        match &self.role {
            Role::Replica(upstream) => {
                !self.link_broken && std::ptr::eq(upstream.server.as_ptr(), Arc::as_ptr(server))
            }
            Role::Primary => false,
        }
    }

    /// Writes a history of its own from here, which its replicas follow.
    pub(crate) fn begin_history(&mut self) {
        self.identity.begin_history();
        self.effects.push(Effect::NewHistory(self.identity.replication_id.clone()));
    }

    /// Follows the history of its primary, and its own replicas with it.
    pub(crate) fn adopt_history(&mut self, id: String) {
        // Servers that follow each other would tell each other for ever.
        if self.identity.replication_id == id {
            return;
        }
        self.identity.replication_id.clone_from(&id);
        self.effects.push(Effect::NewHistory(id));
    }

    /// The answer to `ROLE`.
    pub(crate) fn write_role(&self, reply: &mut Writer<'_>) {
        match &self.role {
            Role::Primary => {
                reply.array(3);
                reply.bulk(b"master");
                reply.integer(0);
                reply.array(0);
            }
            Role::Replica(upstream) => {
                reply.array(5);
                reply.bulk(b"slave");
                reply.bulk(upstream.host.as_bytes());
                reply.integer(upstream.port.into());
                reply.bulk(if self.link_broken { b"connect" } else { b"connected" });
                reply.integer(0);
            }
        }
    }

    /// The answer to `INFO` with these sections, all if there are none.
    pub(crate) fn info(&self, sections: &[String]) -> String {
        let asked = |section: &str| {
            let all = ["all", "default", "everything"];
            sections.is_empty()
                || sections.iter().any(|name| name == section || all.contains(&&**name))
        };
        let mut text = String::new();
        if asked("server") {
            text.push_str("# Server\r\n");
            line(&mut text, "redis_version", VERSION);
            line(&mut text, "redis_mode", "standalone");
            line(&mut text, "run_id", &self.identity.run_id);
            line(&mut text, "tcp_port", self.options.port);
        }
        if asked("replication") {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            text.push_str("# Replication\r\n");
            match &self.role {
                Role::Primary => line(&mut text, "role", "master"),
                Role::Replica(upstream) => {
                    line(&mut text, "role", "slave");
                    line(&mut text, "master_host", &upstream.host);
                    line(&mut text, "master_port", upstream.port);
                    let status = if self.link_broken { "down" } else { "up" };
                    line(&mut text, "master_link_status", status);
                }
            }
            line(&mut text, "master_replid", &self.identity.replication_id);
            line(&mut text, "master_repl_offset", 0);
        }
        text
    }

    /// The answer to `CLUSTER SLOTS`: one primary owns them all.
    pub(crate) fn write_slots(&self, reply: &mut Writer<'_>) {
        let (host, port) = match &self.role {
            Role::Primary => (self.name.as_str(), self.options.port),
            Role::Replica(upstream) => (upstream.host.as_str(), upstream.port),
        };
        reply.array(1);
        reply.array(3);
        reply.integer(0);
        reply.integer(16_383);
        reply.array(3);
        reply.bulk(host.as_bytes());
        reply.integer(port.into());
        // A node's id, which outlives restarts.
        reply.bulk(format!("{:040x}", XxHash3_64::oneshot(host.as_bytes())).as_bytes());
    }
}

fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing to a string does not fail.
    let _ = write!(text, "{name}:{value}\r\n");
}
