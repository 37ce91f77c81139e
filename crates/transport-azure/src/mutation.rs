//! Deliberate mistakes that the simulator must notice: see `unstale::mutation`.

#[cfg(unstale_mutants)]
pub(crate) use unstale::mutation::{Mutation, active};
