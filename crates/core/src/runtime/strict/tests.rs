#![allow(clippy::unwrap_used, reason = "these are tests")]

use super::*;

const TICK_NS: u64 = 4_000_000;
const SECOND_NS: u64 = 1_000_000_000;

/// What happens to a machine's clocks.
#[derive(Clone, Copy, Debug)]
enum Event {
    Run { ns: u64 },
    Suspend { ns: u64 },
    SetWall { ns: i64 },
}

/// The clocks of a machine, as Linux keeps them.
#[derive(Clone, Copy, Debug)]
struct Kept {
    monotonic_ns: u64,
    suspended_ns: u64,
    wall_ahead_ns: u64,
}

impl Kept {
    fn since_boot(monotonic_ns: u64, wall_ahead_ns: u64) -> Self {
        Self { monotonic_ns, suspended_ns: 0, wall_ahead_ns }
    }

    fn pass(&mut self, event: Event) {
        match event {
            Event::Run { ns } => self.monotonic_ns += ns,
            Event::Suspend { ns } => {
                self.suspended_ns += ns;
                self.wall_ahead_ns = self.wall_ahead_ns.wrapping_add(ns);
            }
            Event::SetWall { ns } => {
                self.wall_ahead_ns = self.wall_ahead_ns.wrapping_add_signed(ns);
            }
        }
    }

    fn boot_ns(&self) -> u64 {
        self.monotonic_ns.wrapping_add(self.suspended_ns)
    }

    fn coarse_ns(&self) -> u64 {
        self.monotonic_ns / TICK_NS * TICK_NS
    }
}

/// Implements [`Clocks`] for what yields the clocks of each moment.
macro_rules! clocks {
    ($machine:ty) => {
        impl Clocks for $machine {
            fn coarse_ns(&self) -> u64 {
                self.look().coarse_ns()
            }

            fn coarse_wall_ns(&self) -> u64 {
                let kept = self.look();
                kept.coarse_ns().wrapping_add(kept.wall_ahead_ns)
            }

            fn coarse_resolution_ns(&self) -> u64 {
                TICK_NS
            }

            fn monotonic_ns(&self) -> u64 {
                self.look_exactly().monotonic_ns
            }

            fn boot_ns(&self) -> u64 {
                self.look_exactly().boot_ns()
            }
        }
    };
}

#[cfg(not(feature = "model"))]
mod one_thread {
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// A machine to which something may happen before each time that a clock is read.
    #[derive(Debug)]
    struct Machine {
        kept: Cell<Kept>,
        /// How often an exact clock was read.
        exact: Cell<u32>,
        coming: RefCell<VecDeque<Vec<Event>>>,
    }

    impl Machine {
        fn new(wall_ahead_ns: u64, coming: Vec<Vec<Event>>) -> Self {
            let kept = Kept::since_boot(SECOND_NS, wall_ahead_ns);
            Self { kept: Cell::new(kept), exact: Cell::new(0), coming: RefCell::new(coming.into()) }
        }

        fn pass(&self, event: Event) {
            let mut kept = self.kept.get();
            kept.pass(event);
            self.kept.set(kept);
        }

        fn look(&self) -> Kept {
            for event in self.coming.borrow_mut().pop_front().unwrap_or_default() {
                self.pass(event);
            }
            self.kept.get()
        }

        fn look_exactly(&self) -> Kept {
            self.exact.set(self.exact.get() + 1);
            self.look()
        }
    }

    clocks!(Machine);

    /// Reads until nothing is found anew.
    fn settled(wall_ahead_ns: u64) -> (Machine, StrictClock) {
        let (machine, clock) = (Machine::new(wall_ahead_ns, Vec::new()), StrictClock::default());
        clock.upper_ns(&machine);
        (machine, clock)
    }

    /// What the clock says, and how often it looked at an exact one for it.
    fn read(machine: &Machine, clock: &StrictClock) -> (u64, u32) {
        let before = machine.exact.get();
        let upper_ns = clock.upper_ns(machine);
        (upper_ns, machine.exact.get() - before)
    }

    #[test]
    fn two_coarse_clocks_are_enough_until_something_happens() {
        // Also where the wall clock was never set, or is behind.
        for wall_ahead_ns in [0, 1_700_000_000 * SECOND_NS, u64::MAX, u64::MAX - SECOND_NS] {
            let (machine, clock) = settled(wall_ahead_ns);
            for _ in 0..100 {
                machine.pass(Event::Run { ns: TICK_NS / 3 });
                let boot_ns = machine.kept.get().boot_ns();
                let (upper_ns, exact) = read(&machine, &clock);
                assert_eq!(exact, 0);
                assert!((boot_ns..=boot_ns + 2 * TICK_NS).contains(&upper_ns));
            }
        }
    }

    #[test]
    fn a_suspend_shows_at_the_first_read() {
        let (machine, clock) = settled(SECOND_NS);
        machine.pass(Event::Suspend { ns: 1 });
        assert_ne!(read(&machine, &clock).1, 0);
        machine.pass(Event::Suspend { ns: 60 * SECOND_NS });
        assert!(read(&machine, &clock).0 >= machine.kept.get().boot_ns());
        assert_eq!(read(&machine, &clock).1, 0);
    }

