//! Deliberate mistakes that tests must notice: a survivor is a hole in the tests.
//!
//! Each [`Mutation`] is asked for in one place or two, where [`active`] decides whether the code does what it must
//! or what the mistake would. Two builds switch them on:
//!
//! - feature `model`, for the model tests of the cache: one for the time of a model;
//! - `--cfg unstale_mutants`, for the simulator: one for the whole process, by [name](Mutation::name).
//!
//! In every other build [`active`] is `false` at compile time and nothing of this remains.

#![cfg_attr(
    not(unstale_mutants),
    expect(unreachable_pub, reason = "only the simulator reaches it")
)]

/// Makes the enum, and each mistake's name and description of its variant and documentation.
macro_rules! mutations {
    ($($(#[doc = $doc:literal])+ $variant:ident,)*) => {
        /// One mistake.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(
            not(unstale_mutants),
            allow(dead_code, reason = "some are only the simulator's, or another package's")
        )]
        pub enum Mutation {
            $($(#[doc = $doc])+ $variant,)*
        }

        #[cfg(any(test, unstale_mutants))]
        impl Mutation {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The variant in words with hyphens: `no-gap-detection`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => {
                        const NAME: &[u8] = &kebab::<{ kebab_len(stringify!($variant)) }>(
                            stringify!($variant),
                        );
                        match str::from_utf8(NAME) {
                            Ok(name) => name,
                            Err(_) => stringify!($variant),
                        }
                    })*
                }
            }

            /// What goes wrong, in a sentence.
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+).trim_ascii(),)*
                }
            }
        }
    };
}

