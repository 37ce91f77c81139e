//! One judge for each guarantee.
//!
//! They are fed with everything that happens, in order, after [`Facts`] has taken it in. None draws a random
//! number, waits, or changes the run.

mod bounded_staleness;
mod bounded_tables;
mod closure;
mod convergence;
mod duplicates;
mod monotonic;
mod nothing_lost;
mod other_lanes;
mod prompt_repair;
mod read_your_writes;
mod stale_fill;
mod vacuity;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::history::{Event, Facts, Place};
use crate::plan::{FaultKind, Mode, Plan};
use crate::value::CacheName;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// `G1` … `G9`, `PR` for prompt repair, `LN` for other lanes, or `NV` for non-vacuity.
    pub guarantee: String,
    /// True time since the start, in nanoseconds.
    pub at_ns: u64,
    /// Whom it concerns.
    pub nodes: Vec<usize>,
    /// In a sentence.
    pub what: String,
}

impl Violation {
    /// Whether it says that nothing was proven, or that the nodes did not converge in time; else something wrong
    /// was served or kept.
    pub fn is_liveness(&self) -> bool {
        matches!(self.guarantee.as_str(), "NV" | "G2" | "PR")
    }
}

/// What the judges may know beside the facts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// The bound of reads of each cache; none for those that promise none.
    pub(crate) within: Option<Duration>,
    /// Whether anything is promised at all.
    pub(crate) naive: bool,
    /// [`Plan::orderly`].
    pub(crate) orderly: bool,
    /// Whether what is applied must be exactly what was named: nothing was too much, and nobody changed its identity.
    pub(crate) exact: bool,
    /// For how long the second cache serves without a connection, if not for ever.
    pub(crate) lasting_cap: Option<Duration>,
    /// For how long silent nodes are listed, if that is shorter than a run.
    pub(crate) listed_for: Option<Duration>,
}

/// Without fences for longer than this a node with a bound of half a second knows that something is wrong: one comes
/// every third of the bound, and is late after half a second. A tick of the watchdog, and what it needs, is added.
const UNNOTICED: Duration = Duration::from_millis(167 + 500 + 80);

impl Terms {
    pub(crate) fn of(plan: &Plan) -> Self {
        let topology = &plan.topology;
        let coarse = plan
            .faults
            .iter()
            .any(|it| matches!(it.kind, FaultKind::Clone { .. } | FaultKind::Reject { .. }));
        Self {
            within: topology.mode.within(),
            naive: topology.mode == Mode::Naive,
            orderly: plan.orderly,
            exact: !coarse && !topology.tiny_tables && topology.mode != Mode::Naive,
            lasting_cap: topology.lasting_cap_ms.map(Duration::from_millis),
            listed_for: topology.short_memory.then_some(crate::tier2::SHORT_WINDOW),
        }
    }

    /// How stale a read of this cache may be.
    pub(crate) fn within(&self, cache: CacheName) -> Option<Duration> {
        match cache {
            CacheName::Rows | CacheName::Shelves => self.within,
            CacheName::Lasting => self.lasting_cap.map(|cap| cap + UNNOTICED),
            CacheName::Pages => self.within.map(|within| within / 2),
        }
    }
}

/// What an oracle found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) checked: u64,
    pub(crate) broken: u64,
    pub(crate) first: Option<Violation>,
}

impl Findings {
    fn check(&mut self, holds: bool, violation: impl FnOnce() -> Violation) {
        self.checked += 1;
        if !holds {
            self.broken += 1;
            self.first.get_or_insert_with(violation);
        }
    }
}

/// Judges what happens.
pub(crate) trait Oracle {
    /// `G1`, say, and a few words.
    fn name(&self) -> (&'static str, &'static str);
    /// Judges one event.
    fn see(
        &mut self,
        event: &Event<'_>,
        place: Place,
        facts: &Facts,
        terms: &Terms,
        findings: &mut Findings,
    );
}

/// All of them.
pub(crate) fn all() -> Vec<Box<dyn Oracle + Send>> {
    vec![
        Box::new(read_your_writes::ReadYourWrites),
        Box::new(convergence::Convergence::default()),
        Box::new(bounded_staleness::BoundedStaleness),
        Box::new(stale_fill::StaleFill),
        Box::new(monotonic::Monotonic),
        Box::new(nothing_lost::NothingLost),
        Box::new(closure::Closure),
        Box::new(bounded_tables::BoundedTables),
        Box::new(duplicates::Duplicates),
        Box::new(prompt_repair::PromptRepair),
        Box::new(other_lanes::OtherLanes),
        Box::new(vacuity::Vacuity::default()),
    ]
}

fn violation(guarantee: &str, place: Place, nodes: Vec<usize>, what: String) -> Violation {
    Violation { guarantee: guarantee.to_owned(), at_ns: place.at, nodes, what }
}
