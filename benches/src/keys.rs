//! Keys drawn in advance, so that the generator is not measured.

use std::sync::Arc;

use crate::KEYS;

/// How many are drawn; a power of two.
pub const DRAWN: usize = 1 << 16;

/// One key, again and again: it stays in the fastest memory there is.
pub fn hot() -> Arc<[u64]> {
    Arc::from([42])
}

/// So many keys, each once, in an order that has nothing to do with where their entries lie.
pub fn shuffled(count: u64) -> Arc<[u64]> {
    let mut keys: Vec<u64> = (0..count).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut keys);
    keys.into()
}

/// Every key as often as any other.
pub fn uniform() -> Arc<[u64]> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..DRAWN).map(|_| random.u64(..KEYS)).collect()
}

/// The n-th most popular key with a probability that falls with n to the power of 0.99, as in the Yahoo cloud serving
/// benchmark (Cooper and others, 2010).
pub fn zipf() -> Arc<[u64]> {
    let mut sums = Vec::new();
    let mut sum = 0.0;
    for rank in 1..=KEYS {
        sum += (rank as f64).powf(-0.99);
        sums.push(sum);
    }
    let mut random = fastrand::Rng::with_seed(7);
    // Popular keys are not neighbours.
    let mut keys: Vec<u64> = (0..KEYS).collect();
    random.shuffle(&mut keys);
    let draw = |random: &mut fastrand::Rng| {
        let drawn = random.f64() * sum;
        keys[sums.partition_point(|upto| *upto < drawn).min(keys.len() - 1)]
    };
    (0..DRAWN).map(|_| draw(&mut random)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn few_keys_of_zipf_are_popular() {
        let mut counts = HashMap::new();
        zipf().iter().for_each(|key| *counts.entry(*key).or_insert(0) += 1);
        let mut counts: Vec<usize> = counts.into_values().collect();
        counts.sort_unstable_by(|left, right| right.cmp(left));
        let popular: usize = counts[..100].iter().sum();
        assert!((DRAWN * 4 / 10..DRAWN * 7 / 10).contains(&popular), "{popular} of {DRAWN}");
    }

    #[test]
    fn uniform_keys_are_all_there() {
        let distinct: std::collections::HashSet<u64> = uniform().iter().copied().collect();
        assert!(distinct.len() > 9_900, "{}", distinct.len());
    }
}
