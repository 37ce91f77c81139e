//! Deliberate mistakes that the simulator must notice: see `unstale::mutation`.

#[cfg(unstale_mutants)]
pub(crate) use unstale::mutation::{Mutation, active};

#[cfg(not(unstale_mutants))]
pub(crate) use never::{Mutation, active};

#[cfg(not(unstale_mutants))]
mod never {
    #[derive(Clone, Copy)]
    pub(crate) enum Mutation {
        DemotedPrimaryConfirms,
        SequencerIsRunIdOnly,
    }

    pub(crate) const fn active(_mutation: Mutation) -> bool {
        false
    }
}
