//! A bounded set of numbers.

use crate::mutation::{self, Mutation};

/// The numbers of one origin that are covered: all up to a floor, and some runs above it.
///
/// Bounded: beyond the limit the lowest run counts as not covered again, never the other way round.
#[derive(Debug)]
pub(crate) struct Ranges {
    floor: u64,
    /// Mostly there are none: a node has one of these for each other node.
    above: Option<Box<Above>>,
}

#[derive(Debug)]
struct Above {
    /// Inclusive runs above the floor, ascending, neither touching each other nor the floor.
    runs: Vec<(u64, u64)>,
}

impl Ranges {
    pub(crate) fn new() -> Self {
        Self { floor: 0, above: None }
    }

    /// Adds a number. More than `max_runs` runs above the floor are not kept.
    pub(crate) fn insert(&mut self, number: u64, max_runs: usize) {
        if self.contains(number) {
            return;
        }
        if number == self.floor + 1 {
            self.cover_up_to(number);
            return;
        }
        let runs = &mut self.above.get_or_insert_with(|| Box::new(Above { runs: Vec::new() })).runs;
        let place = runs.partition_point(|(_, end)| *end < number);
        runs.insert(place, (number, number));
        if place + 1 < runs.len() && runs[place + 1].0 == number + 1 {
            runs[place].1 = runs[place + 1].1;
            runs.remove(place + 1);
        }
        if place > 0 && runs[place - 1].1 + 1 == number {
            runs[place - 1].1 = runs[place].1;
            runs.remove(place);
        }
        if runs.len() > max_runs {
            // Uncovering what was covered costs a repair or a drop; the reverse would lose one.
            let (_, end) = runs.remove(0);
            if mutation::active(Mutation::RangesOverflowCovers) {
                self.cover_up_to(end);
            }
        }
    }

    /// Covers everything up to `number`.
    pub(crate) fn cover_up_to(&mut self, number: u64) {
        self.floor = self.floor.max(number);
        let Some(above) = &mut self.above else { return };
        while let Some((start, end)) = above.runs.first().copied() {
            if start > self.floor.saturating_add(1) {
                return;
            }
            self.floor = self.floor.max(end);
            above.runs.remove(0);
        }
        self.above = None;
    }

    fn runs(&self) -> &[(u64, u64)] {
        self.above.as_ref().map_or(&[], |above| &above.runs)
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        number <= self.floor
            || self.runs().iter().any(|(start, end)| (*start..=*end).contains(&number))
    }

    /// Whether all numbers up to `number` are in.
    pub(crate) fn contains_all(&self, number: u64) -> bool {
        number <= self.floor
    }

    /// The runs of numbers up to `number` that are not in.
    pub(crate) fn holes(&self, number: u64) -> impl Iterator<Item = (u64, u64)> {
        let starts = std::iter::once(self.floor).chain(self.runs().iter().map(|(_, end)| *end));
        let ends = self.runs().iter().map(|(start, _)| *start - 1).chain([number]);
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
            let mut ranges = Ranges::new();
            let mut model = BTreeSet::from([0]);
            for (number, step) in steps {
                if step == 0 {
                    ranges.cover_up_to(number);
                    model.extend(0..=number);
                } else {
                    ranges.insert(number, 100);
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
            let mut ranges = Ranges::new();
            let mut model = BTreeSet::from([0]);
            for number in numbers {
                ranges.insert(number, 3);
                model.insert(number);
                prop_assert!(ranges.runs().len() <= 3);
                prop_assert!((0..70).all(|n| !ranges.contains(n) || model.contains(&n)));
            }
        }
    }

    #[test]
    fn the_largest_numbers_are_survived() {
        let mut ranges = Ranges::new();
        ranges.insert(u64::MAX - 1, 3);
        ranges.insert(u64::MAX, 3);
        assert_eq!(ranges.holes(u64::MAX).collect::<Vec<_>>(), [(1, u64::MAX - 2)]);
        ranges.cover_up_to(u64::MAX);
        ranges.insert(5, 3);
        assert!(ranges.contains_all(u64::MAX));
    }
}
