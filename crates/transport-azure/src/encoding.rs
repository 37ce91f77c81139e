//! How a message says in which form it carries its frame.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// The frame as it is.
#[cfg(feature = "amqp")]
pub(crate) const BINARY: &str = "application/vnd.unstale";
/// The frame as base64, for ways that carry only text.
pub(crate) const BASE64: &str = "application/vnd.unstale+base64";

/// The bytes that were published, from a message's body and what it says of it. What is no frame of any kind comes
/// out as bytes that no node can read, so that it is counted where all unreadable frames are.
pub(crate) fn frame(content_type: Option<&str>, body: Bytes) -> Bytes {
    if content_type == Some(BASE64) {
        return STANDARD.decode(&body).map_or(body, Bytes::from);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_marked_is_decoded() {
        let body = || Bytes::from_static(b"aGk=");
        assert_eq!(frame(Some(BASE64), body()), "hi");
        for content_type in [None, Some("application/vnd.unstale"), Some("text/plain")] {
            assert_eq!(frame(content_type, body()), body());
        }
        // Marked, and something else.
        assert_eq!(frame(Some(BASE64), "a frame".into()), "a frame");
    }
}
