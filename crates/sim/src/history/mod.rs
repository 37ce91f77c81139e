//! The god's-eye view: everything that happens, in order, with the judges who watch.

mod event;
mod facts;
mod trace;

use std::sync::Arc;

pub(crate) use event::{Event, Found, How, Place};
pub(crate) use facts::Facts;
pub(crate) use trace::Trace;

use crate::clock::{MachineClock, TrueTime};
use crate::measure::Measures;
use crate::oracle::{self, Findings, Oracle, Terms, Violation};

/// Everything that has happened in a run.
pub(crate) struct History {
    time: TrueTime,
    seq: u64,
    terms: Terms,
    pub(crate) facts: Facts,
    judges: Vec<(Box<dyn Oracle + Send>, Findings)>,
    pub(crate) measures: Measures,
    pub(crate) trace: Trace,
}

impl History {
    pub(crate) fn new(
        time: TrueTime,
        clocks: Vec<Arc<MachineClock>>,
        terms: Terms,
        measures: Measures,
        trace: Trace,
    ) -> Self {
        let judges = oracle::all().into_iter().map(|judge| (judge, Findings::default()));
        Self {
            time,
            seq: 0,
            terms,
            facts: Facts::new(clocks),
            judges: judges.collect(),
            measures,
            trace,
        }
    }

    /// Here and now, before anything else happens.
    pub(crate) fn here(&self) -> Place {
        Place { seq: self.seq, at: self.time.now() }
    }

    /// Takes in what happened. Returns its place.
    pub(crate) fn record(&mut self, event: &Event<'_>) -> Place {
        self.seq += 1;
        let place = self.here();
        self.trace.see(event, place);
        self.facts.see(event, place);
        for (judge, findings) in &mut self.judges {
            judge.see(event, place, &self.facts, &self.terms, findings);
        }
        self.measures.see(event, place, &self.facts, &self.terms);
        self.facts.returned(event, place);
        place
    }

    /// The first thing that was wrong, in order of time.
    pub(crate) fn first_violation(&self) -> Option<&Violation> {
        let first = self.judges.iter().filter_map(|(_, findings)| findings.first.as_ref());
        first.min_by_key(|violation| violation.at_ns)
    }

    /// What every judge has found: guarantee, its words, findings.
    pub(crate) fn findings(&self) -> impl Iterator<Item = (&'static str, &'static str, &Findings)> {
        self.judges.iter().map(|(judge, findings)| {
            let (id, name) = judge.name();
            (id, name, findings)
        })
    }
}
