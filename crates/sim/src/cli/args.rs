//! From arguments to what is wanted.

mod values;

use std::ffi::OsString;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Arg::{Long, Short};
use lexopt::{Parser, ValueExt as _};

use super::batch::Batch;
use crate::plan::{Mode, Profile, Request};
use crate::tiers::{Tier, TransportKind};

/// An argument that makes no sense, and what would.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}\nTry `cargo xtask sim --help`.")]
pub(super) struct Usage(String);

impl From<lexopt::Error> for Usage {
    fn from(error: lexopt::Error) -> Self {
        Self(error.to_string())
    }
}

fn usage<T>(what: impl Into<String>) -> Result<T, Usage> {
    Err(Usage(what.into()))
}

/// What is wanted.
#[derive(Debug, PartialEq)]
pub(super) struct Args {
    pub(super) what: What,
    pub(super) out: PathBuf,
    pub(super) json: bool,
    pub(super) shrink: bool,
    pub(super) traces: bool,
    /// Which mistake is to be switched on.
    pub(super) mutant: Option<String>,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum What {
    Help,
    ListMutants,
    /// Some of everything.
    Representative,
    /// Much of everything, and no cell of the coverage table may be empty.
    Nightly,
    Batch(Batch),
    /// The same with each focus in turn.
    EachFocus(Batch),
    /// Until the mutant is noticed.
    Mutant(Batch),
    /// One mutant over several ranges of seeds, for the table.
    Ranges(Batch),
    /// The options to hand on, with the seeds that are divided into ranges.
    AllMutants(Vec<OsString>),
    Compare(Batch),
}

/// Options as they were given.
#[derive(Debug, Default)]
struct Given {
    tier: Option<Tier>,
    transport: Option<TransportKind>,
    profile: Option<Profile>,
    seeds: Option<Range<u64>>,
    nodes: Option<usize>,
    duration: Option<Duration>,
    mode: Option<Mode>,
    focus: Option<&'static str>,
    each_focus: bool,
    plan: Option<PathBuf>,
    mutant: Option<String>,
    out: Option<PathBuf>,
    help: bool,
    nightly: bool,
    list_mutants: bool,
    ranges: bool,
    compare: bool,
    shrink: bool,
    json: bool,
    traces: bool,
    /// Those that choose what is run, as they were written.
    handed_on: Vec<OsString>,
}

/// Reads arguments.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Args, Usage> {
    let given = read(arguments)?;
    let what = what(&given)?;
    Ok(Args {
        what,
        out: given.out.unwrap_or_else(|| PathBuf::from("target/sim")),
        json: given.json,
        shrink: given.shrink,
        traces: given.traces,
        mutant: given.mutant,
    })
}

fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Given, Usage> {
    let mut given = Given::default();
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        let Long(name) = argument else {
            if argument == Short('h') {
                given.help = true;
                continue;
            }
            return Err(argument.unexpected().into());
        };
        let name = name.to_owned();
        match name.as_str() {
            "help" => given.help = true,
            "nightly" => given.nightly = true,
            "mutants" => given.list_mutants = true,
            "ranges" => given.ranges = true,
            "compare" => given.compare = true,
            "shrink" => given.shrink = true,
            "json" => given.json = true,
            "traces" => given.traces = true,
            "out" => given.out = Some(parser.value()?.into()),
            "plan" => given.plan = Some(parser.value()?.into()),
            "mutant" => given.mutant = Some(parser.value()?.string()?),
            _ => {
                if !is_choice(&name) {
                    return Err(Long(&name).unexpected().into());
                }
                let value = parser.value()?.string()?;
                choose(&mut given, &name, &value)
                    .map_err(|error| Usage(format!("--{name} {value}: {error}")))?;
                given.handed_on.extend([format!("--{name}").into(), value.into()]);
            }
        }
    }
    Ok(given)
}

fn is_choice(name: &str) -> bool {
    ["tier", "transport", "profile", "focus", "seeds", "seed", "nodes", "duration", "freshness"]
        .contains(&name)
}

/// Takes in an option that chooses what is run.
fn choose(given: &mut Given, name: &str, value: &str) -> Result<(), String> {
    match name {
        "tier" => given.tier = Some(value.parse()?),
        "transport" => given.transport = Some(value.parse()?),
        "profile" => given.profile = Some(value.parse()?),
        "seeds" => given.seeds = Some(values::seeds(value)?),
        "seed" => given.seeds = Some(values::seed(value)?),
        "nodes" => given.nodes = Some(values::nodes(value)?),
        "focus" if value == "all" => given.each_focus = true,
        "focus" => given.focus = Some(values::focus(value)?),
        "duration" => given.duration = Some(values::duration(value)?),
        _ => given.mode = Some(values::freshness(value)?),
    }
    Ok(())
}

