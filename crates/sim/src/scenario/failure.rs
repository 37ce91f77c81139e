//! What a scenario hands back when something did not hold.

use std::fmt;

use crate::oracle::Violation;
use crate::plan::Plan;
use crate::report::Report;

/// A guarantee did not hold, or a run panicked. It says which, and how to see it again.
#[derive(Clone, thiserror::Error)]
#[error("{}: {}; repeat it with `{}`", .report.verdict.headline, .violation.what, .report.reproduce)]
#[non_exhaustive]
pub struct Failure {
    /// What was wrong first, in the first of the worst runs. Its guarantee is `G1` … `G9` (see the crate `unstale`),
    /// `NV` if the run proved nothing or a process or broker ended with an error, or `panic`.
    pub violation: Violation,
    /// The seed of that run.
    pub seed: u64,
    /// What happened in it, to be kept or changed: see [`Scenario::run_plan`](super::Scenario::run_plan).
    pub plan: Box<Plan>,
    /// The report on all runs.
    pub report: Box<Report>,
}

/// Short: a plan has thousands of entries, and this is what `unwrap` prints.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("violation", &self.violation)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
