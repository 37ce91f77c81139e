//! Frames as a stranger sees and makes them, by `docs/wire-format.md` alone.

use bytes::{BufMut, Bytes, BytesMut};
use unstale::NodeId;

/// The namespace of all simulated nodes.
pub(crate) const NAMESPACE: &str = "sim";

const MAC_LEN: usize = 16;
const MAY_NAME: u8 = 1;
const HAS_ORIGIN: u8 = 2;
const BEACON: u8 = 2;
const REPLAY: u8 = 18;

/// Origin and number, if the frame has a number.
pub(crate) fn numbered(frame: &[u8]) -> Option<(NodeId, u64)> {
    let (origin, number, _) = with_origin(frame)?;
    (number > 0).then_some((origin, number))
}

/// Whether it may name something.
pub(crate) fn may_name(frame: &[u8]) -> bool {
    after_header(frame).is_some_and(|rest| rest.get(1).is_some_and(|flags| flags & MAY_NAME != 0))
}

/// Whether it carries a part of an answer.
pub(crate) fn is_replay(frame: &[u8]) -> bool {
    with_origin(frame).is_some_and(|(_, _, body)| body.first() == Some(&REPLAY))
}

/// The origins that a beacon lists; none in other frames.
pub(crate) fn listed(frame: &[u8]) -> Vec<NodeId> {
    let Some((_, _, [BEACON, _, _, count, entries @ ..])) = with_origin(frame) else {
        return Vec::new();
    };
    // No slice is so long that its count would take two bytes.
    let entries = entries.as_chunks::<24>().0.iter().take(usize::from(*count));
    entries
        .filter_map(|entry| entry.first_chunk::<16>())
        .map(|it| NodeId::from_bytes(*it))
        .collect()
}

/// Whether it is a beacon that says [other lanes](OTHER_LANES).
pub(crate) fn has_other_lanes(frame: &[u8]) -> bool {
    matches!(with_origin(frame), Some((_, _, [BEACON, low, high, ..]))
        if u16::from_le_bytes([*low, *high]) == OTHER_LANES)
}

/// Origin, number and body, if the frame has an origin.
fn with_origin(frame: &[u8]) -> Option<(NodeId, u64, &[u8])> {
    let (_version, rest) = after_header(frame)?.split_first()?;
    let (flags, rest) = rest.split_first()?;
    if flags & HAS_ORIGIN == 0 {
        return None;
    }
    let (origin, rest) = rest.split_first_chunk::<16>()?;
    let (number, body) = rest.split_first_chunk::<8>()?;
    Some((NodeId::from_bytes(*origin), u64::from_le_bytes(*number), body))
}

/// What follows envelope, attempt, key id and signature.
fn after_header(frame: &[u8]) -> Option<&[u8]> {
    let rest = frame.strip_prefix(b"unst")?;
    let (len, rest) = rest.split_first()?;
    let rest = rest.get(usize::from(*len) + 4..)?;
    let (key, rest) = rest.split_at_checked(2)?;
    if key == [0, 0] { Some(rest) } else { rest.get(MAC_LEN..) }
}

/// How many lanes no node of a simulation has.
pub(crate) const OTHER_LANES: u16 = 7;

/// The first beacon of a node with [other lanes](OTHER_LANES), whatever the seed calls it.
pub(crate) fn beacon_of_another(rng: &mut fastrand::Rng) -> Bytes {
    let mut frame = BytesMut::new();
    envelope(&mut frame);
    frame.put_u8(1);
    frame.put_u8(HAS_ORIGIN);
    frame.put_slice(&std::array::from_fn::<u8, 16, _>(|_| rng.u8(..)));
    frame.put_u64_le(1);
    frame.put_u8(BEACON);
    frame.put_u16_le(OTHER_LANES);
    frame.put_u8(0);
    frame.freeze()
}

/// What comes before the version.
fn envelope(frame: &mut BytesMut) {
    frame.put_slice(b"unst");
    frame.put_u8(NAMESPACE.len() as u8);
    frame.put_slice(NAMESPACE.as_bytes());
    frame.put_u32_le(0);
    frame.put_u16_le(0);
}

/// What a foreign publisher says to invalidate a tag; `version` of the protocol.
fn foreign(tag: &str, version: u8) -> Bytes {
    let mut frame = BytesMut::new();
    envelope(&mut frame);
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
