//! Broken variants of the rules. Each must lead to a counterexample, or the model proves nothing about its rule.

/// A rule of the protocol that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Mutant {
    LogSurvivesBreak,
    MarkWithoutAttempt,
    MarkMovesUnsynced,
    AnyNonceCounts,
    AnyPartsCount,
    LatestMarkServes,
    VectorClosesGaps,
    FirstContactSetsBaseline,
    GapDoesNotStopHorizon,
    GapsForgottenAtBreak,
    GapDeadlineDropsNothing,
    FenceOfEarlierSubscription,
    FenceBeforeSync,
    HorizonIsReturnOfFence,
    NoDropWithoutWitness,
    AdoptedWithoutDrop,
    AdoptedWithAsOfOfEcho,
    ReplayEntersLog,
    SealedFrameChanges,
    NoFillGuard,
    BarrierOnlyOnEntries,
}

impl Mutant {
    /// Every variant, and what is broken in it.
    pub(crate) const ALL: [(Mutant, &'static str); 21] = [
        (Mutant::LogSurvivesBreak, "the log survives a broken subscription"),
        (Mutant::MarkWithoutAttempt, "a mark is looked up without its attempt"),
        (Mutant::MarkMovesUnsynced, "the mark moves while unsynced"),
        (Mutant::AnyNonceCounts, "an answer counts whatever nonces it lists"),
        (Mutant::AnyPartsCount, "an answer counts though a part is missing"),
        (Mutant::LatestMarkServes, "one answer to two starts at the later mark"),
        (Mutant::VectorClosesGaps, "learning that a number exists covers all up to it"),
        (Mutant::FirstContactSetsBaseline, "first contact in a replay covers all before it"),
        (Mutant::GapDoesNotStopHorizon, "an open gap does not stop the horizon"),
        (Mutant::GapsForgottenAtBreak, "open gaps are forgotten when the subscription breaks"),
        (Mutant::GapDeadlineDropsNothing, "the gap deadline closes the gap without a drop"),
        (Mutant::FenceOfEarlierSubscription, "a fence of an earlier subscription counts on this"),
        (Mutant::FenceBeforeSync, "a fence counts before the sync"),
        (Mutant::HorizonIsReturnOfFence, "the horizon is the moment that a fence returned"),
        (Mutant::NoDropWithoutWitness, "without a witness nothing is dropped"),
        (Mutant::AdoptedWithoutDrop, "a baseline is adopted without a drop"),
        (Mutant::AdoptedWithAsOfOfEcho, "a baseline is adopted as of the echo of the `Sync`"),
        (Mutant::ReplayEntersLog, "replayed frames enter the log"),
        (Mutant::SealedFrameChanges, "a resent frame takes along what queued meanwhile"),
        (Mutant::NoFillGuard, "a load that was overtaken by an invalidation is stored"),
        (Mutant::BarrierOnlyOnEntries, "a drop does not refuse later fills that are older"),
    ];
}
