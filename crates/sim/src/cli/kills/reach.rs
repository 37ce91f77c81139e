//! Where a mutant is hunted.

use self::Reach::{Driver, Everywhere, Focus, FocusedAzure, FocusedDriver, Models};

/// Who can notice it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Any storm of the second tier.
    Everywhere,
    /// The same with this sequence of faults, since what is broken needs several things in one order.
    Focus(&'static str),
    /// What is broken is no part of the second tier: the driver, the watchdog, loads that are joined, a transport.
    Driver,
    FocusedDriver(&'static str),
    /// It is in the Azure transport.
    FocusedAzure(&'static str),
    /// Two threads have to meet within a few instructions, and a simulation has one. The tests of the cache under
    /// shuttle (`crates/core/src/cache/model`) notice it; why nothing else does.
    Models(&'static str),
}

/// Those that not every storm reaches, by name.
const SPECIAL: &[(&str, Reach)] = &[
    // Loads and fills.
    ("fill-visible-before-check", Models("a reader has to come between two steps of one fill")),
    ("flight-lands-early", Models("keys have to arrive between two steps of one fill")),
    ("join-voided-load", FocusedDriver("joiners")),
    ("newer-load-does-not-void-older", Focus("overtaken")),
    ("joiner-ignores-as-of", Models("a reader has to join between two steps of a load")),
    (
        "refused-fill-leaves-older",
        Models("a proof has to reach further between two reads that bypass an entry"),
    ),
    ("overtaken-hands-out-its-own", Models("two loads of a key have to end at the same time")),
    ("loads-not-voided", Models("a load has to end between two steps of a new subscription")),
    ("entry-before-horizon", Models("the driver has to run between two steps of one hit")),
    ("barrier-before-horizon", Models("the driver has to drop between two steps of one hit")),
    ("drop-by-load-start", Focus("pages-meanwhile")),
    (
        "nested-key-noted-late",
        Models("an invalidation has to come between two steps of one nested read"),
    ),
    (
        "nested-takes-outer-tick",
        Models("an invalidation has to come between two nested reads of one load"),
    ),
    ("cell-freed-with-holder", Models("a cell has to be freed between two steps of one fill")),
    (
        "tag-without-cell-forgotten",
        Models("a tag has to be invalidated before the load that runs names it"),
    ),
    (
        "keys-watched-asked-early",
        Models("the first nested read has to come between two steps of one invalidation"),
    ),
    (
        "key-tick-before-removal",
        Models("a load has to begin between two steps of one invalidation"),
    ),
    // Applying.
    ("schema-mismatch-ignored", Focus("schemas")),
    // Gaps.
    ("no-gap-detection", Focus("unrepaired")),
    ("gap-does-not-stop-horizon", Focus("unrepaired")),
    ("gaps-not-requested", Focus("short-cuts")),
    ("gap-drops-to-horizon", Focus("unrepaired")),
    ("gaps-end-with-subscription", Focus("unrepaired-and-cut")),
    ("vector-closes-gap", Focus("told-by-others")),
    ("first-contact-in-replay-sets-baseline", Focus("new-in-replay")),
    ("first-contact-sets-baseline", Focus("new-origin")),
    ("ranges-overflow-covers", Focus("many-holes")),
    // Beacons.
    ("tail-beacons-off", Focus("silent-tail")),
    ("beacon-interval-not-reset", Focus("silent-tail")),
    ("beacons-not-rearmed", Focus("cut-in-silence")),
    ("slice-teaches-the-dead", Focus("the-dead")),
    ("sync-accepted-not-learned", Focus("dies-after-sync")),
    // Fences.
    ("fence-across-subscriptions", Focus("fences-of-others")),
    ("horizon-at-confirmation", Focus("fences-of-others")),
    ("horizon-is-the-largest", FocusedDriver("lanes-apart")),
    ("split-path-ignored", Focus("own-frame-lost")),
    ("missing-echo-not-resent", Focus("own-frame-lost")),
    ("late-fence-counts-as-connected", FocusedDriver("silent-network")),
    // The mark rule.
    ("no-drop-when-unwitnessed", Focus("nobody-knows")),
    ("baseline-at-echo", Focus("lost-while-adopting")),
    ("any-nonce-counts", Focus("answer-to-another")),
    ("incomplete-answer-counts", Focus("part-lost")),
    ("mark-moves-unsynced", Focus("cut-before-synced")),
    ("mark-without-attempt", Focus("late-attempt")),
    ("mark-outlives-sequencer", Focus("mark-of-a-replica")),
    ("witness-of-another-sequencer", Focus("witness-on-a-replica")),
    ("witness-without-mark", Focus("late-attempt")),
    ("older-mark-listed", Focus("two-marks")),
    ("reach-not-checked", Focus("log-overflows")),
    ("nobody-witnesses", Focus("short-cuts")),
    ("log-survives-subscription", Focus("nobody-listened")),
    ("replayed-enters-log", Focus("log-out-of-order")),
    ("own-echo-not-logged", Focus("one-witness")),
    ("anonymous-not-replayed", Focus("cut-before-synced")),
    ("anonymous-makes-mark", Focus("equal-anonymous")),
    // Identity.
    ("other-bytes-skipped", Focus("twins")),
    ("clone-not-noticed", Focus("twins")),
    ("twins-not-told-apart", Focus("equal-twins")),
    ("late-echo-is-a-clone", Focus("short-cuts")),
    ("entropy-not-stirred", Focus("equal-twins")),
    // Publishing.
    ("sealed-frame-changed", Focus("sealed-twice")),
    ("rejected-frame-forgotten", Focus("rejected")),
    ("overflow-drops", Focus("outbox-overflows")),
    ("tag-collapses-to-caches", Focus("tags-overflow")),
    // What cannot be read, and what does not fit.
    ("unreadable-ignored", Focus("unreadable")),
    ("unreadable-does-not-stop-horizon", Focus("unreadable")),
    ("lane-mismatch-ignored", Focus("other-lanes")),
    ("serving-again-keeps-entries", Focus("other-lanes")),
    // Time.
    ("suspend-not-noticed", FocusedDriver("suspended-and-cut-off")),
    ("clock-stops-in-suspend", Focus("suspended-and-cut-off")),
    // The Redis transport.
    ("demoted-primary-confirms", Driver),
    ("sequencer-is-run-id-only", FocusedDriver("demoted-and-back")),
    // The Azure transport.
    ("message-completed-before-applied", FocusedAzure("cut-on-its-way")),
    ("recreated-subscription-is-no-gap", FocusedAzure("subscription-vanishes")),
];

pub(super) fn of(name: &str) -> Reach {
    let special = SPECIAL.iter().find(|(special, _)| *special == name);
    special.map_or(Everywhere, |(_, reach)| *reach)
}

impl Reach {
    /// The options for the process that hunts it.
    pub(super) fn options(self) -> Vec<&'static str> {
        match self {
            Everywhere | Models(_) => Vec::new(),
            Focus(focus) => vec!["--focus", focus],
            FocusedAzure(focus) => vec!["--transport", "azure", "--focus", focus],
            Driver => vec!["--transport", "redis"],
            FocusedDriver(focus) => vec!["--transport", "redis", "--focus", focus],
        }
    }

    /// What it is hunted with, in words.
    pub(super) fn describe(self) -> String {
        match self {
            Everywhere => "storms".to_owned(),
            Focus(focus) => focus.to_owned(),
            FocusedAzure(focus) => format!("{focus} over Azure, tier 1"),
            Driver => "storms, tier 1".to_owned(),
            FocusedDriver(focus) => format!("{focus}, tier 1"),
            Models(_) => "model tests".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_focus_in_the_table_exists() {
        for (_, reach) in SPECIAL {
            if let Focus(focus) | FocusedDriver(focus) | FocusedAzure(focus) = reach {
                assert!(crate::plan::focus(focus).is_some(), "{focus}");
            }
        }
    }

    #[test]
    fn some_are_reached_everywhere() {
        assert_eq!(of("no-fill-guard"), Everywhere);
        assert!(matches!(of("entry-before-horizon"), Models(_)));
    }

    #[cfg(unstale_mutants)]
    #[test]
    fn every_name_in_the_table_is_that_of_a_mutant() {
        for (name, _) in SPECIAL {
            assert!(crate::mutants::all().iter().any(|mutant| mutant.name == *name), "{name}");
        }
    }
}
