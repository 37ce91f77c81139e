//! Who can notice a mutant at all.

/// Who can notice it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Every tier.
    Everywhere,
    /// What is broken is no part of the second tier: the driver, the watchdog, loads that are joined, a transport.
    Driver,
    /// Two threads have to meet within a few instructions, and a simulation has one. The tests of the cache under
    /// shuttle (`crates/core/src/cache/model`) notice it; why nothing else does.
    Models(&'static str),
}

/// Those that not everything reaches, by name.
const SPECIAL: [(&str, Reach); 12] = [
    ("join-voided-load", Reach::Driver),
    ("joiner-ignores-as-of", Reach::Driver),
    ("horizon-is-the-largest", Reach::Driver),
    ("late-fence-counts-as-connected", Reach::Driver),
    ("suspend-not-noticed", Reach::Driver),
    ("demoted-primary-confirms", Reach::Driver),
    ("sequencer-is-run-id-only", Reach::Driver),
    ("entry-before-horizon", Reach::Models("the driver has to run between two steps of one hit")),
    (
        "fill-visible-before-check",
        Reach::Models("a reader has to come between two steps of one fill"),
    ),
    (
        "key-tick-before-removal",
        Reach::Models("a load has to begin between two steps of one invalidation"),
    ),
    (
        "nested-key-noted-late",
        Reach::Models("an invalidation has to come between two steps of one nested read"),
    ),
    (
        "cell-freed-with-holder",
        Reach::Models("a cell has to be freed between two steps of one fill"),
    ),
];

pub(super) fn of(name: &str) -> Reach {
    let special = SPECIAL.iter().find(|(special, _)| *special == name);
    special.map_or(Reach::Everywhere, |(_, reach)| *reach)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_are_reached_everywhere() {
        assert_eq!(of("no-gap-detection"), Reach::Everywhere);
        assert!(matches!(of("entry-before-horizon"), Reach::Models(_)));
    }

    #[cfg(unstale_mutants)]
    #[test]
    fn every_name_in_the_table_is_that_of_a_mutant() {
        for (name, _) in SPECIAL {
            assert!(crate::mutants::all().iter().any(|mutant| mutant.name == name), "{name}");
        }
    }
}
