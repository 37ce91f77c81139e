//! Reading and writing the primitive fields of a frame.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::node_id::NodeId;

/// A frame ended too early, or a field has a value that it cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {0}")]
pub(crate) struct Malformed(pub(super) &'static str);

/// Reads fields from the front of a frame. Nothing it does can panic or allocate beyond the frame's size.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    rest: Bytes,
}

impl Reader {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The unread bytes.
    pub(super) fn rest(&self) -> Bytes {
        self.rest.clone()
    }

    pub(super) fn bytes(&mut self, len: usize, field: &'static str) -> Result<Bytes, Malformed> {
        if len > self.rest.len() {
            return Err(Malformed(field));
        }
        Ok(self.rest.split_to(len))
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, Malformed> {
        self.rest.try_get_u8().map_err(|_| Malformed(field))
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, Malformed> {
        self.rest.try_get_u16_le().map_err(|_| Malformed(field))
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, Malformed> {
        self.rest.try_get_u32_le().map_err(|_| Malformed(field))
    }

    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64, Malformed> {
        self.rest.try_get_u64_le().map_err(|_| Malformed(field))
    }

    pub(super) fn node_id(&mut self, field: &'static str) -> Result<NodeId, Malformed> {
        let mut id = [0; 16];
        self.rest.try_copy_to_slice(&mut id).map_err(|_| Malformed(field))?;
        Ok(NodeId::from_bytes(id))
    }

    /// An unsigned LEB128 number of at most ten bytes.
    pub(super) fn varint(&mut self, field: &'static str) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(field)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Malformed(field));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed(field))
    }

    /// How many elements follow, each of at least `smallest` bytes: more than the rest can hold is an error,
    /// so that a count never decides an allocation.
    pub(super) fn count(
        &mut self,
        smallest: usize,
        field: &'static str,
    ) -> Result<usize, Malformed> {
        let count = usize::try_from(self.varint(field)?).map_err(|_| Malformed(field))?;
        if count > self.remaining() / smallest {
            return Err(Malformed(field));
        }
        Ok(count)
    }

    pub(super) fn blob(&mut self, field: &'static str) -> Result<Bytes, Malformed> {
        let len = self.count(1, field)?;
        self.bytes(len, field)
    }

    /// A length-prefixed UTF-8 string, still as bytes.
    pub(super) fn text(&mut self, field: &'static str) -> Result<std::sync::Arc<str>, Malformed> {
        let bytes = self.blob(field)?;
        std::str::from_utf8(&bytes).map(Into::into).map_err(|_| Malformed(field))
    }

    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed("end")) }
    }
}

/// Writes fields to the end of a frame.
pub(super) trait Write: BufMut {
    fn put_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.put_u8(value as u8);
    }

    fn put_blob(&mut self, bytes: &[u8]) {
        self.put_varint(bytes.len() as u64);
        self.put_slice(bytes);
    }
}

impl Write for BytesMut {}

/// How many bytes `put_varint` writes.
pub(super) fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn varints_survive(value: u64) {
            let mut bytes = BytesMut::new();
            bytes.put_varint(value);
            prop_assert_eq!(bytes.len(), varint_len(value));
            let mut reader = Reader::new(bytes.freeze());
            prop_assert_eq!(reader.varint("value"), Ok(value));
            prop_assert_eq!(reader.end(), Ok(()));
        }
    }

    proptest! {
        /// Keys are looked at by other code than the rest: it must agree.
        #[test]
        fn lengths_of_keys_are_read_alike(
            mut bytes in proptest::collection::vec(prop_oneof![Just(0x80), Just(0xff), any::<u8>()], 0..12),
        ) {
            bytes.extend_from_slice(&[0; 300]);
            let blob = Reader::new(Bytes::from(bytes.clone())).blob("key").ok();
            let key = crate::target::split_key(&bytes).map(|(key, _)| Bytes::copy_from_slice(key));
            prop_assert_eq!(key, blob);
        }
    }

    #[test]
    fn an_overlong_varint_is_malformed() {
        let mut reader = Reader::new(Bytes::from_static(&[0xff; 11]));
        assert_eq!(reader.varint("value"), Err(Malformed("value")));
    }

    #[test]
    fn a_count_beyond_the_frame_is_malformed() {
        let mut bytes = BytesMut::new();
        bytes.put_varint(u64::from(u32::MAX));
        bytes.put_slice(&[0; 8]);
        assert!(Reader::new(bytes.freeze()).count(1, "keys").is_err());
    }
}
