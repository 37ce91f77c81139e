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

/// A mutant, what is broken in it, and the configuration in which that shows.
pub(crate) type Case = (Mutant, &'static str, &'static str);

/// Every mutant.
pub(crate) const ALL: [Case; 21] = [
    (Mutant::LogSurvivesBreak, "the log survives a broken subscription", "both cut"),
    (Mutant::MarkWithoutAttempt, "a mark is looked up without its attempt", "late mark"),
    (Mutant::MarkMovesUnsynced, "the mark moves while unsynced", "unsynced"),
    (Mutant::AnyNonceCounts, "an answer counts whatever nonces it lists", "unsynced"),
    (Mutant::AnyPartsCount, "an answer counts though a part is missing", "parts"),
    (Mutant::LatestMarkServes, "one answer to two starts at the later mark", "three"),
    (Mutant::VectorClosesGaps, "learning that a number exists covers all up to it", "teaching"),
    (
        Mutant::FirstContactSetsBaseline,
        "first contact in a replay covers all before it",
        "first contact",
    ),
    (Mutant::GapDoesNotStopHorizon, "an open gap does not stop the horizon", "barrier"),
    (
        Mutant::GapsForgottenAtBreak,
        "open gaps are forgotten when the subscription breaks",
        "cut and loss",
    ),
    (Mutant::GapDeadlineDropsNothing, "the gap deadline closes the gap without a drop", "barrier"),
    (
        Mutant::FenceOfEarlierSubscription,
        "a fence of an earlier subscription counts on this",
        "frame fences",
    ),
    (Mutant::FenceBeforeSync, "a fence counts before the sync", "baseline"),
    (Mutant::HorizonIsReturnOfFence, "the horizon is the moment that a fence returned", "baseline"),
    (Mutant::NoDropWithoutWitness, "without a witness nothing is dropped", "unsynced"),
    (Mutant::AdoptedWithoutDrop, "a baseline is adopted without a drop", "unsynced"),
    (
        Mutant::AdoptedWithAsOfOfEcho,
        "a baseline is adopted as of the echo of the `Sync`",
        "baseline",
    ),
    (Mutant::ReplayEntersLog, "replayed frames enter the log", "replayed"),
    (Mutant::SealedFrameChanges, "a resent frame takes along what queued meanwhile", "attempts"),
    (Mutant::NoFillGuard, "a load that was overtaken by an invalidation is stored", "cut"),
    (Mutant::BarrierOnlyOnEntries, "a drop does not refuse later fills that are older", "barrier"),
];
