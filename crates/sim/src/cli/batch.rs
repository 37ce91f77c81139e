//! Runs that belong together.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::PathBuf;

use crate::plan::{self, Mode, Plan, Profile, Request};
use crate::tiers::{Tier, TransportKind};

/// A range of seeds, all else being equal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Batch {
    pub(super) tier: Tier,
    pub(super) transport: TransportKind,
    pub(super) request: Request,
    pub(super) seeds: Range<u64>,
    /// A plan that takes the place of those that are drawn, and where it was read.
    pub(super) given: Option<(PathBuf, Box<Plan>)>,
}

impl Batch {
    /// Ordinary runs in the second tier.
    pub(super) fn new(profile: Profile, seeds: Range<u64>) -> Self {
        Self {
            tier: Tier::Two,
            transport: TransportKind::Redis,
            request: Request { profile, ..Request::default() },
            seeds,
            given: None,
        }
    }

    /// The same with each focus in turn.
    pub(super) fn with_each_focus(&self) -> Vec<Self> {
        let focused = |focus: &plan::Focus| Self {
            request: Request { focus: Some(focus.name), ..self.request },
            ..self.clone()
        };
        plan::focuses().map(focused).collect()
    }

    pub(super) fn plan(&self, seed: u64) -> Plan {
        match &self.given {
            Some((_, plan)) => Plan::clone(plan),
            None => Plan::draw(&self.request, seed),
        }
    }

    /// The command that repeats one of its runs, with exactly the options that it takes.
    pub(super) fn command(&self, seed: u64, mutant: Option<&str>) -> String {
        let mut command = self.carrier();
        match &self.given {
            Some((path, _)) => {
                let _written = write!(command, " --plan {}", path.display());
            }
            None => {
                let _written = write!(command, "{} --seed {seed}", self.drawn_from());
            }
        }
        command.push_str(&with_mutant(mutant));
        command
    }

    /// The command that repeats all of it.
    pub(super) fn whole_command(&self, mutant: Option<&str>) -> String {
        let Range { start, end } = self.seeds;
        if self.given.is_some() || end == start + 1 {
            return self.command(start, mutant);
        }
        let (carrier, drawn_from) = (self.carrier(), self.drawn_from());
        format!("{carrier}{drawn_from} --seeds {start}..{end}{}", with_mutant(mutant))
    }

    /// The command that runs a plan in its place.
    pub(super) fn plan_command(&self, plan: &std::path::Path, mutant: Option<&str>) -> String {
        format!("{} --plan {}{}", self.carrier(), plan.display(), with_mutant(mutant))
    }

    fn carrier(&self) -> String {
        let mut command = format!("cargo xtask sim --tier {}", self.tier);
        if self.tier != Tier::Two {
            let _written = write!(command, " --transport {}", self.transport);
        }
        command
    }

    fn drawn_from(&self) -> String {
        let Request { profile, nodes, duration, mode, focus, .. } = &self.request;
        let mut options = match focus {
            Some(focus) => format!(" --focus {focus}"),
            None => format!(" --profile {profile}"),
        };
        if let Some(nodes) = nodes {
            let _written = write!(options, " --nodes {nodes}");
        }
        if let Some(duration) = duration {
            let _written = write!(options, " --duration {}", duration.as_secs_f64());
        }
        let freshness = mode.map(|mode| match mode {
            Mode::Within { ms } => ms.to_string(),
            Mode::Eventual => "eventual".to_owned(),
            Mode::Naive => "naive".to_owned(),
        });
        if let Some(freshness) = freshness {
            let _written = write!(options, " --freshness {freshness}");
        }
        options
    }

    /// In words, for a table.
    pub(super) fn describe(&self) -> String {
        let mut words = format!("tier {}", self.tier);
        if self.tier != Tier::Two {
            let _written = write!(words, ", {}", self.transport);
        }
        match &self.given {
            Some((path, _)) => {
                let _written = write!(words, ", plan {}", path.display());
            }
            None => {
                let Range { start, end } = self.seeds;
                let _written = write!(words, ", {}", self.request.profile);
                if let Some(focus) = self.request.focus {
                    let _written = write!(words, " of {focus}");
                }
                if let Some(nodes) = self.request.nodes {
                    let _written = write!(words, ", {nodes} nodes");
                }
                if let Some(mode) = self.request.mode {
                    let _written = write!(words, ", {mode}");
                }
                let _written = write!(words, ", seeds {start}..{end}");
            }
        }
        words
    }
}

fn with_mutant(mutant: Option<&str>) -> String {
    mutant.map(|name| format!(" --mutant {name}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_command_has_what_it_takes_and_no_more() {
        let storm = Batch::new(Profile::Storm, 0..200);
        assert_eq!(
            storm.command(1982, None),
            "cargo xtask sim --tier 2 --profile storm --seed 1982"
        );
        assert_eq!(
            storm.whole_command(Some("no-fill-guard")),
            "cargo xtask sim --tier 2 --profile storm --seeds 0..200 --mutant no-fill-guard"
        );
        let one = Batch {
            tier: Tier::One,
            transport: TransportKind::Memory,
            request: Request {
                nodes: Some(4),
                duration: Some(Duration::from_millis(20_500)),
                mode: Some(Mode::Within { ms: 250 }),
                ..storm.request
            },
            ..storm
        };
        assert_eq!(
            one.command(3, None),
            "cargo xtask sim --tier 1 --transport memory --profile storm --nodes 4 --duration 20.5 \
             --freshness 250 --seed 3"
        );
        assert_eq!(
            one.plan_command(Path::new("out/plan.json"), None),
            "cargo xtask sim --tier 1 --transport memory --plan out/plan.json"
        );
    }
}
