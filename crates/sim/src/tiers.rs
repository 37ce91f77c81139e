//! One way to run a plan, whatever carries it.

use std::fmt;
use std::str::FromStr;

use crate::plan::{Mode, Plan};
use crate::run::{Options, Outcome};
use crate::tier1::Carrier;
use crate::{tier1, tier2};

/// How close to reality, and how large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// Real drivers and real transports over a simulated network, a host for each node.
    One,
    /// The state machines and the caches over a discrete-event network: many nodes.
    Two,
    /// As the first, with many nodes on few hosts: a check of the first two against each other.
    Three,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One => "1",
            Self::Two => "2",
            Self::Three => "3",
        })
    }
}

impl FromStr for Tier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "1" => Ok(Self::One),
            "2" => Ok(Self::Two),
            "3" => Ok(Self::Three),
            _ => Err(format!("no such tier: {text}; 1, 2 or 3")),
        }
    }
}

/// What carries the frames in tiers 1 and 3. Tier 2 has a broker of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TransportKind {
    /// `unstale-memory`.
    Memory,
    /// `unstale-redis`, with a simulated server.
    Redis,
    /// `unstale-azure`, with the emulator.
    Azure,
}

impl fmt::Display for TransportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
            Self::Azure => "azure",
        })
    }
}

impl FromStr for TransportKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "memory" => Ok(Self::Memory),
            "redis" => Ok(Self::Redis),
            "azure" => Ok(Self::Azure),
            _ => Err(format!("no such transport: {text}; memory, redis or azure")),
        }
    }
}

/// The hosts that the nodes of the third tier share: the cost of a step grows with their cube.
const HOSTS: usize = 8;

/// A plan and a tier that do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tier {tier} cannot run this: {reason}")]
pub(crate) struct CannotRun {
    tier: Tier,
    reason: &'static str,
}

/// Runs a plan.
pub(crate) fn run(
    tier: Tier,
    transport: TransportKind,
    plan: &Plan,
    options: Options,
) -> Result<Outcome, CannotRun> {
    if tier != Tier::Two && plan.topology.mode == Mode::Naive {
        let reason = "naive nodes are known to tier 2 only; choose --tier 2";
        return Err(CannotRun { tier, reason });
    }
    Ok(match tier {
        Tier::One => {
            let hosts = plan.topology.nodes;
            tier1::run(&plan.listed(), Carrier::Kind(transport), hosts, options)
        }
        Tier::Two => tier2::run(plan, options),
        Tier::Three => {
            let hosts = HOSTS.min(plan.topology.nodes);
            tier1::run(&plan.listed(), Carrier::Kind(transport), hosts, options)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Profile, Request};

    #[test]
    fn names_come_back() {
        for tier in [Tier::One, Tier::Two, Tier::Three] {
            assert_eq!(tier.to_string().parse(), Ok(tier));
        }
        for transport in [TransportKind::Memory, TransportKind::Redis, TransportKind::Azure] {
            assert_eq!(transport.to_string().parse(), Ok(transport));
        }
        assert!("4".parse::<Tier>().unwrap_err().contains("1, 2 or 3"));
    }

    #[test]
    fn naive_nodes_run_in_the_second_tier_only() {
        let request =
            Request { profile: Profile::Storm, mode: Some(Mode::Naive), ..Request::default() };
        let plan = Plan::draw(&request, 0);
        let run = |tier| run(tier, TransportKind::Redis, &plan, Options::default());
        assert!(run(Tier::Two).is_ok());
        assert!(run(Tier::One).unwrap_err().to_string().contains("choose --tier 2"));
    }
}
