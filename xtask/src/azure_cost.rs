//! `cargo xtask azure-cost`: what a fleet costs on Azure Service Bus, for `docs/azure.md`.
//!
//! An operation is a message that is sent, or one that is delivered: that is what Azure bills. A credit is what the
//! standard tier throttles by; of those every filter that looks at a message takes one too.

use std::fmt::Write as _;

use crate::Done;
use crate::marks::put;

const DOCUMENT: &str = "docs/azure.md";
/// As Azure's own estimates have it.
const HOURS_PER_MONTH: f64 = 730.0;
/// Included in the base charge of the standard tier, in a month.
const INCLUDED_OPERATIONS: f64 = 13e6;
/// Of a namespace of the standard tier.
const CREDITS_PER_S: f64 = 1_000.0;

/// The bound of the default freshness, in seconds.
const WITHIN_S: f64 = 5.0;
/// The longest time between two fences, which is also that of a node that nobody reads.
const FENCE_MOST_S: f64 = 10.0;
/// The first beacon after a publish; the next ones come after twice as long each time.
const BEACON_FIRST_S: f64 = 1.0;
/// The shortest time between two beacons in quiet times.
const BEACON_STEADY_S: f64 = 60.0;
/// Beacons of the whole fleet in quiet times, each second.
const BEACON_BUDGET_PER_S: f64 = 1.0;
/// Under load too, a beacon comes after this many steady intervals.
const BEACON_LATEST: f64 = 1.25;

/// Sizes of the fleets in the tables.
const NODES: [u32; 6] = [3, 10, 30, 60, 100, 300];

/// Some nodes of one namespace with the default settings, in fair weather.
#[derive(Clone, Copy)]
struct Fleet {
    nodes: u32,
    /// The bound of their freshness, in seconds.
    within_s: f64,
    /// Whether their caches are read.
    read: bool,
    /// Of all of them together. They are so far apart that each is a frame of its own, and every node issues as many
    /// as the others.
    invalidations_per_s: f64,
}

impl Fleet {
    fn idle(nodes: u32) -> Self {
        Self { nodes, within_s: WITHIN_S, read: false, invalidations_per_s: 0.0 }
    }

    fn read(nodes: u32) -> Self {
        Self { read: true, ..Self::idle(nodes) }
    }

    fn busy(nodes: u32, invalidations_per_s: f64) -> Self {
        Self { invalidations_per_s, ..Self::read(nodes) }
    }

    fn within(self, within_s: f64) -> Self {
        Self { within_s, ..self }
    }

    fn nodes(self) -> f64 {
        f64::from(self.nodes)
    }

    /// Fences of all nodes.
    fn fences_per_s(self) -> f64 {
        let interval =
            if self.read { (self.within_s / 3.0).min(FENCE_MOST_S) } else { FENCE_MOST_S };
        self.nodes() / interval
    }

    /// Beacons of all nodes.
    fn beacons_per_s(self) -> f64 {
        let steady = BEACON_STEADY_S.max(self.nodes() / BEACON_BUDGET_PER_S);
        if self.invalidations_per_s == 0.0 {
            return self.nodes() / steady;
        }
        // From one publish of a node to its next.
        let pause = self.nodes() / self.invalidations_per_s;
        let (mut beacons, mut interval, mut at) = (0.0, BEACON_FIRST_S, BEACON_FIRST_S);
        while at < pause {
            beacons += 1.0;
            interval = (interval * 2.0).min(steady);
            at += interval;
        }
        self.nodes() * f64::max(beacons / pause, 1.0 / (steady * BEACON_LATEST))
    }

    /// Messages that go to every node.
    fn frames_per_s(self) -> f64 {
        self.beacons_per_s() + self.invalidations_per_s
    }

    /// Each is sent once; a fence is delivered to who asked, a frame to everybody.
    fn operations_per_s(self) -> f64 {
        2.0 * self.fences_per_s() + (1.0 + self.nodes()) * self.frames_per_s()
    }

    fn operations_per_month(self) -> f64 {
        self.operations_per_s() * HOURS_PER_MONTH * 3_600.0
    }

    /// Every message passes the filter of every subscription.
    fn credits_per_s(self) -> f64 {
        self.operations_per_s() + self.nodes() * (self.fences_per_s() + self.frames_per_s())
    }
}

/// The largest fleet of a kind that a namespace of the standard tier does not throttle.
fn largest(fleet: impl Fn(u32) -> Fleet) -> u32 {
    let fits = |nodes: &u32| fleet(*nodes).credits_per_s() <= CREDITS_PER_S;
    (1..).take_while(fits).last().unwrap_or_default()
}

/// Writes the tables.
pub(crate) fn write() -> Done {
    put(DOCUMENT, "operations", &operations())?;
    put(DOCUMENT, "parts", &parts())?;
    put(DOCUMENT, "credits", &credits())
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<_> = cells.into_iter().collect();
    format!("| {} |\n", cells.join(" | "))
}

fn heading(cells: &[&str]) -> String {
    let line = cells.iter().map(|_| "---:".to_owned());
    row(cells.iter().map(|&cell| cell.to_owned())) + &row(line)
}

