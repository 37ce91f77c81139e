//! Deliberately broken variants. Only a build with `--cfg unstale_mutants` has any.

/// A broken variant, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mutant {
    /// How it is asked for.
    pub(crate) name: &'static str,
    /// What goes wrong, in a sentence.
    pub(crate) description: &'static str,
}

#[cfg(unstale_mutants)]
mod build {
    use unstale::mutation::{self, Mutation};

    use super::Mutant;

    /// The clock that should go on while the machine is suspended does not.
    pub(crate) const CLOCK_STOPS_IN_SUSPEND: Mutation = Mutation::ClockStopsInSuspend;

    pub(crate) use unstale::mutation::active as is_on;

    /// All that this build has.
    pub(crate) fn all() -> Vec<Mutant> {
        let mutant = |it: &Mutation| Mutant { name: it.name(), description: it.description() };
        Mutation::ALL.iter().map(mutant).collect()
    }

    /// Switches one on, for the rest of the process.
    pub(crate) fn switch_on(name: &str) -> Result<(), String> {
        mutation::switch_on(name).map_err(|error| error.to_string())
    }
}

#[cfg(not(unstale_mutants))]
mod build {
    use super::Mutant;

    /// The clock that should go on while the machine is suspended does not.
    pub(crate) const CLOCK_STOPS_IN_SUSPEND: &str = "clock-stops-in-suspend";

    /// Whether this one is switched on.
    pub(crate) const fn is_on(_name: &str) -> bool {
        false
    }

    /// All that this build has.
    pub(crate) const fn all() -> Vec<Mutant> {
        Vec::new()
    }

    /// Switches one on, for the rest of the process.
    pub(crate) fn switch_on(_name: &str) -> Result<(), String> {
        Err("this build has no mutants; cargo xtask sim makes one that has".to_owned())
    }
}

pub(crate) use build::{CLOCK_STOPS_IN_SUSPEND, all, is_on, switch_on};
