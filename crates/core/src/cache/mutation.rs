//! Deliberate mistakes that the model tests must notice.
//!
//! Without feature `model` [`active`] is `false` at compile time and nothing of this remains.

/// One mistake in the cache's concurrent code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// An invalidation leaves the loads of its key in flight alone.
    NoFillGuard,
    /// A fill is stored first and checked afterwards.
    FillVisibleBeforeCheck,
    /// A tag named while a load runs is not compared with the load's start.
    LateTagNotChecked,
    /// A reader joins a load that was voided before the reader began.
    JoinVoidedLoad,
    /// A load does not void the older loads of its key.
    NewerLoadDoesNotVoidOlder,
    /// A nested hit passes on its key, but not what the inner entry depends on.
    NestedTagsForgotten,
    /// A nested read is content with its own cache's freshness.
    NestedIgnoresOuterWithin,
    /// The entry is looked up before the horizon is read.
    EntryBeforeHorizon,
    /// A cell is freed while an entry still holds it.
    CellFreedWithHolder,
    /// A tag with no cell leaves no trace for the loads in flight.
    TagWithoutCellForgotten,
    /// Entries are not compared with their cache's last clear.
    ClearNotChecked,
    /// A joiner takes a result however old what it was built from is.
    JoinerIgnoresAsOf,
    /// Entries and fills are not compared with the barrier.
    BarrierNotChecked,
    /// A nested read notes its key's cell after it has found the entry.
    NestedKeyNotedLate,
    /// An invalidation of a key takes its tick before it removes the entry.
    KeyTickBeforeRemoval,
    /// What a nested hit depends on counts as seen up to the outer load's start.
    NestedTakesOuterTick,
    /// A read-through that is not stored leaves the older entry that it bypassed.
    RefusedFillLeavesOlder,
    /// A load that a newer one has overtaken hands out its own result all the same.
    OvertakenHandsOutItsOwn,
    /// The confirmation of a subscription leaves the loads in flight alone.
    LoadsNotVoided,
}

/// Whether the running model test has switched this mistake on.
#[cfg(not(feature = "model"))]
pub(crate) const fn active(_mutation: Mutation) -> bool {
    false
}

#[cfg(feature = "model")]
pub(crate) use switch::active;
#[cfg(all(test, feature = "model"))]
pub(crate) use switch::with;

#[cfg(feature = "model")]
mod switch {
    use super::Mutation;
    use std::cell::Cell;

    // All simulated threads of one model run on the operating system's thread that started it.
    std::thread_local! {
        static ACTIVE: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    pub(crate) fn active(mutation: Mutation) -> bool {
        ACTIVE.get() == Some(mutation)
    }

    /// Runs `body` with a mistake switched on.
    #[cfg(test)]
    pub(crate) fn with<T>(mutation: Option<Mutation>, body: impl FnOnce() -> T) -> T {
        ACTIVE.set(mutation);
        let result = body();
        ACTIVE.set(None);
        result
    }
}
