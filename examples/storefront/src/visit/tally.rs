//! What the readers of all changes saw, added up.

use std::time::{Duration, Instant};

/// Stale reads that are described; the others are only counted.
const DESCRIBED: usize = 10;

/// What one reader saw of one change.
#[derive(Default)]
pub(crate) struct Readings {
    reads: u64,
    from_memory: u64,
    stale: u64,
    /// The first few in words.
    described: Vec<String>,
    /// The end of the first read that gave the new version.
    pub(crate) new_at: Option<Instant>,
}

impl Readings {
    pub(crate) fn count(&mut self, from_memory: bool) {
        self.reads += 1;
        self.from_memory += u64::from(from_memory);
    }

    /// Notes that a read broke a promise, and which.
    pub(crate) fn stale(&mut self, how: String) {
        self.stale += 1;
        if self.described.len() < DESCRIBED {
            self.described.push(how);
        }
    }
}

/// The sums.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) reads: u64,
    pub(crate) from_memory: u64,
    pub(crate) stale: u64,
    /// The first few stale reads in words.
    pub(crate) described: Vec<String>,
    /// Readers who never saw the new version.
    pub(crate) never: u64,
    /// Readers of changes whose invalidation the broker had not confirmed in time.
    pub(crate) unpublished: u64,
    since_answered: Vec<Duration>,
    since_sent: Vec<Duration>,
}

/// How long something took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spread {
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
}

impl Tally {
    /// Adds what a reader saw.
    pub(crate) fn add(&mut self, instance: usize, readings: Readings, published: bool) {
        self.reads += readings.reads;
        self.from_memory += readings.from_memory;
        self.stale += readings.stale;
        self.never += u64::from(readings.new_at.is_none());
        self.unpublished += u64::from(!published);
        let room = DESCRIBED.saturating_sub(self.described.len());
        let described = readings.described.into_iter().take(room);
        self.described.extend(described.map(|how| format!("instance {instance}: {how}")));
    }

    /// Adds the times that an instance took to answer with the new version.
    pub(crate) fn coherent(&mut self, since_answered: Duration, since_sent: Duration) {
        self.since_answered.push(since_answered);
        self.since_sent.push(since_sent);
    }

    /// From the writer's answer to an instance's first new answer.
    pub(crate) fn since_answered(&self) -> Option<Spread> {
        Spread::of(&self.since_answered)
    }

    /// The same from when the write was sent.
    pub(crate) fn since_sent(&self) -> Option<Spread> {
        Spread::of(&self.since_sent)
    }

    /// Whether everything was as promised. That the broker confirms at once is not.
    pub(crate) fn is_coherent(&self) -> bool {
        self.stale == 0 && self.never == 0
    }
}

impl Spread {
    /// Nearest rank, as in "99 of 100 took at most this long".
    fn of(times: &[Duration]) -> Option<Self> {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        let max = *sorted.last()?;
        let rank = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100) - 1];
        Some(Self { median: rank(50), p99: rank(99), max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_sorted_times() {
        let ms = Duration::from_millis;
        let times: Vec<_> = (1..=200).rev().map(ms).collect();
        let spread = Spread { median: ms(100), p99: ms(198), max: ms(200) };
        assert_eq!(Spread::of(&times), Some(spread));
        let one = Spread { median: ms(7), p99: ms(7), max: ms(7) };
        assert_eq!(Spread::of(&[ms(7)]), Some(one));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn anything_out_of_order_shows() {
        let seen = || Readings { new_at: Some(Instant::now()), ..Readings::default() };
        let mut tally = Tally::default();
        tally.add(1, seen(), true);
        tally.add(2, seen(), false);
        assert!(tally.is_coherent());
        assert_eq!(tally.unpublished, 1);
        let mut stale = seen();
        stale.stale("old".into());
        for readings in [stale, Readings::default()] {
            let mut tally = Tally::default();
            tally.add(1, readings, true);
            assert!(!tally.is_coherent());
        }
    }
}
