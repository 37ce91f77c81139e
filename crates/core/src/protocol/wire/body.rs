//! What follows the header, in version 1. `docs/wire-format.md` describes every byte.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::bytes::{Malformed, Reader, Write, varint_len};
use crate::node_id::NodeId;
use crate::target::{Batch, Group, Keys, Target};
use crate::transport::SequencerId;

const TARGETS: u8 = 1;
const BEACON: u8 = 2;
const GOODBYE: u8 = 3;
const FENCE: u8 = 16;
const SYNC: u8 = 17;
const REPLAY: u8 = 18;
const SYNCED: u8 = 19;
const REQUEST: u8 = 20;

const EVERYTHING: u8 = 0;
const CACHE: u8 = 1;
const TAG: u8 = 2;
const KEYS: u8 = 3;

const REPLAYED_FRAME: u8 = 0;
const REPLAYED_MET: u8 = 1;
const REPLAYED_KNOWN: u8 = 2;

/// An origin and a number of it.
pub(crate) type Numbered = (NodeId, u64);

/// The content of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// Invalidations. Numbered, or anonymous from a foreign publisher.
    Targets(Batch),
    /// Shows that nothing before it was lost. Numbered.
    Beacon {
        /// How many lanes the sender has.
        lanes: u16,
        /// A rotating slice of the sender's vector.
        slice: Vec<Numbered>,
    },
    /// The sender leaves. Numbered.
    Goodbye,
    /// A fence of a node on itself, where the transport has none.
    Fence {
        /// Which one.
        token: u64,
    },
    /// A new subscription asks for what it missed.
    Sync(Sync),
    /// Frames and numbers that were met earlier.
    Replay(Replay),
    /// The end of an answer to `Sync`.
    Synced(Synced),
    /// Asks for numbers that are missing.
    Request(Vec<(NodeId, u64, u64)>),
}

/// See [`Body::Sync`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sync {
    pub(crate) nonce: u64,
    pub(crate) mark: Option<Mark>,
    pub(crate) sequencer: Option<SequencerId>,
    pub(crate) lanes: u16,
    /// The highest number of the sender that the broker accepted.
    pub(crate) accepted: u64,
}

/// The last frame that entered a node's log while it was synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) origin: NodeId,
    pub(crate) number: u64,
    pub(crate) attempt: u32,
    pub(crate) digest: u64,
}

/// See [`Body::Replay`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replay {
    /// Which answer of the sender this is a part of; 0 for the reply to a `Request`.
    pub(crate) answer: u64,
    /// Its place among the parts of that answer, from 0.
    pub(crate) part: u32,
    pub(crate) entries: Vec<Replayed>,
}

/// One entry of a [`Replay`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Replayed {
    /// A whole frame.
    Frame(Bytes),
    /// A frame without targets was met.
    Met(Numbered),
    /// Numbers of this origin exist up to here.
    Known(Numbered),
}

/// See [`Body::Synced`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) answer: u64,
    /// How many `Replay` parts the answer has.
    pub(crate) parts: u32,
    /// How many lanes the sender has.
    pub(crate) lanes: u16,
    /// Whether the parts hold everything after the askers' marks.
    pub(crate) witnessed: bool,
    pub(crate) nonces: Vec<u64>,
    /// What did not fit here stands in the parts, as [`Replayed::Known`].
    pub(crate) vector: Vec<Numbered>,
}

