//! How a message says in which form it carries its frame.

/// The frame as it is.
pub(crate) const BINARY: &str = "application/vnd.unstale";
/// The frame as base64, for ways that carry only text.
pub(crate) const BASE64: &str = "application/vnd.unstale+base64";
