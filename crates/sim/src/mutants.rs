//! Deliberately broken variants. Only a build with `--cfg unstale_mutants` has any.

/// The clock that should go on while the machine is suspended does not.
pub(crate) const CLOCK_STOPS_IN_SUSPEND: &str = "clock-stops-in-suspend";

/// Whether this one is switched on.
#[cfg(not(unstale_mutants))]
pub(crate) const fn is_on(_name: &str) -> bool {
    false
}
