//! The channel's name, and how it is spoken of with and without a cluster.

use crate::builder::ConfigError;
use crate::resp::Value;

/// A longer one is a mistake; every frame would carry it.
const MAX_NAME_BYTES: usize = 512;

/// A channel of one server, or a sharded one of a cluster.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Channel {
    name: String,
    sharded: bool,
}

impl Channel {
    pub(crate) fn new(name: String, sharded: bool) -> Result<Self, ConfigError> {
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(ConfigError::Channel);
        }
        Ok(Self { name, sharded })
    }

    /// `unstale:{namespace}` for lane 0, `unstale:{namespace}:{lane}` for the others.
    ///
    /// Without braces of its own, so that the lanes of a cluster fall into different slots.
    pub(crate) fn conventional(namespace: &str, lane: u16) -> String {
        match lane {
            0 => format!("unstale:{namespace}"),
            lane => format!("unstale:{namespace}:{lane}"),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.name
    }

    pub(crate) fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    /// In a cluster: a command that touches no key (only its name) and that only a server answers which owns
    /// the slot and is not cut off from the cluster. Sharded publish/subscribe alone goes on when it is.
    pub(crate) fn ownership_question(&self) -> Option<[&[u8]; 2]> {
        self.sharded.then(|| [b"EXISTS".as_slice(), self.name()])
    }

    /// Whether this answers [`ownership_question`](Self::ownership_question) with yes.
    pub(crate) fn owns_slot(&self, answer: &Value) -> bool {
        self.sharded
            && match answer {
                Value::Integer(_) => true,
                // Ours, and about to move: until it has, messages still go through us.
                Value::Error(text) => text.starts_with("ASK "),
                _ => false,
            }
    }

    pub(crate) fn subscribe_command(&self) -> &'static [u8] {
        if self.sharded { b"SSUBSCRIBE" } else { b"SUBSCRIBE" }
    }

    pub(crate) fn publish_command(&self) -> &'static str {
        if self.sharded { "SPUBLISH" } else { "PUBLISH" }
    }

    /// Whether this confirms that the channel is subscribed to.
    pub(crate) fn is_confirmation(&self, parts: &[Value]) -> bool {
        let kind: &[u8] = if self.sharded { b"ssubscribe" } else { b"subscribe" };
        self.is(kind, parts) && matches!(parts[2], Value::Integer(count) if count > 0)
    }

    /// Whether this is a message on the channel; the third part is what was published.
    pub(crate) fn is_message(&self, parts: &[Value]) -> bool {
        let kind: &[u8] = if self.sharded { b"smessage" } else { b"message" };
        self.is(kind, parts)
    }

    fn is(&self, kind: &[u8], parts: &[Value]) -> bool {
        matches!(
            parts,
            [Value::Text(said), Value::Text(channel), _]
                if &said[..] == kind && &channel[..] == self.name()
        )
    }
}
