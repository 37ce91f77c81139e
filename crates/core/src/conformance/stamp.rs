//! Frames that say who published them and as the how-manieth.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};

use super::lab::{Outcome, Stop};

/// Bytes of a stamp; a stamped frame has at least as many.
pub(super) const STAMP_BYTES: usize = 8;

/// A frame of `publisher`'s with this number, filled up to `len` bytes with a pattern of its own.
pub(super) fn stamped(publisher: u32, number: u32, len: usize) -> Bytes {
    let mut frame = BytesMut::with_capacity(len.max(STAMP_BYTES));
    frame.put_u32(publisher);
    frame.put_u32(number);
    let filler = publisher.wrapping_mul(31).wrapping_add(number).to_le_bytes()[0];
    frame.resize(len.max(STAMP_BYTES), filler);
    frame.freeze()
}

/// The smallest stamped frame.
pub(super) fn stamp(publisher: u32, number: u32) -> Bytes {
    stamped(publisher, number, STAMP_BYTES)
}

/// Publisher and number of a stamped frame, if its bytes are what was published.
pub(super) fn read_stamp(frame: &Bytes) -> Result<(u32, u32), Stop> {
    let field = |at: usize| {
        let bytes = frame.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    let read = field(0).zip(field(4));
    match read {
        Some((publisher, number)) if stamped(publisher, number, frame.len()) == frame => {
            Ok((publisher, number))
        }
        _ => Err(Stop::fail(format!("a frame of {} bytes that nobody published", frame.len()))),
    }
}

/// Checks that the frames of each publisher come in their order, none twice and none left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    next: BTreeMap<u32, u32>,
}

impl Tally {
    /// The number that `publisher` is at: all smaller ones were met.
    pub(super) fn next(&self, publisher: u32) -> u32 {
        self.next.get(&publisher).copied().unwrap_or(0)
    }

    pub(super) fn meet(&mut self, frame: &Bytes) -> Outcome {
        let (publisher, number) = read_stamp(frame)?;
        let next = self.next.entry(publisher).or_insert(0);
        let at = *next;
        if number < at {
            return Err(Stop::fail(format!(
                "frame {number} of publisher {publisher} came again or out of order, at {at}"
            )));
        }
        if number > at {
            return Err(Stop::fail(format!(
                "frame {at} of publisher {publisher} was left out, {number} came"
            )));
        }
        *next += 1;
        Ok(())
    }
}
