//! One suite that every transport must pass.
//!
//! [`run`] is the only entry: it runs *every* case of the [contract](crate::Transport) on a transport. What a
//! transport declares in its [`Capabilities`](crate::transport::Capabilities) and what its [`Harness`] can
//! do to the broker decides which cases apply; one that does not is counted and printed with the reason.
//!
//! ```
//! # use std::sync::Arc;
//! # use unstale::{Runtime, TokioRuntime, Transport};
//! use unstale::conformance::{self, Harness};
//!
//! struct MyHarness(/* … */);
//!
//! #[async_trait::async_trait]
//! impl Harness for MyHarness {
//!     fn runtime(&self) -> Arc<dyn Runtime> {
//!         Arc::new(TokioRuntime::new())
//!     }
//!
//!     async fn transport(&self, channel: u32) -> Arc<dyn Transport> {
//!         # let _ = channel;
//!         # std::future::pending().await
//!         /* a new transport on the channel of this number */
//!     }
//! }
//!
//! async fn my_transport_keeps_the_contract() {
//!     conformance::run(&MyHarness()).await.assert_passed();
//! }
//! ```

mod cases;
mod harness;
mod lab;
mod reader;
mod report;
mod stamp;
mod traffic;

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

pub use harness::{Harness, Hook};
pub use report::{Report, Verdict};

use lab::{Checks, Lab, Stop};

/// A case may take this many times the time limit of one wait: a flood of wrong items must end, too.
const WAITS_PER_CASE: u32 = 30;

/// Runs every case, one after the other, and reports on all of them.
///
/// # Cancel safety
/// Dropping the future stops the suite and what it started in the background; an outage that a case began
/// is then not ended.
pub async fn run(harness: &dyn Harness) -> Report {
    let checks = Checks::new(harness);
    let mut report = Report::new();
    for (channel, case) in (0..).zip(cases::ALL) {
        let lab = Lab::new(harness, checks.clone(), channel);
        let limit = checks.time_limit.saturating_mul(WAITS_PER_CASE);
        let ran = AssertUnwindSafe(checks.within_limit(case.name, limit, (case.run)(&lab)));
        let verdict = match ran.catch_unwind().await {
            Ok(Ok(Ok(()))) => Verdict::Passed,
            Ok(Ok(Err(stop)) | Err(stop)) => stop.into(),
            Err(panic) => Verdict::Failed(format!("it panicked: {}", text_of(&*panic))),
        };
        report.add(case.name, verdict);
    }
    report
}

/// What a panic says, where it says it with a text.
fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a text")
}

impl From<Stop> for Verdict {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Skip(reason) => Self::Skipped(reason),
            Stop::Fail(reason) => Self::Failed(reason),
        }
    }
}