fn what(given: &Given) -> Result<What, Usage> {
    if given.help {
        return Ok(What::Help);
    }
    if given.list_mutants {
        return Ok(What::ListMutants);
    }
    if given.nightly {
        return nightly(given);
    }
    if given.ranges && given.mutant.is_none() {
        return usage("--ranges: of which mutant? Add --mutant NAME");
    }
    if given.compare && (given.mutant.is_some() || given.plan.is_some()) {
        return usage("--compare draws plans of its own; leave out --mutant and --plan");
    }
    if given.each_focus && given.mutant.is_some() {
        return usage("--focus all: a mutant is hunted with one; name it, or leave it out");
    }
    match given.mutant.as_deref() {
        Some("all") if given.plan.is_some() => {
            usage("--mutant all draws its plans; leave out --plan, or name one mutant")
        }
        Some("all") => {
            // What is wrong with the options shows here, and not in every child.
            batch(given, Profile::Storm, 0..1)?;
            Ok(What::AllMutants(given.handed_on.clone()))
        }
        Some(_) if given.ranges => Ok(What::Ranges(batch(given, Profile::Storm, 0..500)?)),
        Some(_) => Ok(What::Mutant(batch(given, Profile::Storm, 0..100)?)),
        None if given.compare => compare(given),
        None if given.each_focus => Ok(What::EachFocus(batch(given, Profile::Storm, 0..4)?)),
        None if given.handed_on.is_empty() && given.plan.is_none() => Ok(What::Representative),
        None => {
            let profile = given.profile.unwrap_or_default();
            let few = matches!(profile, Profile::Calm | Profile::Rolling);
            Ok(What::Batch(batch(given, profile, if few { 0..1 } else { 0..20 })?))
        }
    }
}

fn nightly(given: &Given) -> Result<What, Usage> {
    let others = given.compare || given.ranges || given.mutant.is_some() || given.plan.is_some();
    if others || !given.handed_on.is_empty() {
        return usage(
            "--nightly says itself what is run; leave out all options but --out, --json, --shrink, --traces",
        );
    }
    Ok(What::Nightly)
}

/// The partition results: the second tier knows all modes.
fn compare(given: &Given) -> Result<What, Usage> {
    if given.tier.is_some_and(|tier| tier != Tier::Two) || given.transport.is_some() {
        return usage("--compare: only tier 2 knows all modes; leave out --tier and --transport");
    }
    if given.mode.is_some() || given.profile.is_some_and(|it| it != Profile::Rolling) {
        return usage(
            "--compare goes through the modes itself, with the rolling profile; leave out --freshness and --profile",
        );
    }
    Ok(What::Compare(batch(given, Profile::Rolling, 0..3)?))
}

fn batch(given: &Given, profile: Profile, seeds: Range<u64>) -> Result<Batch, Usage> {
    let tier = match (given.tier, given.transport) {
        (Some(Tier::Two), Some(transport)) => {
            return usage(format!(
                "--transport {transport}: tier 2 has a broker of its own; leave it out, or choose --tier 1 or 3"
            ));
        }
        (Some(tier), _) => tier,
        (None, Some(_)) => Tier::One,
        (None, None) => Tier::Two,
    };
    if given.mode == Some(Mode::Naive) && tier != Tier::Two {
        return usage("--freshness naive: only tier 2 has naive nodes; choose --tier 2");
    }
    let transport = given.transport.unwrap_or(TransportKind::Redis);
    let profile = given.profile.unwrap_or(profile);
    let focused = given.focus.is_some() || given.each_focus;
    if focused && given.profile.is_some_and(|it| it != Profile::Storm) {
        return usage(format!("--profile {profile}: a focus is a storm; leave one of them out"));
    }
    let profile = if focused { Profile::Storm } else { profile };
    values::fits(profile, given.duration).map_err(Usage)?;
    let request = Request {
        profile,
        nodes: given.nodes,
        duration: given.duration,
        mode: given.mode,
        native_fences: None,
        focus: given.focus,
        kept_subscriptions: transport == TransportKind::Azure,
    };
    let mut seeds = given.seeds.clone().unwrap_or(seeds);
    let plan = match &given.plan {
        None => None,
        Some(path) => {
            if let Some(option) = given.handed_on.iter().find(|it| clashes_with_a_plan(it)) {
                let option = option.to_string_lossy();
                return usage(format!("{option}: the plan says so already; leave it out"));
            }
            let plan = values::plan(path).map_err(Usage)?;
            seeds = plan.seed..plan.seed.saturating_add(1);
            Some((path.clone(), Box::new(plan)))
        }
    };
    Ok(Batch { tier, transport, request, seeds, given: plan })
}

fn clashes_with_a_plan(option: &OsString) -> bool {
    let option = option.to_string_lossy();
    let carriers = ["--tier", "--transport"];
    option.starts_with("--") && !carriers.contains(&option.as_ref())
}

#[cfg(test)]
mod tests;
