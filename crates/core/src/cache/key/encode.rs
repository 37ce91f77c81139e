//! Keys as bytes.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Keys up to this length are encoded without a buffer that grows.
const SHORT_BYTES: usize = 64;

/// The key as it travels; `None` if `serde` cannot represent it in this format.
pub(crate) fn encode<K: Serialize>(key: &K) -> Option<Bytes> {
    let mut short = [0; SHORT_BYTES];
    match postcard::to_slice(key, &mut short) {
        Ok(encoded) => Some(Bytes::copy_from_slice(encoded)),
        Err(_) => postcard::to_allocvec(key).ok().map(Bytes::from),
    }
}

/// The key in these bytes; `None` if they are not exactly one key.
pub(crate) fn decode<K: DeserializeOwned>(bytes: &[u8]) -> Option<K> {
    match postcard::take_from_bytes(bytes) {
        Ok((key, [])) => Some(key),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    enum Key {
        Number(u64),
        Pair { name: String, page: u16 },
    }

    #[test]
    fn the_encoding_is_as_documented() {
        assert_eq!(encode(&300u64).unwrap(), [0xac, 0x02][..]);
        assert_eq!(encode(&"ab").unwrap(), [2, b'a', b'b'][..]);
        let key = Key::Pair { name: "x".into(), page: 7 };
        let bytes = encode(&key).unwrap();
        assert_eq!(bytes, [1, 1, b'x', 7][..]);
        assert_eq!(decode(&bytes), Some(key));
    }

    #[test]
    fn keys_of_any_length_are_encoded() {
        for len in [0, SHORT_BYTES - 2, SHORT_BYTES - 1, SHORT_BYTES, 10 * SHORT_BYTES] {
            let key = "x".repeat(len);
            assert_eq!(decode::<String>(&encode(&key).unwrap()), Some(key));
        }
    }

    #[test]
    fn what_is_not_exactly_one_key_is_none() {
        assert_eq!(decode::<Key>(&[0, 5]), Some(Key::Number(5)));
        assert_eq!(decode::<Key>(&[0, 5, 0]), None);
        assert_eq!(decode::<Key>(&[9, 5]), None);
        assert_eq!(decode::<Key>(&[]), None);
        assert_eq!(decode::<String>(&[0xff, 0xff, 0xff, 0x7f, 1]), None);
    }
}
