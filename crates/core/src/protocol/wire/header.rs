//! The envelope of every frame: the same in every version of the protocol.
//!
//! ```text
//! bytes  field
//!     4  magic: "unst"
//!     1  length n of the namespace
//!     n  namespace, UTF-8
//!     4  attempt, little endian; 0 if unnumbered
//!     2  MAC key id, little endian; 0 if unsigned
//!    16  MAC, only if the key id is not 0
//!        -- the compared bytes begin here --
//!     1  version of what follows the header
//!     1  flags: 1 = may carry targets, 2 = origin and number follow
//!    16  origin   (flag 2)
//!     8  number, little endian; 0 if unnumbered   (flag 2)
//!        body, as `version` says
//! ```
//!
//! The MAC covers every byte of the frame but itself. The *compared bytes* are the same in every attempt at
//! publishing a frame; the attempt, and with it the MAC, stand before them.

use bytes::{BufMut, Bytes, BytesMut};

use super::auth::{Authentication, KeyId, MAC_LEN};
use super::bytes::{Malformed, Reader};
use crate::node_id::NodeId;

/// The first bytes of every frame.
pub(super) const MAGIC: &[u8; 4] = b"unst";
/// The version of the body that this code writes and reads.
pub(super) const VERSION: u8 = 1;

const MAY_CARRY_TARGETS: u8 = 1;
const HAS_ORIGIN: u8 = 2;

/// The fields that every version of the protocol has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) attempt: u32,
    pub(crate) version: u8,
    pub(crate) may_carry_targets: bool,
    /// Who sent this, and its number; 0 if unnumbered. `None` for a foreign publisher.
    pub(crate) origin: Option<(NodeId, u64)>,
}

/// Why a frame is none of our business. Such frames are counted, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ignored {
    /// It does not begin with the magic, or ends within the envelope.
    NotOurs,
    /// It belongs to another namespace on the same channel.
    ForeignNamespace,
    /// Its MAC is wrong under a key that we know.
    BadMac,
    /// It is unsigned, and we want signatures.
    Unsigned,
}

/// What stands before the compared bytes, checked.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) attempt: u32,
    /// The key is not known to us: nothing in the frame can be believed.
    pub(super) unknown_key: Option<KeyId>,
    pub(super) compared: Bytes,
}

/// Checks magic, namespace and MAC.
pub(super) fn open(
    frame: &Bytes,
    namespace: &str,
    authentication: Option<&Authentication>,
) -> Result<Envelope, Ignored> {
    let mut reader = Reader::new(frame.clone());
    let (attempt, key_id, mac) =
        read_envelope(&mut reader, namespace).map_err(|_| Ignored::NotOurs)??;
    let compared = reader.rest();
    let mut unknown_key = None;
    if key_id == 0 {
        if authentication.is_some_and(|auth| !auth.accepts_unsigned()) {
            return Err(Ignored::Unsigned);
        }
    } else {
        let before_mac = &frame[..frame.len() - compared.len() - MAC_LEN];
        let parts = [before_mac, &compared[..]];
        match authentication.and_then(|auth| auth.verify(key_id, &parts, &mac)) {
            Some(true) => {}
            Some(false) => return Err(Ignored::BadMac),
            None => unknown_key = Some(key_id),
        }
    }
    Ok(Envelope { attempt, unknown_key, compared })
}

type Fields = (u32, KeyId, Bytes);

fn read_envelope(
    reader: &mut Reader,
    namespace: &str,
) -> Result<Result<Fields, Ignored>, Malformed> {
    if reader.bytes(MAGIC.len(), "magic")? != MAGIC[..] {
        return Err(Malformed("magic"));
    }
    let len = reader.u8("namespace")?;
    if reader.bytes(usize::from(len), "namespace")? != namespace.as_bytes() {
        return Ok(Err(Ignored::ForeignNamespace));
    }
    let attempt = reader.u32("attempt")?;
    let key_id = reader.u16("key id")?;
    let mac = reader.bytes(if key_id == 0 { 0 } else { MAC_LEN }, "mac")?;
    Ok(Ok((attempt, key_id, mac)))
}

/// Puts an envelope before compared bytes.
pub(super) fn seal(
    compared: &[u8],
    namespace: &str,
    attempt: u32,
    authentication: Option<&Authentication>,
) -> Bytes {
    let mut frame =
        BytesMut::with_capacity(envelope_len(namespace, authentication) + compared.len());
    frame.put_slice(MAGIC);
    frame.put_u8(namespace.len() as u8);
    frame.put_slice(namespace.as_bytes());
    frame.put_u32_le(attempt);
    frame.put_u16_le(authentication.map_or(0, Authentication::signer));
    if let Some(authentication) = authentication {
        let code = authentication.sign(&[&frame, compared]);
        frame.put_slice(&code);
    }
    frame.put_slice(compared);
    frame.freeze()
}

pub(super) fn envelope_len(namespace: &str, authentication: Option<&Authentication>) -> usize {
    MAGIC.len() + 1 + namespace.len() + 6 + authentication.map_or(0, |_| MAC_LEN)
}

/// Bytes that [`put_header`] writes, at most.
pub(super) const HEADER_LEN: usize = 2 + 16 + 8;

pub(super) fn put_header(
    compared: &mut BytesMut,
    may_carry_targets: bool,
    origin: Option<(NodeId, u64)>,
) {
    compared.put_u8(VERSION);
    let flags =
        u8::from(may_carry_targets) * MAY_CARRY_TARGETS + u8::from(origin.is_some()) * HAS_ORIGIN;
    compared.put_u8(flags);
    if let Some((node, number)) = origin {
        compared.put_slice(node.as_bytes());
        compared.put_u64_le(number);
    }
}

/// Reads the version-independent fields at the start of the compared bytes.
pub(super) fn read_header(reader: &mut Reader, attempt: u32) -> Result<Header, Malformed> {
    let version = reader.u8("version")?;
    let flags = reader.u8("flags")?;
    let origin = if flags & HAS_ORIGIN == 0 {
        None
    } else {
        Some((reader.node_id("origin")?, reader.u64("number")?))
    };
    Ok(Header { attempt, version, may_carry_targets: flags & MAY_CARRY_TARGETS != 0, origin })
}
