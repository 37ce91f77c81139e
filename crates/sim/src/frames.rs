//! Frames as a stranger sees and makes them, by `docs/wire-format.md` alone.

use bytes::{BufMut, Bytes, BytesMut};
use unstale::NodeId;

/// The namespace of all simulated nodes.
pub(crate) const NAMESPACE: &str = "sim";

const MAC_LEN: usize = 16;
const HAS_ORIGIN: u8 = 2;

/// Origin and number, if the frame has a number.
pub(crate) fn numbered(frame: &[u8]) -> Option<(NodeId, u64)> {
    let rest = frame.strip_prefix(b"unst")?;
    let (len, rest) = rest.split_first()?;
    let rest = rest.get(usize::from(*len) + 4..)?;
    let (key, rest) = rest.split_at_checked(2)?;
    let rest = if key == [0, 0] { rest } else { rest.get(MAC_LEN..)? };
    let (_version, rest) = rest.split_first()?;
    let (flags, rest) = rest.split_first()?;
    if flags & HAS_ORIGIN == 0 {
        return None;
    }
    let (origin, rest) = rest.split_first_chunk::<16>()?;
    let (number, _) = rest.split_first_chunk::<8>()?;
    let number = u64::from_le_bytes(*number);
    (number > 0).then_some((NodeId::from_bytes(*origin), number))
}

/// What a foreign publisher says to invalidate a tag; `version` of the protocol.
fn foreign(tag: &str, version: u8) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_slice(b"unst");
    frame.put_u8(NAMESPACE.len() as u8);
    frame.put_slice(NAMESPACE.as_bytes());
    frame.put_u32_le(0);
    frame.put_u16_le(0);
    frame.put_u8(version);
    frame.put_u8(1);
    frame.put_slice(&[1, 1, 2, tag.len() as u8]);
    frame.put_slice(tag.as_bytes());
    frame.freeze()
}

/// Invalidates a tag, anonymously.
pub(crate) fn anonymous(tag: &str) -> Bytes {
    foreign(tag, 1)
}

/// The same in a version that nobody can read.
pub(crate) fn newer_version(tag: &str) -> Bytes {
    foreign(tag, 200)
}

/// Bytes that are no frame.
pub(crate) fn garbage(rng: &mut fastrand::Rng, len: usize) -> Bytes {
    let mut bytes: Vec<u8> = (0..len).map(|_| rng.u8(..)).collect();
    // Some begin like one of ours, and end too early.
    if rng.bool() && len > 4 {
        bytes[..4].copy_from_slice(b"unst");
        bytes.truncate(rng.usize(4..12).min(len));
    }
    bytes.into()
}
