//! One stream of random numbers for each concern.
//!
//! A stream is seeded from the plan's seed and a name. A new concern brings a new name, so the numbers that the
//! others draw, and with them the workload of an old seed, stay as they were.

use twox_hash::XxHash3_64;

/// The stream of this concern.
pub(crate) fn stream(seed: u64, concern: &str) -> fastrand::Rng {
    fastrand::Rng::with_seed(XxHash3_64::oneshot_with_seed(seed, concern.as_bytes()))
}

/// The stream of this concern for one of many of a kind (a node, say).
pub(crate) fn stream_of(seed: u64, concern: &str, index: u64) -> fastrand::Rng {
    let salted = XxHash3_64::oneshot_with_seed(seed, concern.as_bytes());
    fastrand::Rng::with_seed(XxHash3_64::oneshot_with_seed(salted, &index.to_le_bytes()))
}

/// What a process draws its random numbers from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeds {
    pub(crate) seed: u64,
    /// Names this life of this node.
    pub(crate) own: u64,
    /// Names the process that this one is a copy of; itself, mostly.
    pub(crate) copied: u64,
}

impl Seeds {
    pub(crate) fn of(seed: u64, node: usize, life: u64) -> Self {
        let own = Self::name(node, life);
        Self { seed, own, copied: own }
    }

    pub(crate) fn name(node: usize, life: u64) -> u64 {
        node as u64 * 1_000 + life
    }

    /// The seed that is drawn as this one. The first makes the identity; what comes later is fresh entropy, also in
    /// a copy.
    pub(crate) fn draw(self, index: u64) -> u64 {
        let whose = if index == 0 { self.copied } else { self.own };
        let life = stream_of(self.seed, "life", whose).u64(..);
        stream_of(life, "draw", index).u64(..)
    }
}

/// Draws from a distribution that favours small numbers: one of `0..n`, the first a few times as often as the
/// last.
pub(crate) fn skewed(rng: &mut fastrand::Rng, n: u64) -> u64 {
    let x = rng.f64();
    ((x * x) * n as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concerns_are_independent_and_repeatable() {
        let draw = |seed, concern| stream(seed, concern).u64(..);
        assert_eq!(draw(1, "latency"), draw(1, "latency"));
        assert_ne!(draw(1, "latency"), draw(1, "workload"));
        assert_ne!(draw(1, "latency"), draw(2, "latency"));
        assert_ne!(stream_of(1, "node", 0).u64(..), stream_of(1, "node", 1).u64(..));
    }

    #[test]
    fn small_numbers_are_favoured_and_all_are_in_range() {
        let mut rng = stream(7, "test");
        let drawn: Vec<_> = (0..10_000).map(|_| skewed(&mut rng, 10)).collect();
        let count = |n| drawn.iter().filter(|drawn| **drawn == n).count();
        assert!(count(0) > 3 * count(9) && count(9) > 0);
    }
}