impl Body {
    pub(crate) fn may_carry_targets(&self) -> bool {
        matches!(self, Self::Targets(_) | Self::Replay(_))
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Targets(targets) => {
                out.put_u8(TARGETS);
                write_batch(out, targets);
            }
            Self::Beacon { lanes, slice } => {
                out.put_u8(BEACON);
                out.put_u16_le(*lanes);
                write_vector(out, slice);
            }
            Self::Goodbye => out.put_u8(GOODBYE),
            Self::Fence { token } => {
                out.put_u8(FENCE);
                out.put_u64_le(*token);
            }
            Self::Sync(sync) => {
                out.put_u8(SYNC);
                write_sync(out, sync);
            }
            Self::Replay(replay) => {
                out.put_u8(REPLAY);
                out.put_u64_le(replay.answer);
                out.put_u32_le(replay.part);
                out.put_varint(replay.entries.len() as u64);
                replay.entries.iter().for_each(|entry| write_replayed(out, entry));
            }
            Self::Synced(synced) => {
                out.put_u8(SYNCED);
                write_synced(out, synced);
            }
            Self::Request(ranges) => {
                out.put_u8(REQUEST);
                out.put_varint(ranges.len() as u64);
                for (origin, from, to) in ranges {
                    out.put_slice(origin.as_bytes());
                    out.put_u64_le(*from);
                    out.put_u64_le(*to);
                }
            }
        }
    }

    pub(super) fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        let body = match reader.u8("kind")? {
            TARGETS => Self::Targets(read_batch(reader)?),
            BEACON => Self::Beacon { lanes: reader.u16("lanes")?, slice: read_vector(reader)? },
            GOODBYE => Self::Goodbye,
            FENCE => Self::Fence { token: reader.u64("token")? },
            SYNC => Self::Sync(read_sync(reader)?),
            REPLAY => Self::Replay(read_replay(reader)?),
            SYNCED => Self::Synced(read_synced(reader)?),
            REQUEST => {
                let count = reader.count(32, "ranges")?;
                let mut ranges = Vec::with_capacity(count);
                for _ in 0..count {
                    ranges.push((
                        reader.node_id("origin")?,
                        reader.u64("from")?,
                        reader.u64("to")?,
                    ));
                }
                Self::Request(ranges)
            }
            _ => return Err(Malformed("kind")),
        };
        reader.end()?;
        Ok(body)
    }
}

/// Neighbouring keys of one cache share a group, so that its name travels once.
fn write_batch(out: &mut BytesMut, batch: &Batch) {
    out.put_varint(batch.groups().len() as u64);
    for group in batch.groups() {
        match group {
            Group::Everything => out.put_u8(EVERYTHING),
            Group::Cache(cache) => {
                out.put_u8(CACHE);
                out.put_blob(cache.as_bytes());
            }
            Group::Tag(tag) => {
                out.put_u8(TAG);
                out.put_blob(tag.as_bytes());
            }
            Group::Keys { cache, schema, keys } => {
                out.put_u8(KEYS);
                out.put_blob(cache.as_bytes());
                out.put_u64_le(*schema);
                out.put_varint(keys.len() as u64);
                out.put_slice(keys.packed());
            }
        }
    }
}

fn same_group(left: &Target, right: &Target) -> bool {
    matches!((left, right),
        (Target::Key { cache, schema, .. }, Target::Key { cache: cache2, schema: schema2, .. })
            if cache == cache2 && schema == schema2)
}

/// Bytes that `target` adds to a frame in which it follows `previous`, at most.
pub(crate) fn target_len(target: &Target, previous: Option<&Target>) -> usize {
    let text = |text: &Arc<str>| 1 + varint_len(text.len() as u64) + text.len();
    match target {
        Target::Everything => 1,
        Target::Cache(name) | Target::Tag(name) => text(name),
        Target::Key { cache, key, .. } => {
            let key = varint_len(key.len() as u64) + key.len();
            if previous.is_some_and(|previous| same_group(previous, target)) {
                key
            } else {
                text(cache) + 8 + 5 + key
            }
        }
    }
}

fn read_batch(reader: &mut Reader) -> Result<Batch, Malformed> {
    let count = reader.count(1, "targets")?;
    let mut groups = Vec::with_capacity(count);
    for _ in 0..count {
        groups.push(match reader.u8("target")? {
            EVERYTHING => Group::Everything,
            CACHE => Group::Cache(reader.text("cache")?),
            TAG => Group::Tag(reader.text("tag")?),
            KEYS => {
                let cache = reader.text("cache")?;
                let schema = reader.u64("schema")?;
                Group::Keys { cache, schema, keys: read_keys(reader)? }
            }
            _ => return Err(Malformed("target")),
        });
    }
    Ok(Batch::new(groups))
}

/// Looks at the length of every key, and leaves them where they are.
fn read_keys(reader: &mut Reader) -> Result<Keys, Malformed> {
    let count = reader.count(1, "keys")?;
    let keys = Keys::first_of(&reader.rest(), count).ok_or(Malformed("key"))?;
    reader.bytes(keys.packed().len(), "key")?;
    Ok(keys)
}

/// Bytes of one entry of a vector.
pub(crate) const VECTOR_ENTRY_LEN: usize = 24;

fn write_vector(out: &mut BytesMut, vector: &[Numbered]) {
    out.put_varint(vector.len() as u64);
    vector.iter().for_each(|numbered| write_numbered(out, numbered));
}

fn read_vector(reader: &mut Reader) -> Result<Vec<Numbered>, Malformed> {
    let count = reader.count(VECTOR_ENTRY_LEN, "vector")?;
    (0..count).map(|_| read_numbered(reader)).collect()
}