mutations! {
    // Loads and fills.
    /// An invalidation leaves the loads of its key in flight alone.
    NoFillGuard,
    /// A fill is stored first and checked afterwards.
    FillVisibleBeforeCheck,
    /// A tag named while a load runs is not compared with the load's start.
    LateTagNotChecked,
    /// A reader joins a load that was voided before the reader began.
    JoinVoidedLoad,
    /// A load counts as landed before its entry is stored.
    FlightLandsEarly,
    /// A load does not void the older loads of its key.
    NewerLoadDoesNotVoidOlder,
    /// A joiner takes a result however old what it was built from is.
    JoinerIgnoresAsOf,
    /// A read-through that is not stored leaves the older entry that it bypassed.
    RefusedFillLeavesOlder,
    /// A load that a newer one has overtaken hands out its own result all the same.
    OvertakenHandsOutItsOwn,
    /// The confirmation of a subscription, or a sync, leaves the loads in flight alone.
    LoadsNotVoided,
    /// No result of a load is ever stored.
    NothingIsStored,

    // Hits.
    /// The entry is looked up before the horizon is read.
    EntryBeforeHorizon,
    /// A hit reads the barrier before the horizon.
    BarrierBeforeHorizon,
    /// Entries are served without regard to how far the proofs reach.
    ProofNotChecked,
    /// Entries are not compared with their cache's last clear.
    ClearNotChecked,
    /// Entries and fills are not compared with the barrier.
    BarrierNotChecked,
    /// The barrier is compared with the start of an entry's load instead of its as-of.
    DropByLoadStart,

    // Dependencies.
    /// A nested hit passes on its key, but not what the inner entry depends on.
    NestedTagsForgotten,
    /// A nested read is content with its own cache's freshness.
    NestedIgnoresOuterWithin,
    /// A nested read notes its key's cell after it has found the entry, and not at all if there is none.
    NestedKeyNotedLate,
    /// What a nested hit depends on counts as seen up to the outer load's start.
    NestedTakesOuterTick,
    /// What was built from older hits counts as loaded when its own load began.
    NestedAsOfForgotten,
    /// What was built from a miss does not depend on a clear of the cache where nothing was.
    NestedMissIgnoresClear,
    /// What was built from the failure of a nested load does not depend on what that one had read.
    NestedFailureForgotten,
    /// A cell is freed while an entry still holds it.
    CellFreedWithHolder,
    /// A tag with no cell leaves no trace for the loads in flight.
    TagWithoutCellForgotten,

    // Applying.
    /// An invalidation of a key takes its tick before it removes the entry.
    KeyTickBeforeRemoval,
    /// Whether anything depends on a key is asked before its entry is removed.
    KeysWatchedAskedEarly,
    /// An invalidation of a key reaches the other nodes but not the caches of its own.
    InvalidateNotAppliedHere,
    /// Whatever another node names, everything is cleared.
    EveryTargetClearsAll,
    /// A key of another shape than this node's is ignored.
    SchemaMismatchIgnored,

    // Gaps.
    /// Numbers that were skipped are not noticed.
    NoGapDetection,
    /// Fences move the horizon although a frame is known to be missing.
    GapDoesNotStopHorizon,
    /// Missing frames are not asked for.
    GapsNotRequested,
    /// A gap that was not repaired drops only what is older than the last proof.
    GapDropsToHorizon,
    /// Gaps end with the subscription on which they were noticed.
    GapsEndWithSubscription,
    /// To hear that a number exists counts as having met it.
    VectorClosesGap,
    /// The first frame of an origin in a replay counts as its first frame.
    FirstContactInReplaySetsBaseline,
    /// The first frame of an origin in the stream counts as its first frame.
    FirstContactSetsBaseline,
    /// An origin that has met too many numbers out of order counts the holes as met.
    RangesOverflowCovers,

    // Beacons.
    /// No beacons are sent.
    TailBeaconsOff,
    /// A publish does not bring the next beacon forward.
    BeaconIntervalNotReset,
    /// A node that becomes synced does not begin to send beacons.
    BeaconsNotRearmed,
    /// Slices list origins of which nothing was met for long.
    SliceTeachesTheDead,
    /// What a `Sync` says of its sender's last number is not heeded.
    SyncAcceptedNotLearned,

    // Fences and the horizon.
    /// Fences count from the same token on every subscription and node, so that another one's counts.
    FenceAcrossSubscriptions,
    /// A fence moves the horizon before the node is synced.
    FenceBeforeSynced,
    /// The horizon moves to the moment at which the fence returned.
    HorizonAtConfirmation,
    /// A fence may take for ever.
    FenceTimeoutOff,
    /// The horizon of a node is that of its best lane.
    HorizonIsTheLargest,
    /// Own frames that do not come back are not missed.
    SplitPathIgnored,
    /// A frame that did not come back is not published again.
    MissingEchoNotResent,
    /// A node whose fence is late still counts as connected.
    LateFenceCountsAsConnected,

    // The mark rule.
    /// A node that nobody answered keeps what it had.
    NoDropWhenUnwitnessed,
    /// A node that takes over a baseline keeps what it had.
    AdoptedWithoutDrop,
    /// A node that takes over a baseline drops only what is older than the echo of its `Sync`.
    BaselineAtEcho,
    /// Every answer counts as the answer to one's own `Sync`.
    AnyNonceCounts,
    /// An answer counts although parts of it are missing.
    IncompleteAnswerCounts,
    /// The mark moves while the node is not synced.
    MarkMovesUnsynced,
    /// A mark is looked for by its number and bytes, whichever attempt it was.
    MarkWithoutAttempt,
    /// A mark that was met under one sequencer is shown to the nodes of another.
    MarkOutlivesSequencer,
    /// A node of another sequencer answers as a witness.
    WitnessOfAnotherSequencer,
    /// A node whose log does not hold the mark answers as a witness with what it has.
    WitnessWithoutMark,
    /// An answer to several nodes begins after the latest of their marks.
    OlderMarkListed,
    /// An answer begins where the log does, if the mark is gone from it by then.
    ReachNotChecked,
    /// No node answers as a witness.
    NobodyWitnesses,
    /// The log goes on over a broken subscription.
    LogSurvivesSubscription,
    /// Frames from replays enter the log.
    ReplayedEntersLog,
    /// Own frames do not enter the log.
    OwnEchoNotLogged,
    /// Frames without a number are not replayed.
    AnonymousNotReplayed,
    /// Frames without a number make marks.
    AnonymousMakesMark,

    // Identity.
    /// A frame is skipped when the log holds its number, whatever its bytes.
    OtherBytesSkipped,
    /// A frame of another process under our own identity is skipped.
    CloneNotNoticed,
    /// Two processes of one identity that publish equal bytes under one number are taken for one.
    TwinsNotToldApart,
    /// An own frame that comes back after its publish has returned is taken for another process's.
    LateEchoIsAClone,
    /// A new subscription goes on with the generator as it was, which a forked twin has too.
    EntropyNotStirred,

    // Publishing.
    /// A frame that is published again carries what has queued since, under the number that it had.
    SealedFrameChanged,
    /// A receipt resolves when its frame is sealed.
    ReceiptAtSealing,
    /// A frame that the broker refuses for good is given up.
    RejectedFrameForgotten,
    /// An outbox that overflows gives up its oldest target.
    OverflowDrops,
    /// A tag that collapses clears only the caches that are collapsed with it.
    TagCollapsesToCaches,

    // What cannot be read, and what does not fit.
    /// A frame that cannot be read is ignored.
    UnreadableIgnored,
    /// Fences move the horizon although a frame that could not be read has not been covered by a clear.
    UnreadableDoesNotStopHorizon,
    /// Every drop drops nothing, and counts as done.
    DropsNothing,
    /// Nodes of another number of lanes are not noticed.
    LaneMismatchIgnored,
    /// After a time in which nothing was served, what was there before is served again.
    ServingAgainKeepsEntries,

    // Time.
    /// The cheap clock is not corrected after a suspend.
    SuspendNotNoticed,
    /// The clock stands still while the machine is suspended: for the simulator's runtime.
    ClockStopsInSuspend,

    // The Redis transport.
    /// A server that is no longer the primary confirms fences and publishes.
    DemotedPrimaryConfirms,
    /// A server that was demoted and promoted again counts as the same primary.
    SequencerIsRunIdOnly,

    // The Azure transport.
    /// A link that broke is attached anew as if nothing had been lost, though a message is complete, and deleted, as
    /// soon as it is sent.
    MessageCompletedBeforeApplied,
    /// A subscription that vanished is created anew, and what was missed is no gap.
    RecreatedSubscriptionIsNoGap,
}

