//! A run that may end badly: a panic in it is its failure, and nobody else's.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::oracle::Violation;
use crate::plan::Plan;
use crate::run::{Options, Outcome};
use crate::tiers::{self, CannotRun, Tier, TransportKind};

/// What takes the place of a guarantee's name where a run panicked.
pub(crate) const PANIC: &str = "panic";

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// `None` after a panic.
    pub(crate) outcome: Option<Outcome>,
    /// The first thing that was wrong.
    pub(crate) violation: Option<Violation>,
}

/// Runs a plan to its end, or to a panic.
pub(crate) fn attempt(
    tier: Tier,
    transport: TransportKind,
    plan: &Plan,
    options: Options,
) -> Result<Attempt, CannotRun> {
    match caught(|| tiers::run(tier, transport, plan, options)) {
        Ok(outcome) => outcome.map(Attempt::of),
        Err(what) => Ok(Attempt::panicked(what)),
    }
}

/// The same for whatever runs a plan and can run them all.
pub(crate) fn attempt_with(run: impl FnOnce() -> Outcome) -> Attempt {
    caught(run).map_or_else(Attempt::panicked, Attempt::of)
}

impl Attempt {
    fn of(outcome: Outcome) -> Self {
        let violation = outcome.violation.clone();
        Self { outcome: Some(outcome), violation }
    }

    fn panicked(what: String) -> Self {
        let guarantee = PANIC.to_owned();
        let violation = Violation { guarantee, at_ns: 0, nodes: Vec::new(), what };
        Self { outcome: None, violation: Some(violation) }
    }
}

std::thread_local! {
    /// What the last panic said, while a run is watched on this thread.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Calls `run`; of a panic it returns what that said and where, and nothing is printed.
fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            let watched = SAID.with_borrow_mut(|said| {
                said.as_mut().map(|said| *said = describe(panic)).is_some()
            });
            if !watched {
                usual(panic);
            }
        }));
    });
    SAID.set(Some(String::new()));
    let result = catch_unwind(AssertUnwindSafe(run));
    let said = SAID.take().unwrap_or_default();
    result.map_err(|_| said)
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let payload = panic.payload();
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words");
    match panic.location() {
        Some(place) => format!("{text}, at {}:{}", place.file(), place.line()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Request;

    #[test]
    fn a_panic_is_words_and_a_place() {
        let said = caught(|| -> u32 { panic!("the node {} is gone", 3) }).unwrap_err();
        assert!(said.starts_with("the node 3 is gone, at ") && said.contains("attempt.rs:"));
        assert_eq!(caught(|| 7), Ok(7));
    }

    #[test]
    fn a_plan_that_cannot_be_run_is_a_failure_of_that_plan() {
        let mut plan = Plan::draw(&Request::default(), 0);
        plan.topology.nodes = 0;
        let attempt = attempt(Tier::Two, TransportKind::Memory, &plan, Options::default()).unwrap();
        assert!(attempt.outcome.is_none());
        assert_eq!(attempt.violation.unwrap().guarantee, PANIC);
    }
}
