//! Identifiers that repeat from run to run.

/// A lock's token; also a delivery's tag.
pub(crate) type Token = [u8; 16];

/// Makes tokens: a counter, mixed with a seed.
#[derive(Debug)]
pub(crate) struct Tokens {
    seed: u64,
    made: u64,
}

impl Tokens {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, made: 0 }
    }

    pub(crate) fn next(&mut self) -> Token {
        self.made += 1;
        let high = mix(self.seed ^ mix(self.made));
        // The counter itself makes them unique, whatever the mixing does.
        (u128::from(high) << 64 | u128::from(self.made)).to_be_bytes()
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// As clients write it: groups of hexadecimal digits.
pub(crate) fn to_text(token: Token) -> String {
    let n = u128::from_be_bytes(token);
    let (a, b, c, d, e) = (n >> 96, n >> 80, n >> 64, n >> 48, n);
    format!(
        "{a:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        b & 0xffff,
        c & 0xffff,
        d & 0xffff,
        e & 0xffff_ffff_ffff
    )
}

/// Reads what [`to_text`] writes.
pub(crate) fn from_text(text: &str) -> Option<Token> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let valid = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let number = valid.then(|| u128::from_str_radix(&digits, 16).ok())??;
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_repeat_with_the_seed_and_survive_text() {
        let (mut a, mut b, mut c) = (Tokens::new(1), Tokens::new(1), Tokens::new(2));
        let token = a.next();
        assert_eq!(token, b.next());
        assert_ne!(token, a.next());
        assert_ne!(token, c.next());
        assert_eq!(to_text(token).len(), 36);
        assert_eq!(from_text(&to_text(token)), Some(token));
        assert_eq!(from_text("+0000000-0000-0000-0000-000000000000"), None);
    }
}