/// Millions of operations in a month.
fn operations() -> String {
    let mut table =
        heading(&["nodes", "nobody reads", "read", "0.1 invalidations/s", "1/s", "10/s"]);
    for nodes in NODES {
        let fleets = [
            Fleet::idle(nodes),
            Fleet::read(nodes),
            Fleet::busy(nodes, 0.1),
            Fleet::busy(nodes, 1.0),
            Fleet::busy(nodes, 10.0),
        ];
        let millions = fleets.map(|fleet| {
            let operations = fleet.operations_per_month();
            let millions = format!("{:.1}", operations / 1e6);
            if operations <= INCLUDED_OPERATIONS {
                format!("**{millions}**")
            } else if fleet.credits_per_s() > CREDITS_PER_S {
                millions + " †"
            } else {
                millions
            }
        });
        table += &row(std::iter::once(nodes.to_string()).chain(millions));
    }
    table
}

/// Operations in a second of a fleet without invalidations.
fn parts() -> String {
    let mut table = heading(&[
        "nodes",
        "fences, nobody reads",
        "fences, read",
        "beacons sent",
        "beacons delivered",
    ]);
    for nodes in NODES {
        let (idle, read) = (Fleet::idle(nodes), Fleet::read(nodes));
        let figures = [
            2.0 * idle.fences_per_s(),
            2.0 * read.fences_per_s(),
            read.beacons_per_s(),
            read.beacons_per_s() * read.nodes(),
        ];
        table +=
            &row(std::iter::once(nodes.to_string()).chain(figures.map(|it| format!("{it:.2}"))));
    }
    table
}

/// The largest fleets.
fn credits() -> String {
    let mut table = heading(&["`d`", "nobody reads", "read", "1 invalidation/s", "10/s"]);
    for within_s in [1.0, WITHIN_S, 10.0, 30.0] {
        let mut cells = format!("{within_s} s");
        for nodes in [
            largest(|nodes| Fleet::idle(nodes).within(within_s)),
            largest(|nodes| Fleet::read(nodes).within(within_s)),
            largest(|nodes| Fleet::busy(nodes, 1.0).within(within_s)),
            largest(|nodes| Fleet::busy(nodes, 10.0).within(within_s)),
        ] {
            let _ = write!(cells, " | {nodes}");
        }
        table += &row([cells]);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::marks::replaced;
    use crate::shell::workspace;

    fn near(figure: f64, expected: f64) {
        assert!(
            (figure - expected).abs() < 1e-9 * expected.abs().max(1.0),
            "{figure}, not {expected}"
        );
    }

    #[test]
    fn fences_are_what_a_lone_node_pays() {
        near(2.0 * Fleet::idle(1).fences_per_s(), 0.2);
        near(2.0 * Fleet::read(1).fences_per_s(), 1.2);
        near(2.0 * Fleet::read(1).within(600.0).fences_per_s(), 0.2);
    }

    #[test]
    fn beacons_keep_to_the_budget_and_follow_what_is_published() {
        near(Fleet::idle(30).beacons_per_s(), 0.5);
        near(Fleet::idle(300).beacons_per_s(), 1.0);
        // Every node publishes once in 10 s: beacons 1, 3 and 7 s later.
        near(Fleet::busy(10, 1.0).beacons_per_s(), 3.0);
        // Ten times a second: only the steady ones are left, every 75 s.
        near(Fleet::busy(10, 100.0).beacons_per_s(), 10.0 / 75.0);
    }

    #[test]
    fn everybody_hears_a_frame_and_one_hears_a_fence() {
        let fleet = Fleet::busy(10, 1.0);
        near(fleet.operations_per_s(), 10.0 * 1.2 + 11.0 * (1.0 + 3.0));
        // And ten filters look at each of the six fences, three beacons and one invalidation.
        near(fleet.credits_per_s(), fleet.operations_per_s() + 10.0 * (6.0 + 3.0 + 1.0));
        near(Fleet::idle(1).operations_per_month(), (0.2 + 2.0 / 60.0) * 2_628_000.0);
    }

    #[test]
    fn the_largest_fleet_fits_and_one_more_does_not() {
        let nodes = largest(Fleet::read);
        assert!(Fleet::read(nodes).credits_per_s() <= CREDITS_PER_S);
        assert!(Fleet::read(nodes + 1).credits_per_s() > CREDITS_PER_S);
    }

    #[test]
    fn the_facts_are_those_of_core() -> Done {
        let core = workspace().join("crates/core/src");
        let config = fs::read_to_string(core.join("protocol/config.rs"))?;
        let economise = config.split_once("fn economise").ok_or("`economise` is gone")?.1;
        for fact in [
            format!("self.beacon_first = Duration::from_secs({BEACON_FIRST_S})"),
            format!("self.beacon_steady = Duration::from_secs({BEACON_STEADY_S})"),
            format!("self.beacon_budget_per_s = {BEACON_BUDGET_PER_S};"),
        ] {
            assert!(economise.contains(&fact), "not so any more: {fact}");
        }
        let fences = format!(
            "(within / 3).clamp(Duration::from_millis(1), Duration::from_secs({FENCE_MOST_S}))"
        );
        assert!(config.contains(&fences), "not so any more: {fences}");
        let watchdog = fs::read_to_string(core.join("node/watchdog.rs"))?;
        let idle = format!("IDLE_INTERVAL: Duration = Duration::from_secs({FENCE_MOST_S})");
        assert!(watchdog.contains(&idle), "not so any more: {idle}");
        Ok(())
    }

    #[test]
    fn the_document_has_these_tables() -> Done {
        let text = fs::read_to_string(workspace().join(DOCUMENT))?;
        for (name, table) in
            [("operations", operations()), ("parts", parts()), ("credits", credits())]
        {
            let written = replaced(&text, name, &table)?;
            assert!(text == written, "run `cargo xtask azure-cost`: `{name}` in {DOCUMENT} is old");
        }
        Ok(())
    }
}