#[cfg(any(test, unstale_mutants))]
const fn kebab_len(camel: &str) -> usize {
    let camel = camel.as_bytes();
    let (mut read, mut written) = (0, 0);
    while read < camel.len() {
        written += if read > 0 && camel[read].is_ascii_uppercase() { 2 } else { 1 };
        read += 1;
    }
    written
}

#[cfg(any(test, unstale_mutants))]
const fn kebab<const LEN: usize>(camel: &str) -> [u8; LEN] {
    let camel = camel.as_bytes();
    let mut kebab = [b'-'; LEN];
    let (mut read, mut written) = (0, 0);
    while read < camel.len() {
        written += (read > 0 && camel[read].is_ascii_uppercase()) as usize;
        kebab[written] = camel[read].to_ascii_lowercase();
        written += 1;
        read += 1;
    }
    kebab
}

/// Whether this mistake is switched on.
#[cfg(not(any(feature = "model", unstale_mutants)))]
pub(crate) const fn active(_mutation: Mutation) -> bool {
    false
}

// Known to the compiler: the branches that ask for it are not built.
#[cfg(not(any(feature = "model", unstale_mutants)))]
const _: () = assert!(!active(Mutation::NoFillGuard));

#[cfg(feature = "model")]
pub(crate) use in_a_model::active;
#[cfg(all(test, feature = "model"))]
pub(crate) use in_a_model::with;
#[cfg(all(unstale_mutants, not(feature = "model")))]
pub use in_the_process::{NotSwitchedOn, active, switch_on};

#[cfg(feature = "model")]
mod in_a_model {
    use std::cell::Cell;

    use super::Mutation;

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

#[cfg(all(unstale_mutants, not(feature = "model")))]
mod in_the_process {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Mutation;

    const NONE: usize = usize::MAX;

    /// The place in [`Mutation::ALL`] of the one that is switched on.
    static ACTIVE: AtomicUsize = AtomicUsize::new(NONE);

    /// Whether this mistake is switched on.
    #[inline]
    pub fn active(mutation: Mutation) -> bool {
        ACTIVE.load(Ordering::Relaxed) == mutation as usize
    }

    /// Switches on the mistake of this name, for the rest of the process.
    ///
    /// # Errors
    /// [`NotSwitchedOn`] if there is none of this name, or if another one is switched on.
    pub fn switch_on(name: &str) -> Result<(), NotSwitchedOn> {
        let named = Mutation::ALL.iter().find(|mutation| mutation.name() == name);
        let mutation = *named.ok_or(NotSwitchedOn::Unknown)?;
        let switched =
            ACTIVE.compare_exchange(NONE, mutation as usize, Ordering::Relaxed, Ordering::Relaxed);
        match switched {
            Ok(_) => Ok(()),
            Err(on) if on == mutation as usize => Ok(()),
            Err(_) => Err(NotSwitchedOn::AnotherIsOn),
        }
    }

    /// Why a mistake was not switched on.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
    pub enum NotSwitchedOn {
        /// There is no mistake of this name.
        #[error("there is no mutant of this name")]
        Unknown,
        /// Another one is switched on, for good.
        #[error("another mutant is switched on in this process")]
        AnotherIsOn,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_words_with_hyphens_and_differ() {
        assert_eq!(Mutation::NoFillGuard.name(), "no-fill-guard");
        assert_eq!(Mutation::LateEchoIsAClone.name(), "late-echo-is-a-clone");
        let names: BTreeSet<_> = Mutation::ALL.iter().map(|mutation| mutation.name()).collect();
        assert_eq!(names.len(), Mutation::ALL.len());
    }

    #[test]
    fn descriptions_are_sentences() {
        for mutation in Mutation::ALL {
            let description = mutation.description();
            assert!(description.ends_with('.'), "{mutation:?}: {description}");
            assert!(!description.contains("  "), "{mutation:?}: {description}");
        }
    }

    // Under the test harness all tests of a process share the switch: one does all that concerns it.
    #[cfg(all(unstale_mutants, not(feature = "model")))]
    #[test]
    fn one_is_switched_on_for_good() {
        assert_eq!(switch_on("no-such-mutant"), Err(NotSwitchedOn::Unknown));
        assert!(Mutation::ALL.iter().all(|mutation| !active(*mutation)));
        // One that no code of this crate asks for.
        switch_on("clock-stops-in-suspend").unwrap();
        assert!(active(Mutation::ClockStopsInSuspend) && !active(Mutation::NoFillGuard));
        assert_eq!(switch_on("no-fill-guard"), Err(NotSwitchedOn::AnotherIsOn));
        assert_eq!(switch_on("clock-stops-in-suspend"), Ok(()));
    }
}
