//! All that is done with one library.

use std::io;
use std::path::Path;

use crate::adapter::Hello;
use crate::bench::{Bench, Launch};
use crate::case::{Case, Means};
use crate::report::{Line, Outcome, Subject};
use crate::speed::{self, Effort, Speed};
use crate::{fault, race};

/// How many trials share one fault.
const BATCH: usize = 20;
/// How often a library is started again when it does not do what it does without faults.
const ATTEMPTS: usize = 3;

/// How much is done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is tried.
    pub cases: Vec<Case>,
    /// Trials of each case.
    pub trials: usize,
    /// Trials without a fault.
    pub control_trials: usize,
    /// What is measured of its speed, if anything.
    pub speed: Option<Effort>,
}

/// Measures and tries a library; also the server's version.
///
/// # Errors
/// When it cannot be started, or does not work at all.
pub async fn run(
    redis_server: &Path,
    launcher: &dyn Launch,
    plan: &Plan,
) -> io::Result<(Subject, String)> {
    let mut bench = Bench::new(redis_server, launcher).await?;
    let redis = bench.redis().await?.info("server", "redis_version").await?;
    bench.renew_without_proxy().await?;
    let adapter = bench.adapter()?;
    let hello = adapter.hello.clone();
    eprintln!("{} {} ({})", hello.name, hello.version, hello.language);
    let speed = match plan.speed {
        Some(effort) => Some(speed::measure(&adapter, effort).await),
        None => None,
    };
    drop(adapter);
    let speed = speed.inspect(|speed| eprintln!("  {speed:?}"));

    let mut control = Vec::new();
    for (case, means) in [
        (Case::KeyDuringLoad, Means::Key),
        (Case::TagDuringLoad, Means::Tag),
        (Case::ClearDuringLoad, Means::Clear),
    ] {
        let line = try_case(&mut bench, &hello, case, plan.control_trials, Work::Control(means));
        control.push(shown("without a fault", line.await));
    }
    let mut scoreboard = Vec::new();
    for &case in &plan.cases {
        let line = try_case(&mut bench, &hello, case, plan.trials, Work::Case);
        scoreboard.push(shown("", line.await));
    }
    bench.end().await;
    Ok((subject(hello, speed, control, scoreboard), redis))
}

fn subject(
    hello: Hello,
    speed: Option<Speed>,
    control: Vec<Line>,
    scoreboard: Vec<Line>,
) -> Subject {
    let Hello { name, version, language, kind, notes, .. } = hello;
    let (hits_per_s, latency_us, keys_per_s) = match speed {
        Some(speed) => (Some(speed.hits_per_s), Some(speed.latency_us), Some(speed.keys_per_s)),
        None => (None, None, None),
    };
    Subject {
        name,
        version,
        language,
        kind,
        notes,
        hits_per_s,
        latency_us,
        keys_per_s,
        control,
        scoreboard,
    }
}

fn shown(prefix: &str, line: Line) -> Line {
    let Line { case, trials, stale, never, unanswered, .. } = &line;
    let result = match (&line.unsupported, line.until_right_ms) {
        (Some(why), _) => format!("not tried: {why}"),
        (None, right) => format!(
            "{stale} of {trials} stale, {never} never right, {unanswered} unanswered, {right:?}"
        ),
    };
    eprintln!("  {case:?} {prefix}: {result}");
    line
}

/// What a batch does.
#[derive(Clone, Copy)]
enum Work {
    /// The change alone.
    Control(Means),
    /// What the case says.
    Case,
}

/// All trials of a case, with an adapter of its own.
async fn try_case(
    bench: &mut Bench<'_>,
    hello: &Hello,
    case: Case,
    trials: usize,
    work: Work,
) -> Line {
    if let Some(why) = case.lacks(hello) {
        return Line::unsupported(case, why);
    }
    bench.end().await;
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut failures = 0;
    while outcomes.len() < trials {
        let count = BATCH.min(trials - outcomes.len());
        match batch(bench, case, count, work).await {
            Ok(batch) => outcomes.extend(batch),
            Err(error) => {
                failures += 1;
                eprintln!("  {case:?}: {error}");
                if failures == ATTEMPTS {
                    return Line::unsupported(case, format!("failed: {error}"));
                }
                // It goes on with a new adapter.
                bench.end().await;
                if let Err(error) = bench.repair().await {
                    return Line::unsupported(case, format!("failed: {error}"));
                }
            }
        }
    }
    Line::of(case, &outcomes)
}

async fn batch(
    bench: &mut Bench<'_>,
    case: Case,
    trials: usize,
    work: Work,
) -> io::Result<Vec<Outcome>> {
    // What the last fault broke for good is replaced: each fault meets a library that works.
    if bench.adapter().is_err() || !bench.works().await? {
        bench.renew().await?;
    }
    match work {
        Work::Control(means) => fault::control(bench, means, trials).await,
        Work::Case if case.is_race() => race::run(bench, case.means(), trials).await,
        Work::Case => fault::run(bench, case, trials).await,
    }
}
