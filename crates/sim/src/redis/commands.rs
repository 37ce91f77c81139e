//! The commands: what each answers, and who may ask.

use bytes::{Bytes, BytesMut};

use super::identity::{Role, VERSION};
use super::resp::Writer;
use super::state::{Channel, State};

const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";
const NO_PASSWORD: &str = "ERR AUTH <password> called without any password configured for the default user. \
                           Are you sure your configuration is correct?";
const LOGIN_FIRST: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
                           <proto> AUTH <user> <pass> option can be used to authenticate the client and select the \
                           RESP protocol version at the same time";

impl State {
    /// Bytes that are not the protocol: the client is told, and then cut off.
    pub(crate) fn refuse_protocol(&mut self, id: u64, text: &str) {
        self.write(id, |reply| reply.error(text));
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.closing = true;
        }
    }

    /// Executes one command of a connection.
    pub(crate) fn execute(&mut self, id: u64, command: &[Bytes]) {
        // An empty command is none.
        let Some((name, arguments)) = command.split_first() else {
            return;
        };
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if let Some(refusal) = self.refusal(id, &name) {
            return self.write(id, |reply| reply.error(&refusal));
        }
        match (name.as_str(), arguments) {
            ("hello", _) if self.options.resp3 => self.hello(id, arguments),
            ("auth", [_]) if self.options.password.is_none() => {
                self.write(id, |reply| reply.error(NO_PASSWORD));
            }
            ("auth", [password]) => self.auth(id, b"default", password),
            ("auth", [user, password]) => self.auth(id, user, password),
            ("client", [subcommand, rest @ ..]) => self.client(id, subcommand, rest),
            ("ping", [] | [_]) => self.ping(id, arguments.first()),
            ("echo", [text]) => self.write(id, |reply| reply.bulk(text)),
            ("quit", _) => {
                self.ok(id);
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.closing = true;
                }
            }
            ("subscribe", [_, ..]) => self.subscribe(id, false, arguments),
            ("ssubscribe", [_, ..]) => self.subscribe(id, true, arguments),
            ("unsubscribe", _) => self.unsubscribe(id, false, arguments),
            ("sunsubscribe", _) => self.unsubscribe(id, true, arguments),
            ("publish" | "spublish", [channel, frame]) => {
                let channel = Channel { sharded: name == "spublish", name: channel.clone() };
                self.publish(id, channel, frame.clone());
            }
            ("role", []) => self.answer(id, Self::write_role),
            ("info", sections) => {
                let name = |section: &Bytes| String::from_utf8_lossy(section).to_ascii_lowercase();
                let text = self.info(&sections.iter().map(name).collect::<Vec<_>>());
                self.write(id, |reply| reply.verbatim(&text));
            }
            // There are no keys.
            ("exists", [_, ..]) => self.write(id, |reply| reply.integer(0)),
            ("cluster", [what]) if what.eq_ignore_ascii_case(b"slots") => {
                self.answer(id, Self::write_slots);
            }
            (known, _) if KNOWN.contains(&known) => {
                let text = format!("ERR wrong number of arguments for '{known}' command");
                self.write(id, |reply| reply.error(&text));
            }
            _ => self.unknown(id, &command[0], arguments),
        }
    }

    /// Why a connection may not use this command now.
    fn refusal(&self, id: u64, name: &str) -> Option<String> {
        let connection = self.connections.get(&id)?;
        if !connection.authenticated && !matches!(name, "auth" | "hello" | "quit") {
            return Some("NOAUTH Authentication required.".to_owned());
        }
        let in_any_context = matches!(
            name,
            "subscribe" | "ssubscribe" | "unsubscribe" | "sunsubscribe" | "ping" | "quit"
        );
        if !connection.resp3 && !connection.subscribed.is_empty() && !in_any_context {
            return Some(format!(
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed \
                 in this context"
            ));
        }
        None
    }

    fn hello(&mut self, id: u64, arguments: &[Bytes]) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let mut resp3 = connection.resp3;
        let mut authenticated = connection.authenticated;
        let mut client_name = None;
        let mut rest = arguments;
        if let Some((version, options)) = rest.split_first() {
            match &version[..] {
                b"2" => resp3 = false,
                b"3" => resp3 = true,
                _ => {
                    return self
                        .write(id, |reply| reply.error("NOPROTO unsupported protocol version"));
                }
            }
            rest = options;
        }
        while let Some((option, values)) = rest.split_first() {
            rest = match (option.to_ascii_lowercase().as_slice(), values) {
                (b"auth", [user, password, rest @ ..]) => {
                    if !self.knows(user, password) {
                        return self.write(id, |reply| reply.error(WRONG_PASSWORD));
                    }
                    authenticated = true;
                    rest
                }
                (b"setname", [name, rest @ ..]) => {
                    client_name = Some(name.clone());
                    rest
                }
                _ => {
                    let option = String::from_utf8_lossy(option);
                    let text = format!("ERR Syntax error in HELLO option '{option}'");
                    return self.write(id, |reply| reply.error(&text));
                }
            };
        }
        if !authenticated {
            return self.write(id, |reply| reply.error(LOGIN_FIRST));
        }
        let role = if matches!(self.role, Role::Primary) { "master" } else { "replica" };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.authenticated = true;
            connection.resp3 = resp3;
            connection.client_name = client_name.unwrap_or_else(|| connection.client_name.clone());
        }
        self.write(id, |reply| {
            reply.map(7);
            for (key, value) in [("server", "redis"), ("version", VERSION)] {
                reply.bulk(key.as_bytes());
                reply.bulk(value.as_bytes());
            }
            reply.bulk(b"proto");
            reply.integer(if resp3 { 3 } else { 2 });
            reply.bulk(b"id");
            reply.integer(usize::try_from(id).unwrap_or(usize::MAX));
            for (key, value) in [("mode", "standalone"), ("role", role)] {
                reply.bulk(key.as_bytes());
                reply.bulk(value.as_bytes());
            }
            reply.bulk(b"modules");
            reply.array(0);
        });
    }

    fn auth(&mut self, id: u64, user: &[u8], password: &[u8]) {
        if !self.knows(user, password) {
            return self.write(id, |reply| reply.error(WRONG_PASSWORD));
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.authenticated = true;
        }
        self.ok(id);
    }

    /// Whether this is a user's password. The default user without one takes any.
    fn knows(&self, user: &[u8], password: &[u8]) -> bool {
        let named = |(name, right): &(String, String)| {
            name.as_bytes() == user && right.as_bytes() == password
        };
        let by_default = user == b"default"
            && self.options.password.as_ref().is_none_or(|right| right.as_bytes() == password);
        by_default || self.options.users.iter().any(named)
    }

    fn client(&mut self, id: u64, subcommand: &Bytes, rest: &[Bytes]) {
        let name = String::from_utf8_lossy(subcommand).to_ascii_lowercase();
        match (name.as_str(), rest) {
            ("setname", [name]) => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.client_name = name.clone();
                }
                self.ok(id);
            }
            ("getname", []) => {
                let name =
                    self.connections.get(&id).map(|connection| connection.client_name.clone());
                self.write(id, |reply| match name {
                    Some(name) if !name.is_empty() => reply.bulk(&name),
                    _ => reply.null(),
                });
            }
            ("id", []) => {
                self.write(id, |reply| reply.integer(usize::try_from(id).unwrap_or(usize::MAX)));
            }
            ("setinfo", [_, _]) | ("no-evict" | "no-touch", [_]) => {
                self.ok(id);
            }
            _ => {
                let text = format!("ERR unknown subcommand '{name}'. Try CLIENT HELP.");
                self.write(id, |reply| reply.error(&text));
            }
        }
    }

    fn ping(&mut self, id: u64, text: Option<&Bytes>) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        // Version 2 has no way but this to tell the answer from a message.
        let as_message = !connection.resp3 && !connection.subscribed.is_empty();
        self.write(id, |reply| match text {
            _ if as_message => {
                reply.array(2);
                reply.bulk(b"pong");
                reply.bulk(text.map_or(b"", |text| &text[..]));
            }
            Some(text) => reply.bulk(text),
            None => reply.simple("PONG"),
        });
    }

    fn unknown(&mut self, id: u64, name: &[u8], arguments: &[Bytes]) {
        let quoted = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            text.chars().take(128).collect::<String>()
        };
        let mut text =
            format!("ERR unknown command '{}', with args beginning with: ", quoted(name));
        for argument in arguments.iter().take(3) {
            text.push_str(&format!("'{}' ", quoted(argument)));
        }
        self.write(id, |reply| reply.error(&text));
    }

    fn ok(&mut self, id: u64) {
        self.write(id, |reply| reply.simple("OK"));
    }

    /// A reply that is written from the state.
    fn answer(&mut self, id: u64, write: impl FnOnce(&Self, &mut Writer<'_>)) {
        let Some(resp3) = self.connections.get(&id).map(|connection| connection.resp3) else {
            return;
        };
        let mut out = BytesMut::new();
        write(self, &mut Writer { out: &mut out, resp3 });
        self.write(id, |reply| reply.out.extend_from_slice(&out));
    }
}

/// Commands that exist and do not take any number of arguments.
const KNOWN: [&str; 11] = [
    "auth",
    "client",
    "cluster",
    "echo",
    "exists",
    "ping",
    "publish",
    "role",
    "spublish",
    "ssubscribe",
    "subscribe",
];
