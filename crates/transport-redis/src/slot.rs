//! Which of a cluster's 16384 slots a channel belongs to.

const SLOTS: u16 = 16_384;

/// The slot of a key or sharded channel: CRC16 of the part between the first braces, if there is one with
/// something in it, else of the whole. From the Redis Cluster specification.
pub(crate) fn of(name: &[u8]) -> u16 {
    let hashed = name
        .iter()
        .position(|&byte| byte == b'{')
        .and_then(|open| {
            let tagged = &name[open + 1..];
            let close = tagged.iter().position(|&byte| byte == b'}')?;
            (close > 0).then(|| &tagged[..close])
        })
        .unwrap_or(name);
    crc16(hashed) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(of(b"foo"), 12_182);
        assert_eq!(of(b"{user1000}.following"), of(b"{user1000}.followers"));
        assert_eq!(of(b"{user1000}.following"), of(b"user1000"));
        assert_ne!(of(b"foo{}{bar}"), of(b"bar"));
        assert_eq!(of(b"foo{{bar}}zap"), of(b"{bar"));
        assert_ne!(of(b"unstale:shop"), of(b"unstale:shop:1"));
    }
}
