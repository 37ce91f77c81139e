//! The wire format: frames to bytes and back. `docs/wire-format.md` describes it byte by byte.

mod auth;
mod body;
mod bytes;
mod header;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ::bytes::{Bytes, BytesMut};
use twox_hash::XxHash3_64;

pub use self::auth::{Authentication, KeyId};
pub(crate) use self::body::{
    Body, Mark, Numbered, Replay, Replayed, Sync, Synced, VECTOR_ENTRY_LEN, replayed_len,
    target_len,
};
use self::bytes::Reader;
pub(crate) use self::header::{Header, Ignored};
use crate::node_id::NodeId;

/// Writes and reads the frames of one namespace.
#[derive(Clone, Debug)]
pub(crate) struct Codec {
    namespace: String,
    authentication: Option<Authentication>,
}

/// A frame that was met: of our namespace, authentic as far as that can be known.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) header: Header,
    /// The part of it that is the same in every attempt.
    pub(crate) compared: Bytes,
    pub(crate) body: Result<Body, Unreadable>,
    pub(crate) kept: Arc<Kept>,
}

/// What the log keeps of a frame.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// As in the header.
    pub(crate) numbered: Option<Numbered>,
    pub(crate) attempt: u32,
    /// Of the compared bytes.
    pub(crate) digest: u64,
    /// The whole frame, if it may carry targets.
    pub(crate) frame: Option<Bytes>,
    /// Where its compared bytes begin.
    pub(crate) compared_from: usize,
}

/// Why a frame of ours cannot be read. If it may carry targets, it may have named anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Signed with a key that we do not have.
    UnknownKey(KeyId),
    /// Written by a newer version.
    Version(u8),
    /// Of an unknown kind, or corrupt.
    Malformed,
}

impl Codec {
    pub(crate) fn new(namespace: String, authentication: Option<Authentication>) -> Self {
        Self { namespace, authentication }
    }

    /// The bytes of a frame that no attempt changes.
    pub(crate) fn compared(&self, origin: Option<(NodeId, u64)>, body: &Body) -> Bytes {
        let mut compared = BytesMut::new();
        header::put_header(&mut compared, body.may_carry_targets(), origin);
        body.write(&mut compared);
        compared.freeze()
    }

    /// A whole frame from its compared bytes.
    pub(crate) fn frame(&self, compared: &[u8], attempt: u32) -> Bytes {
        header::seal(compared, &self.namespace, attempt, self.authentication.as_ref())
    }

    /// Bytes of a frame that are not its body, at most.
    pub(crate) fn overhead(&self) -> usize {
        header::envelope_len(&self.namespace, self.authentication.as_ref()) + header::HEADER_LEN
    }

    /// Opens a frame. Never panics, and allocates no more than the frame's size suggests.
    pub(crate) fn open(&self, frame: &Bytes) -> Result<Received, Ignored> {
        let envelope = header::open(frame, &self.namespace, self.authentication.as_ref())?;
        let mut reader = Reader::new(envelope.compared.clone());
        let header =
            header::read_header(&mut reader, envelope.attempt).map_err(|_| Ignored::NotOurs)?;
        let (header, body) = match envelope.unknown_key {
            // Origin and number of a frame that nobody vouches for must not move our vector.
            Some(key) => (Header { origin: None, ..header }, Err(Unreadable::UnknownKey(key))),
            None if header.version != header::VERSION => {
                let version = header.version;
                (header, Err(Unreadable::Version(version)))
            }
            None => {
                let body = Body::read(&mut reader).map_err(|_| Unreadable::Malformed);
                // Whatever the flag says: a log that believed it would not replay the targets.
                let carries = body.as_ref().is_ok_and(Body::may_carry_targets);
                let may_carry_targets = header.may_carry_targets || carries;
                (Header { may_carry_targets, ..header }, body)
            }
        };
        let compared = envelope.compared;
        let kept = Arc::new(Kept {
            numbered: header.origin,
            attempt: header.attempt,
            digest: digest(&compared),
            frame: header.may_carry_targets.then(|| frame.clone()),
            compared_from: frame.len() - compared.len(),
        });
        Ok(Received { header, compared, body, kept })
    }
}

/// The digest of a frame's compared bytes, as a mark carries it: XXH3, 64 bits, seed 0.
pub(crate) fn digest(compared: &[u8]) -> u64 {
    XxHash3_64::oneshot(compared)
}

/// Feeds bytes to the decoder as the network would; for the fuzz target.
#[cfg(any(fuzzing, test))]
#[cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "only the fuzz target reaches it"))]
pub fn decode_for_fuzzing(data: &[u8]) {
    let codec = Codec::new("fuzz".into(), None);
    let frame = Bytes::copy_from_slice(data);
    if let Ok(received) = codec.open(&frame)
        && let Ok(body) = received.body
    {
        // What can be read can be written, and reads the same again.
        let compared = codec.compared(received.header.origin, &body);
        let again = codec.open(&codec.frame(&compared, received.header.attempt));
        assert!(again.is_ok_and(|again| again.body == Ok(body)), "a second reading differs");
    }
    let mut enveloped = BytesMut::from(&codec.frame(&[], 1)[..]);
    enveloped.extend_from_slice(data);
    let _ = codec.open(&enveloped.freeze());
}
