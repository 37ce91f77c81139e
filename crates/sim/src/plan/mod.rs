//! What happens in a run, as data.
//!
//! A seed becomes a [`Plan`], the plan becomes a run. Only the plan decides what the workload does and which faults
//! there are; the run adds nothing but latencies and the nodes' own draws, from streams of their own. So a plan
//! can be written to a file, shortened, and run again.

mod draw;
mod edit;
mod faults;
mod focus;
mod motifs;
mod profile;

use serde::{Deserialize, Serialize};

pub use faults::{Fault, FaultKind};
pub(crate) use focus::{Focus, all as focuses, named as focus};
pub use profile::{Mode, Profile, Request};

/// All that is needed to repeat a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Feeds latencies and the nodes' own draws.
    pub seed: u64,
    /// What it was drawn from.
    pub profile: Profile,
    /// Who takes part.
    pub topology: Topology,
    /// When the faults end: from then on the nodes must converge.
    pub heal_ms: u64,
    /// The length of the run.
    pub duration_ms: u64,
    /// What the application does, in order of time.
    pub workload: Vec<Op>,
    /// A workload by rates beside it, for runs too large to be listed.
    pub rates: Option<Rates>,
    /// What goes wrong, in order of time.
    pub faults: Vec<Fault>,
    /// What goes wrong is so little that nobody has to drop anything, and that everything is repaired soon.
    #[serde(default)]
    pub orderly: bool,
}

fn one() -> u16 {
    1
}

/// Who takes part, and how they are connected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// How many nodes.
    pub nodes: usize,
    /// Staleness that reads allow, or none.
    pub mode: Mode,
    /// Whether the transport has fences of its own.
    pub native_fences: bool,
    /// Whether frames are signed.
    pub authenticated: bool,
    /// The shortest that a message travels.
    pub latency_min_us: u64,
    /// The longest.
    pub latency_max_us: u64,
    /// How much faster than true each node's clock runs, in parts per million.
    pub drift_ppm: Vec<i64>,
    /// Rows of the data source.
    pub keys: u64,
    /// Whether caches built from caches take part.
    pub nested: bool,
    /// Tables so small that they overflow.
    pub tiny_tables: bool,
    /// How long the data source takes at most.
    pub source_max_us: u64,
    /// What waits for a subscriber at most, at the broker.
    pub broker_buffer_bytes: usize,
    /// Nodes start within this time.
    pub start_within_ms: u64,
    /// The first node's rows have keys of another shape than those of the others.
    #[serde(default)]
    pub mixed_schemas: bool,
    /// What is believed of a silent node, and of other lanes, is believed for seconds and not for minutes.
    #[serde(default)]
    pub short_memory: bool,
    /// Channels over which keys are spread; known to the first and third tier over Redis only.
    #[serde(default = "one")]
    pub lanes: u16,
    /// For how long the second cache serves without a connection; for ever if there is none.
    #[serde(default)]
    pub lasting_cap_ms: Option<u64>,
}

/// One thing that the application does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Op {
    /// When.
    pub at_ms: u64,
    /// Through which node.
    pub node: usize,
    /// What.
    pub what: Action,
}

/// What the application does through a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Reads a row.
    Read {
        /// Which.
        key: u64,
    },
    /// Reads the twin of a row, in a cache that serves without proof for ever.
    ReadLasting {
        /// Which.
        key: u64,
    },
    /// Reads a page, which is built from two shelves, which are built from two rows each.
    ReadPage {
        /// Which.
        key: u64,
    },
    /// Commits a row and invalidates it.
    Write {
        /// Which.
        key: u64,
        /// How it is invalidated.
        by: Means,
    },
}

/// How a changed row is invalidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// By its key.
    Key,
    /// By its tag.
    Tag,
    /// In the first cache by its key, in the other by its tag.
    KeyAndTag,
    /// By clearing its caches.
    Cache,
    /// By clearing everything.
    Everything,
}

/// A workload by rates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Invalidations per second, over all nodes.
    pub writes_per_s: f64,
    /// Reads per second of each node.
    pub reads_per_s: f64,
    /// Through how many of the nodes is written.
    pub writers: usize,
}

