//! A bounded set of numbers.

use crate::mutation::{self, Mutation};

/// The numbers of one origin that are covered: all up to a floor, and some runs above it.
///
/// Bounded: beyond the limit the lowest run counts as not covered again, never the other way round.
#[derive(Debug)]
pub(crate) struct Ranges {
    floor: u64,
    /// Inclusive runs above the floor, ascending, neither touching each other nor the floor.
    runs: Vec<(u64, u64)>,
    max_runs: usize,
}

impl Ranges {
    pub(crate) fn new(max_runs: usize) -> Self {
        Self { floor: 0, runs: Vec::new(), max_runs }
    }

    pub(crate) fn insert(&mut self, number: u64) {
        if self.contains(number) {
            return;
        }
        let place = self.runs.partition_point(|(_, end)| *end < number);
        self.runs.insert(place, (number, number));
        if place + 1 < self.runs.len() && self.runs[place + 1].0 == number + 1 {
            self.runs[place].1 = self.runs[place + 1].1;
            self.runs.remove(place + 1);
        }
        if place > 0 && self.runs[place - 1].1 + 1 == number {
            self.runs[place - 1].1 = self.runs[place].1;
            self.runs.remove(place);
        }
        self.absorb();
        if self.runs.len() > self.max_runs {
            // Uncovering what was covered costs a repair or a drop; the reverse would lose one.
            let (_, end) = self.runs.remove(0);
            if mutation::active(Mutation::RangesOverflowCovers) {
                self.cover_up_to(end);
            }
        }
    }

    /// Covers everything up to `number`.
    pub(crate) fn cover_up_to(&mut self, number: u64) {
        self.floor = self.floor.max(number);
        self.absorb();
    }

    fn absorb(&mut self) {
        while let Some((start, end)) = self.runs.first().copied() {
            if start > self.floor.saturating_add(1) {
                break;
            }
            self.floor = self.floor.max(end);
            self.runs.remove(0);
        }
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        number <= self.floor
            || self.runs.iter().any(|(start, end)| (*start..=*end).contains(&number))
    }

    /// Whether all numbers up to `number` are in.
    pub(crate) fn contains_all(&self, number: u64) -> bool {
        number <= self.floor
    }

    /// The runs of numbers up to `number` that are not in.
    pub(crate) fn holes(&self, number: u64) -> impl Iterator<Item = (u64, u64)> {
        let starts = std::iter::once(self.floor).chain(self.runs.iter().map(|(_, end)| *end));
        let ends = self.runs.iter().map(|(start, _)| *start - 1).chain([number]);
        starts
            .zip(ends)
            .filter_map(move |(before, end)| Some((before.checked_add(1)?, end.min(number))))
            .filter(|(start, end)| start <= end)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(steps in proptest::collection::vec((1..40_u64, 0..10_u8), 0..80)) {
            let mut ranges = Ranges::new(100);
            let mut model = BTreeSet::from([0]);
            for (number, step) in steps {
                if step == 0 {
                    ranges.cover_up_to(number);
                    model.extend(0..=number);
                } else {
                    ranges.insert(number);
                    model.insert(number);
                }
                for number in 0..45 {
                    prop_assert_eq!(ranges.contains(number), model.contains(&number));
                    let all = (0..=number).all(|number| model.contains(&number));
                    prop_assert_eq!(ranges.contains_all(number), all);
                }
                let holes: Vec<_> = ranges.holes(42).flat_map(|(from, to)| from..=to).collect();
                let expected: Vec<_> = (0..=42).filter(|number| !model.contains(number)).collect();
                prop_assert_eq!(holes, expected);
            }
        }

        #[test]
        fn beyond_its_limit_it_only_forgets(
            numbers in proptest::collection::vec(1..60_u64, 0..60),
        ) {
            let mut ranges = Ranges::new(3);
            let mut model = BTreeSet::from([0]);
            for number in numbers {
                ranges.insert(number);
                model.insert(number);
                prop_assert!(ranges.runs.len() <= 3);
                prop_assert!((0..70).all(|n| !ranges.contains(n) || model.contains(&n)));
            }
        }
    }

    #[test]
    fn the_largest_numbers_are_survived() {
        let mut ranges = Ranges::new(3);
        ranges.insert(u64::MAX - 1);
        ranges.insert(u64::MAX);
        assert_eq!(ranges.holes(u64::MAX).collect::<Vec<_>>(), [(1, u64::MAX - 2)]);
        ranges.cover_up_to(u64::MAX);
        ranges.insert(5);
        assert!(ranges.contains_all(u64::MAX));
    }
}
