//! The identity of a node.

use std::fmt;

/// Identifies one node: drawn at random at every start, so that a restarted process is a new node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 16]);

impl NodeId {
    /// The identity with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_shown_in_hex() {
        let mut bytes = [0; 16];
        bytes[0] = 0xab;
        bytes[15] = 1;
        let id = NodeId::from_bytes(bytes);
        assert_eq!(id.to_string(), "ab000000000000000000000000000001");
        assert_eq!(id.as_bytes(), &bytes);
    }
}
