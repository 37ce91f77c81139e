//! What came out of a run.

use std::fmt;

/// What came out of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The transport keeps this part of the contract.
    Passed,
    /// The case does not apply, and why.
    Skipped(String),
    /// The transport breaks the contract, and how.
    Failed(String),
}

/// What came out of every case, in the order of the run. Its `Display` is a table.
#[derive(Clone, Debug)]
#[must_use = "call `assert_passed()`, or look at `failures()`"]
pub struct Report {
    cases: Vec<(&'static str, Verdict)>,
}

impl Report {
    pub(super) fn new() -> Self {
        Self { cases: Vec::new() }
    }

    pub(super) fn add(&mut self, name: &'static str, verdict: Verdict) {
        self.cases.push((name, verdict));
    }

    /// Every case's name and verdict.
    pub fn cases(&self) -> impl Iterator<Item = (&'static str, &Verdict)> {
        self.cases.iter().map(|(name, verdict)| (*name, verdict))
    }

    /// The failed cases, and why.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.cases().filter_map(|(name, verdict)| match verdict {
            Verdict::Failed(reason) => Some((name, reason.as_str())),
            _ => None,
        })
    }

    /// The skipped cases, and why. A harness that should have all hooks asserts that there are none.
    pub fn skipped(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.cases().filter_map(|(name, verdict)| match verdict {
            Verdict::Skipped(reason) => Some((name, reason.as_str())),
            _ => None,
        })
    }

    /// Prints the report.
    ///
    /// # Panics
    /// When a case failed; the message is the report.
    pub fn assert_passed(&self) {
        assert!(self.failures().next().is_none(), "{self}");
        println!("{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, verdict) in self.cases() {
            match verdict {
                Verdict::Passed => writeln!(f, "passed   {name}")?,
                Verdict::Skipped(reason) => writeln!(f, "skipped  {name}: {reason}")?,
                Verdict::Failed(reason) => writeln!(f, "FAILED   {name}: {reason}")?,
            }
        }
        let failed = self.failures().count();
        let skipped = self.skipped().count();
        let passed = self.cases.len() - failed - skipped;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}
