//! From what a server or the network says to what a node can act on.

use std::io;

use unstale::transport::{TransportError, TransportErrorKind as Kind};

use crate::address::Endpoint;
use crate::resp::{Malformed, Value};

/// Longer texts of servers are cut: they can quote what we sent.
const MAX_TEXT_BYTES: usize = 200;

pub(crate) fn io_failed(endpoint: &Endpoint, doing: &str, error: io::Error) -> TransportError {
    let kind = match error.kind() {
        // Certificates that do not fit, or a server that does not speak TLS.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Kind::Configuration,
        _ => Kind::Unreachable,
    };
    kind.error(format!("{doing} {endpoint} failed")).with_source(error)
}

pub(crate) fn timed_out(endpoint: &Endpoint, after: std::time::Duration) -> TransportError {
    Kind::Unreachable.error(format!("no answer from {endpoint} within {} ms", after.as_millis()))
}

pub(crate) fn malformed(endpoint: &Endpoint, malformed: Malformed) -> TransportError {
    let what = match malformed {
        Malformed::Type(byte) => format!(
            "{endpoint} does not speak the Redis protocol (it sent `{}`); is it a TLS port?",
            byte.escape_ascii()
        ),
        Malformed::TooLarge(bytes) => format!(
            "{endpoint} sent a value of {bytes} bytes or more, which is over the limit; someone publishes \
             too large messages on the channel, or `max_frame_bytes` differs between nodes"
        ),
        Malformed::Number | Malformed::LineEnd | Malformed::Excessive => {
            format!("{endpoint} sent bytes that are not the Redis protocol ({malformed:?})")
        }
    };
    Kind::Protocol.error(what)
}

pub(crate) fn unexpected(endpoint: &Endpoint, asked: &str, value: &Value) -> TransportError {
    match value {
        Value::Error(text) => refused(endpoint, asked, text),
        _ => Kind::Protocol.error(format!(
            "{endpoint} answered {asked} with something that this transport does not understand"
        )),
    }
}

/// A server's error reply. Never for `AUTH`: a server can quote what it did not understand.
pub(crate) fn refused(endpoint: &Endpoint, asked: &str, text: &str) -> TransportError {
    let (kind, remedy) = classify(text);
    kind.error(format!("{endpoint} refused {asked}: {}{remedy}", presentable(text)))
}

/// An error reply of a server whose address is not known.
pub(crate) fn refused_anonymous(text: &str) -> TransportError {
    let (kind, remedy) = classify(text);
    kind.error(format!("the server refused: {}{remedy}", presentable(text)))
}

/// A refused `AUTH`: only the error's code is kept.
pub(crate) fn login_refused(endpoint: &Endpoint, text: &str) -> TransportError {
    if is_greeting(text) {
        return refused(endpoint, "the connection", text);
    }
    let code = text.split(' ').next().unwrap_or_default();
    let code = if code.bytes().all(|byte| byte.is_ascii_uppercase()) { code } else { "ERR" };
    Kind::Unauthorized.error(format!(
        "{endpoint} refused the user or password ({code}); check the credentials in the URL"
    ))
}

/// Whether a server says this to whoever comes, instead of answering.
pub(crate) fn is_greeting(text: &str) -> bool {
    text.starts_with("DENIED ") || text.starts_with("ERR max number of clients")
}

fn classify(text: &str) -> (Kind, &'static str) {
    let code = text.split(' ').next().unwrap_or_default();
    match code {
        "NOAUTH" => (Kind::Unauthorized, "; add the password to the URL (redis://:password@host)"),
        "WRONGPASS" => (Kind::Unauthorized, "; check the credentials in the URL"),
        "NOPERM" => (
            Kind::Unauthorized,
            "; the user needs +subscribe +publish +ping +info +role, in a cluster also +ssubscribe +spublish \
             +cluster|slots +exists and to read (%R~) a key named like the channel, and the channel itself (&)",
        ),
        "DENIED" => (Kind::Unauthorized, "; the server is in protected mode and needs a password"),
        "MOVED" | "ASK" => (Kind::Demoted, "; another server owns the channel's slot"),
        "READONLY" => (Kind::Demoted, "; it is a replica"),
        "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "TRYAGAIN" | "BUSY" => (Kind::Unreachable, ""),
        "OOM" => (Kind::Throttled, "; the server is out of memory"),
        _ if text.contains("max number of clients") => (Kind::Throttled, "; raise `maxclients`"),
        _ if text.contains("invalid bulk length") => {
            (Kind::Rejected, "; see the server's `proto-max-bulk-len`")
        }
        _ if text.contains("cluster support disabled") => (
            Kind::Configuration,
            "; the server is not part of a cluster: use `url` instead of `cluster`",
        ),
        _ if text.contains("unknown command") || text.contains("unknown subcommand") => {
            (Kind::Configuration, "; the server is too old, or the command is renamed")
        }
        _ => (Kind::Protocol, ""),
    }
}

/// One short line, without what we sent ("..., with args beginning with: ...").
fn presentable(text: &str) -> String {
    let text = text.split(", with args beginning with").next().unwrap_or_default();
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint::parse("redis://app:hunter2@host").unwrap()
    }

    #[test]
    fn kinds_follow_from_codes() {
        for (text, kind) in [
            ("NOAUTH Authentication required.", Kind::Unauthorized),
            ("NOPERM this user has no permissions", Kind::Unauthorized),
            ("MOVED 1 127.0.0.1:7001", Kind::Demoted),
            ("LOADING Redis is loading", Kind::Unreachable),
            ("OOM command not allowed", Kind::Throttled),
            ("ERR max number of clients reached", Kind::Throttled),
            ("ERR Protocol error: invalid bulk length", Kind::Rejected),
            ("ERR unknown command 'ROLE'", Kind::Configuration),
            ("ERR something", Kind::Protocol),
            ("", Kind::Protocol),
        ] {
            assert_eq!(refused(&endpoint(), "PUBLISH", text).kind(), kind, "{text}");
        }
    }

    #[test]
    fn what_we_sent_is_not_quoted_back() {
        let quoting = "ERR unknown command 'AUTH', with args beginning with: 'app' 'hunter2' ";
        for error in [
            refused(&endpoint(), "AUTH", quoting),
            login_refused(&endpoint(), quoting),
            login_refused(&endpoint(), "hunter2 is wrong"),
        ] {
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_full_server_is_not_taken_for_a_wrong_password() {
        let full = login_refused(&endpoint(), "ERR max number of clients reached");
        assert_eq!(full.kind(), Kind::Throttled);
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let error = refused(&endpoint(), "PING", &"é".repeat(5_000));
        assert!(error.to_string().len() < 2 * MAX_TEXT_BYTES, "{error}");
    }
}