    #[test]
    fn who_is_held_up_while_it_looks_does_not_make_everything_old() {
        // Wherever that is.
        for place in 0..12 {
            let mut coming = vec![Vec::new(); 12];
            coming[place].push(Event::Run { ns: SECOND_NS });
            let machine = Machine::new(SECOND_NS, coming);
            let clock = StrictClock::default();
            for _ in 0..12 {
                clock.upper_ns(&machine);
            }
            let (upper_ns, exact) = read(&machine, &clock);
            assert_eq!(exact, 0);
            assert!(upper_ns <= machine.kept.get().boot_ns() + 2 * TICK_NS, "{place}");
        }
    }

    #[test]
    fn in_a_time_namespace_either_clock_may_be_ahead() {
        let machine = Machine::new(SECOND_NS, Vec::new());
        let mut kept = machine.kept.get();
        // Half of what it has run.
        kept.suspended_ns = (SECOND_NS / 2).wrapping_neg();
        machine.kept.set(kept);
        let clock = StrictClock::default();
        clock.upper_ns(&machine);
        assert_eq!(read(&machine, &clock), (SECOND_NS / 2 + 2 * TICK_NS, 0));
    }

    #[test]
    fn a_wall_clock_that_is_set_costs_one_exact_read() {
        let (machine, clock) = settled(SECOND_NS);
        machine.pass(Event::SetWall { ns: -3_600 * 1_000_000_000 });
        assert_ne!(read(&machine, &clock).1, 0);
        assert_eq!(read(&machine, &clock).1, 0);
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0..3 * TICK_NS).prop_map(|ns| Event::Run { ns }),
            // Never whole seconds in sum, by which the wall clock is set: that would hide one.
            (0..100_u64, 1..1_000_u64)
                .prop_map(|(s, ns)| Event::Suspend { ns: s * SECOND_NS + ns }),
            (-100..100_i64).prop_map(|s| Event::SetWall { ns: s * 1_000_000_000 }),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_between_two_reads_it_is_never_behind(
            wall_ahead_s in 0..3_u64,
            coming in prop::collection::vec(prop::collection::vec(event(), 0..2), 0..60),
        ) {
            let machine = Machine::new(wall_ahead_s * SECOND_NS, coming);
            let clock = StrictClock::default();
            for _ in 0..20 {
                let boot_ns = machine.kept.get().boot_ns();
                let upper_ns = clock.upper_ns(&machine);
                prop_assert!(upper_ns >= boot_ns, "{upper_ns} is before {boot_ns}");
            }
        }
    }
}

/// Several threads, and the machine is suspended in between.
#[cfg(feature = "model")]
mod model {
    use shuttle::sync::Arc;
    use shuttle::thread;

    use super::*;

    #[derive(Debug)]
    struct Machine {
        kept: Mutex<Kept>,
    }

    impl Machine {
        fn look(&self) -> Kept {
            *crate::shim::lock(&self.kept)
        }

        fn look_exactly(&self) -> Kept {
            self.look()
        }

        fn pass(&self, event: Event) {
            crate::shim::lock(&self.kept).pass(event);
        }
    }

    clocks!(Machine);

    /// So many threads that read so often, beside so many suspends; another one is over when they begin.
    fn read_beside_suspends(threads: usize, reads: usize, suspends: u64) {
        let kept = Mutex::new(Kept::since_boot(SECOND_NS, 5 * SECOND_NS));
        let machine = Arc::new(Machine { kept });
        let clock = Arc::new(StrictClock::default());
        clock.upper_ns(&*machine);
        machine.pass(Event::Suspend { ns: 60 * SECOND_NS + 7 });
        let reader = |_| {
            let (machine, clock) = (Arc::clone(&machine), Arc::clone(&clock));
            thread::spawn(move || {
                for _ in 0..reads {
                    let boot_ns = machine.look().boot_ns();
                    let upper_ns = clock.upper_ns(&*machine);
                    assert!(upper_ns >= boot_ns, "{upper_ns} is before {boot_ns}");
                }
            })
        };
        let readers: Vec<_> = (0..threads).map(reader).collect();
        for suspend in 0..suspends {
            machine.pass(Event::Suspend { ns: 60 * SECOND_NS + suspend });
            machine.pass(Event::Run { ns: TICK_NS });
        }
        machine.pass(Event::SetWall { ns: -1_000_000_000 });
        for reader in readers {
            reader.join().unwrap();
        }
    }

    #[test]
    fn no_reader_misses_a_suspend() {
        shuttle::check_random(|| read_beside_suspends(3, 2, 2), 20_000);
        shuttle::check_pct(|| read_beside_suspends(3, 2, 2), 20_000, 4);
    }

    /// Two find what a suspend changed, another suspend between them, and a third one reads what they say.
    #[test]
    fn who_is_late_does_not_overwrite_what_is_newer() {
        shuttle::check_pct(|| read_beside_suspends(3, 1, 1), 100_000, 5);
    }
}
