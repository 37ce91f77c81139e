//! Which numbers of which origin exist, and which are covered.

use super::frames::{Known, Moment, NODES, bit};
use super::mutants::Mutant;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Vector {
    pub(crate) origins: [Origin; NODES],
    /// No open gap was noticed later than this; 0 while there is none.
    newest_gap: Moment,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) known: u8,
    /// A bit for each covered number.
    pub(crate) covered: u16,
    /// Whether a frame of it was met in the stream: only such origins are taught to others.
    pub(crate) met: bool,
    /// When its newest gap was noticed.
    pub(crate) gap: Option<Moment>,
}

impl Origin {
    fn cover_up_to(&mut self, number: u8) {
        self.covered |= numbers_up_to(number);
    }

    /// The numbers that are known to exist and were not met.
    pub(crate) fn missing(&self) -> u16 {
        numbers_up_to(self.known) & !self.covered
    }
}

fn numbers_up_to(number: u8) -> u16 {
    (bit(number) << 1) - 2
}

impl Vector {
    // mirrors Vector::meet, protocol/vector.rs
    pub(crate) fn meet(&mut self, origin: u8, number: u8, now: Moment) {
        let it = &mut self.origins[usize::from(origin)];
        it.met = true;
        it.covered |= bit(number);
        self.raise(origin, number, now);
    }

    // mirrors Vector::meet_replayed, protocol/vector.rs
    pub(crate) fn meet_replayed(
        &mut self,
        origin: u8,
        number: u8,
        now: Moment,
        mutant: Option<Mutant>,
    ) {
        let it = &mut self.origins[usize::from(origin)];
        if mutant == Some(Mutant::FirstContactSetsBaseline) && it.known == 0 {
            it.cover_up_to(number);
        }
        it.covered |= bit(number);
        self.raise(origin, number, now);
    }

    // mirrors Vector::learn, protocol/vector.rs
    pub(crate) fn learn(&mut self, origin: u8, number: u8, now: Moment, mutant: Option<Mutant>) {
        if number == 0 {
            return;
        }
        if mutant == Some(Mutant::VectorClosesGaps) {
            self.origins[usize::from(origin)].cover_up_to(number);
        }
        self.raise(origin, number, now);
    }

    // mirrors Vector::adopt, protocol/vector.rs
    pub(crate) fn adopt(&mut self, origin: u8, number: u8, now: Moment) {
        if number > 0 {
            self.origins[usize::from(origin)].cover_up_to(number);
            self.raise(origin, number, now);
        }
    }

    // mirrors Vector::raise, protocol/vector.rs
    fn raise(&mut self, origin: u8, number: u8, now: Moment) {
        let it = &mut self.origins[usize::from(origin)];
        let grew = number > it.known;
        it.known = it.known.max(number);
        if it.missing() == 0 {
            it.gap = None;
        } else {
            let noticed = it.gap.get_or_insert(now);
            if grew {
                *noticed = now;
            }
            self.newest_gap = self.newest_gap.max(*noticed);
        }
        self.settle();
    }

    /// Without a gap the newest does not matter, and a later one is noticed later: one state for both.
    fn settle(&mut self) {
        if self.origins.iter().all(|it| it.gap.is_none()) {
            self.newest_gap = 0;
        }
    }

    // mirrors Vector::open_gap, protocol/vector.rs
    pub(crate) fn open_gap(&self) -> Option<Moment> {
        self.origins.iter().any(|it| it.gap.is_some()).then_some(self.newest_gap)
    }

    // mirrors Vector::missing, protocol/vector.rs
    pub(crate) fn missing(&self) -> [u16; NODES] {
        std::array::from_fn(|origin| self.origins[origin].missing())
    }

    // mirrors Vector::cover_gaps, protocol/vector.rs
    pub(crate) fn cover_gaps(&mut self, noticed: Moment) {
        for it in &mut self.origins {
            if it.gap.is_some_and(|gap| gap <= noticed) {
                it.cover_up_to(it.known);
                it.gap = None;
            }
        }
        self.settle();
    }

    /// What the mutant that forgets open gaps does at a break.
    pub(crate) fn forget_gaps(&mut self) {
        for it in &mut self.origins {
            it.cover_up_to(it.known);
            it.gap = None;
        }
        self.settle();
    }

    // mirrors Vector::iter, protocol/vector.rs
    pub(crate) fn known(&self) -> Known {
        std::array::from_fn(|origin| self.origins[origin].known)
    }

    // mirrors Vector::iter_met_since, protocol/vector.rs
    // mirrors Vector::slice, protocol/vector.rs
    pub(crate) fn known_of_met(&self) -> Known {
        let known = |it: &Origin| if it.met { it.known } else { 0 };
        std::array::from_fn(|origin| known(&self.origins[origin]))
    }
}