fn write_numbered(out: &mut BytesMut, (origin, number): &Numbered) {
    out.put_slice(origin.as_bytes());
    out.put_u64_le(*number);
}

fn read_numbered(reader: &mut Reader) -> Result<Numbered, Malformed> {
    Ok((reader.node_id("origin")?, reader.u64("number")?))
}

fn write_sync(out: &mut BytesMut, sync: &Sync) {
    out.put_u64_le(sync.nonce);
    out.put_u16_le(sync.lanes);
    out.put_u64_le(sync.accepted);
    out.put_blob(sync.sequencer.as_ref().map_or(&[], |id| id.as_bytes()));
    out.put_u8(u8::from(sync.mark.is_some()));
    if let Some(mark) = &sync.mark {
        write_numbered(out, &(mark.origin, mark.number));
        out.put_u32_le(mark.attempt);
        out.put_u64_le(mark.digest);
    }
}

fn read_sync(reader: &mut Reader) -> Result<Sync, Malformed> {
    let nonce = reader.u64("nonce")?;
    let lanes = reader.u16("lanes")?;
    let accepted = reader.u64("accepted")?;
    let sequencer = reader.blob("sequencer")?;
    let mark = match reader.u8("mark")? {
        0 => None,
        1 => {
            let (origin, number) = read_numbered(reader)?;
            let (attempt, digest) = (reader.u32("attempt")?, reader.u64("digest")?);
            Some(Mark { origin, number, attempt, digest })
        }
        _ => return Err(Malformed("mark")),
    };
    let sequencer = (!sequencer.is_empty()).then(|| SequencerId::new(sequencer));
    Ok(Sync { nonce, mark, sequencer, lanes, accepted })
}

/// Bytes that an entry adds to a `Replay`, at most.
pub(crate) fn replayed_len(entry: &Replayed) -> usize {
    match entry {
        Replayed::Frame(frame) => 1 + varint_len(frame.len() as u64) + frame.len(),
        Replayed::Met(_) | Replayed::Known(_) => 1 + VECTOR_ENTRY_LEN,
    }
}

fn write_replayed(out: &mut BytesMut, entry: &Replayed) {
    match entry {
        Replayed::Frame(frame) => {
            out.put_u8(REPLAYED_FRAME);
            out.put_blob(frame);
        }
        Replayed::Met(numbered) => {
            out.put_u8(REPLAYED_MET);
            write_numbered(out, numbered);
        }
        Replayed::Known(numbered) => {
            out.put_u8(REPLAYED_KNOWN);
            write_numbered(out, numbered);
        }
    }
}

fn read_replay(reader: &mut Reader) -> Result<Replay, Malformed> {
    let answer = reader.u64("answer")?;
    let part = reader.u32("part")?;
    let count = reader.count(2, "entries")?;
    // A count is a claim, and an entry is larger than what it is read from.
    let mut entries = Vec::with_capacity(count.min(1_024));
    for _ in 0..count {
        entries.push(match reader.u8("entry")? {
            REPLAYED_FRAME => Replayed::Frame(reader.blob("frame")?),
            REPLAYED_MET => Replayed::Met(read_numbered(reader)?),
            REPLAYED_KNOWN => Replayed::Known(read_numbered(reader)?),
            _ => return Err(Malformed("entry")),
        });
    }
    Ok(Replay { answer, part, entries })
}

fn write_synced(out: &mut BytesMut, synced: &Synced) {
    out.put_u64_le(synced.answer);
    out.put_u32_le(synced.parts);
    out.put_u16_le(synced.lanes);
    out.put_u8(u8::from(synced.witnessed));
    out.put_varint(synced.nonces.len() as u64);
    synced.nonces.iter().for_each(|nonce| out.put_u64_le(*nonce));
    write_vector(out, &synced.vector);
}

fn read_synced(reader: &mut Reader) -> Result<Synced, Malformed> {
    let answer = reader.u64("answer")?;
    let parts = reader.u32("parts")?;
    let lanes = reader.u16("lanes")?;
    let witnessed = match reader.u8("witnessed")? {
        0 => false,
        1 => true,
        _ => return Err(Malformed("witnessed")),
    };
    let count = reader.count(8, "nonces")?;
    let nonces = (0..count).map(|_| reader.u64("nonce")).collect::<Result<_, _>>()?;
    Ok(Synced { answer, parts, lanes, witnessed, nonces, vector: read_vector(reader)? })
}