impl Rates {
    /// Who writes next: the writers are spread over the cluster.
    pub(crate) fn writer(&self, nodes: usize, rng: &mut fastrand::Rng) -> usize {
        let writer = rng.usize(..self.writers.clamp(1, nodes));
        writer * nodes / self.writers.max(1) % nodes
    }
}

/// The last part of a run, in which it is seen whether the caches serve.
pub(crate) const LAST_MS: u64 = 1_500;

impl Plan {
    /// When the last is written of a workload by rates: what is later cannot have reached anybody at the end.
    pub(crate) fn last_write_ms(&self) -> u64 {
        self.heal_ms.min(self.duration_ms.saturating_sub(LAST_MS))
    }

    /// The number of things in it: what shrinking makes smaller.
    pub fn entries(&self) -> usize {
        self.workload.len() + self.faults.len()
    }

    /// How many faults of its kind come before this one: its name among them, also when others are left out.
    pub(crate) fn ordinal(&self, index: usize) -> u64 {
        let name = self.faults[index].kind.name();
        self.faults[..index].iter().filter(|it| it.kind.name() == name).count() as u64
    }

    /// How often a node may drop everything, in a healthy implementation.
    pub(crate) fn clears_allowed(&self) -> u64 {
        if self.orderly {
            return 0;
        }
        2 + self.faults.iter().map(|it| it.kind.clears_allowed()).sum::<u64>()
    }

    /// The same with its workload as a list, for those that know no rates.
    pub(crate) fn listed(&self) -> Self {
        let workload = match self.rates {
            Some(rates) => draw::listed_rates(self, rates),
            None => self.workload.clone(),
        };
        Self { workload, rates: None, ..self.clone() }
    }

    /// Draws a plan.
    pub fn draw(request: &Request, seed: u64) -> Self {
        match request.focus.and_then(focus::named) {
            Some(focus) => focus::plan(focus, request, seed),
            None => draw::plan(request, seed, FaultKind::NAMES),
        }
    }

    /// Draws a plan that has faults of these kinds only.
    pub(crate) fn draw_with(request: &Request, seed: u64, kinds: &[&str]) -> Self {
        draw::plan(request, seed, kinds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives_being_written() {
        for profile in [Profile::Calm, Profile::Swarm, Profile::Storm] {
            for seed in 0..20 {
                let plan = Plan::draw(&Request { profile, ..Request::default() }, seed);
                let text = serde_json::to_string(&plan).unwrap();
                assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
            }
        }
    }

    #[test]
    fn a_seed_is_one_plan_and_another_seed_is_another() {
        let draw = |seed| Plan::draw(&Request::default(), seed);
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }

    #[test]
    fn rates_become_a_list_with_as_many_events() {
        let request = Request { profile: Profile::Calm, nodes: Some(16), ..Request::default() };
        let plan = Plan::draw(&request, 3).listed();
        assert!(plan.rates.is_none() && plan.workload.is_sorted_by_key(|op| op.at_ms));
        let writes = |op: &&Op| matches!(op.what, Action::Write { .. });
        let written = plan.workload.iter().filter(writes).count();
        // 8 s of 10 writes a second, and of 2 reads a second of each node.
        assert!((50..110).contains(&written), "{written}");
        let read = plan.workload.len() - written;
        assert!((200..320).contains(&read), "{read}");
    }

    #[test]
    fn a_storm_is_short_and_heals() {
        let request = Request { profile: Profile::Storm, ..Request::default() };
        for seed in 0..200 {
            let plan = Plan::draw(&request, seed);
            assert!(plan.duration_ms <= 15_000, "{}", plan.duration_ms);
            assert!(plan.faults.iter().all(|it| it.ends_ms() <= plan.heal_ms), "{:?}", plan.faults);
            assert!(plan.faults.is_sorted_by_key(|it| it.at_ms));
            assert!(plan.workload.is_sorted_by_key(|it| it.at_ms));
        }
    }
}
