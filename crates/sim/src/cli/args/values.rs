//! What options may say.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use crate::plan::{self, Mode, Plan, Profile};

const MOST_NODES: usize = 20_000;
const MOST_SECONDS: f64 = 86_400.0;
/// What a swarm needs: time for faults, and to converge.
const SHORTEST_SWARM_S: u64 = 15;
const SHORTEST_ROLLING_S: u64 = 5;

/// `A..B`, or `N` for `0..N`.
pub(super) fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").unwrap_or(("0", text));
    match (from.parse(), to.parse()) {
        (Ok(from), Ok(to)) if from < to => Ok(from..to),
        (Ok(_), Ok(_)) => Err("no seeds; the second number must be larger, as in 0..100".into()),
        _ => Err("not a range of seeds; write 0..100, say".into()),
    }
}

pub(super) fn seed(text: &str) -> Result<Range<u64>, String> {
    match text.parse::<u64>() {
        Ok(seed) if seed < u64::MAX => Ok(seed..seed + 1),
        _ => Err("not a seed; write a number, as a report does".into()),
    }
}

pub(super) fn nodes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(nodes) if (1..=MOST_NODES).contains(&nodes) => Ok(nodes),
        _ => Err(format!("not a number of nodes; write one of 1 to {MOST_NODES}")),
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (1.0..=MOST_SECONDS).contains(&seconds) => {
            // Plans count milliseconds.
            Ok(Duration::from_millis((seconds * 1e3).round() as u64))
        }
        _ => Err(format!("not a time in seconds; write one of 1 to {MOST_SECONDS}")),
    }
}

/// The name of a focus.
pub(super) fn focus(text: &str) -> Result<&'static str, String> {
    let named = plan::focus(text).map(|focus| focus.name);
    let names = || plan::focuses().map(|focus| focus.name).collect::<Vec<_>>().join(", ");
    named.ok_or_else(|| format!("no such focus; one of {}", names()))
}

pub(super) fn freshness(text: &str) -> Result<Mode, String> {
    match text {
        "eventual" => Ok(Mode::Eventual),
        "naive" => Ok(Mode::Naive),
        _ => match text.parse() {
            Ok(ms) if ms > 0 => Ok(Mode::Within { ms }),
            _ => Err("not a bound in milliseconds; write 500, say, or eventual, or naive".into()),
        },
    }
}

/// Whether a run of this profile can take so long.
pub(super) fn fits(profile: Profile, duration: Option<Duration>) -> Result<(), String> {
    let Some(duration) = duration else { return Ok(()) };
    let seconds = duration.as_secs_f64();
    let at_least = |shortest: u64| {
        if duration < Duration::from_secs(shortest) {
            return Err(format!(
                "--duration {seconds}: a {profile} takes {shortest} s at least; write so many or more"
            ));
        }
        Ok(())
    };
    match profile {
        Profile::Storm => Err(format!(
            "--duration {seconds}: a storm always takes 15 s; leave it out, or choose another profile"
        )),
        Profile::Swarm => at_least(SHORTEST_SWARM_S),
        Profile::Rolling => at_least(SHORTEST_ROLLING_S),
        Profile::Calm => Ok(()),
    }
}

/// A plan that was written by a run.
pub(super) fn plan(path: &Path) -> Result<Plan, String> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        format!("--plan {name}: {error}; name a plan.json that a run has written")
    })?;
    let plan: Plan = serde_json::from_str(&text).map_err(|error| {
        format!("--plan {name}: not a plan: {error}; take a plan.json of this version")
    })?;
    let count = plan.topology.nodes;
    let faulty = plan.faults.iter().flat_map(|fault| fault.kind.nodes());
    match faulty.chain(plan.workload.iter().map(|op| op.node)).find(|node| *node >= count) {
        Some(node) => Err(format!(
            "--plan {name}: it names node {node}, and has {count}; correct topology.nodes"
        )),
        None => Ok(plan),
    }
}
