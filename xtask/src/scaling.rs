//! `cargo xtask scaling`: measures what grows with the number of nodes, and writes it into `docs/scaling.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::marks::put;
use crate::shell::{cargo, conditions, run, workspace};
use crate::sim_figures::{number, report, simulate};
use crate::{Done, redis};

const DOCUMENT: &str = "docs/scaling.md";
const FIGURES: &str = "target/figures/scale.json";

/// Fleets on a real Redis, and simulated ones.
const FLEETS: [u64; 4] = [1, 10, 100, 1_000];
/// Fleets that are computed.
const COMPUTED: [f64; 3] = [100.0, 1_000.0, 10_000.0];
/// Bounds that fleets are computed for, in seconds.
const BOUNDS_S: [f64; 2] = [0.5, 5.0];
/// Invalidations a second of a computed fleet, each in a frame of its own.
const RATE: f64 = 100.0;
/// Beacons a second of a whole fleet: what the protocol allows.
const BEACONS: f64 = 10.0;
/// The bound of the nodes that are measured, in seconds, and fences in it.
const MEASURED_BOUND_S: f64 = 5.0;
const FENCES_IN_BOUND: f64 = 3.0;

/// Measures; writes what it measured, unless it was quick: then it only shows it.
pub(crate) fn write(quick: bool) -> Done {
    let conditions = conditions()?;
    let mut bench = cargo(&["bench", "--package", "unstale-benches", "--bench", "scale"]);
    bench.env(redis::VARIABLE, redis::server()?).env_remove("CARGO_TARGET_DIR");
    if quick {
        bench.args(["--", "--quick"]);
    }
    run(&mut bench)?;
    let figures = Figures::read(&fs::read_to_string(workspace().join(FIGURES))?)?;
    let fleets = if quick { &FLEETS[..3] } else { &FLEETS[..] };
    let (measured, cluster) = (measured(&figures, fleets)?, cluster(&figures)?);
    let (computed, simulated) = (computed(&figures, fleets)?, simulated(fleets)?);
    if quick {
        println!("{measured}\n{cluster}\n{computed}\n{simulated}");
        return Ok(());
    }
    put(
        DOCUMENT,
        "fleets",
        &format!("Measured {conditions}, servers and nodes on it:\n\n{measured}"),
    )?;
    put(
        DOCUMENT,
        "cluster",
        &format!("Measured {conditions}, servers and nodes on it:\n\n{cluster}"),
    )?;
    put(DOCUMENT, "computed", &computed)?;
    put(DOCUMENT, "simulated", &simulated)
}

/// What the bench has written: by group, then by subject.
struct Figures(BTreeMap<String, BTreeMap<String, f64>>);

impl Figures {
    fn read(text: &str) -> Done<Self> {
        let value: Value = serde_json::from_str(text)?;
        let mut figures = Self(BTreeMap::new());
        for figure in value["figures"].as_array().ok_or("no figures")? {
            let text = |name: &str| figure[name].as_str().ok_or("a figure lacks a name");
            let group = figures.0.entry(text("group")?.to_owned()).or_default();
            group.insert(text("subject")?.to_owned(), number(figure, "value")?);
        }
        Ok(figures)
    }

    fn of(&self, group: &str, subject: &str) -> Done<f64> {
        let figure = self.0.get(group).and_then(|group| group.get(subject));
        Ok(*figure.ok_or_else(|| format!("the bench has no {subject} of {group}"))?)
    }

    fn of_fleet(&self, nodes: u64, subject: &str) -> Done<f64> {
        self.of(&format!("redis, {nodes} nodes"), subject)
    }
}

/// The rows of a fleet: what the bench calls it, what the document does, and digits after the point.
const ROWS: [(&str, &str, usize); 13] = [
    ("idle, beacons of all", "idle: beacons a second, of all nodes together", 1),
    ("idle, round trips a node", "idle: round trips a second of a node", 2),
    ("idle, bytes a node", "idle: bytes a second to and from a node", 0),
    ("idle, processor a node", "idle: % of a core for a node", 3),
    ("idle, server a node", "idle: % of the server's core for a node", 3),
    ("single, frames", "single invalidation: frames", 2),
    ("single, bytes", "single invalidation: bytes through the server", 0),
    ("single, server", "single invalidation: µs of the server", 0),
    ("single, a node", "single invalidation: µs of each node", 1),
    ("flood, to every node", "flood: keys a second to every node", 0),
    ("flood, keys in a frame", "flood: keys in a frame", 0),
    ("flood, server a key", "flood: ns of the server for a key", 0),
    ("flood, a node and key", "flood: ns of each node for a key", 0),
];

fn measured(figures: &Figures, fleets: &[u64]) -> Done<String> {
    let mut table = header("nodes", fleets.iter().map(u64::to_string));
    for (subject, name, digits) in ROWS {
        write!(table, "| {name} |")?;
        for nodes in fleets {
            write!(table, " {:.digits$} |", figures.of_fleet(*nodes, subject)?)?;
        }
        table.push('\n');
    }
    Ok(table)
}

const SUBJECTS: [&str; 3] =
    ["one server, one lane", "one server, three lanes", "three primaries, three lanes"];

fn cluster(figures: &Figures) -> Done<String> {
    let group = "redis cluster, 8 nodes";
    let columns = [
        "keys a second",
        "keys in a frame",
        "busiest server, µs for a frame",
        "busiest server, ns for a key",
        "all servers, ns for a key",
    ];
    let mut table = header("eight nodes, a flood from one", columns.map(str::to_owned).into_iter());
    for name in SUBJECTS {
        let of = |what: &str| figures.of(group, &format!("{name}{what}"));
        writeln!(
            table,
            "| {name} | {:.0} | {:.0} | {:.1} | {:.0} | {:.0} |",
            of("")?,
            of(", keys in a frame")?,
            of(", busiest server a frame")?,
            of(", busiest server a key")?,
            of(", all servers a key")?
        )?;
    }
    let room = figures.of(group, "one server / busiest of three, a frame")?;
    writeln!(
        table,
        "\nFor as many frames one server works {room:.1} times as long as the busiest of three: by so much the frames a \
         second can grow when each primary has a processor of its own."
    )?;
    Ok(table)
}

/// What frames and fences cost, from the largest two fleets.
#[derive(Clone, Copy)]
struct Costs {
    /// The server, for a frame that it sends to one node.
    delivery_us: f64,
    /// The server, for a node's fence.
    fence_us: f64,
    /// A node, for a frame that it receives.
    frame_us: f64,
    /// A node, for a fence and what it does in that time anyway.
    idle_us: f64,
}

impl Costs {
    fn of(figures: &Figures, fleets: &[u64]) -> Done<Self> {
        let [.., less, more] = *fleets else {
            return Err("one fleet says nothing of growth".into());
        };
        let grown = (more - less) as f64;
        let single = |nodes| figures.of_fleet(nodes, "single, server");
        let delivery_us = (single(more)? - single(less)?) / grown;
        let fences = FENCES_IN_BOUND / MEASURED_BOUND_S;
        let beacons = figures.of_fleet(more, "idle, beacons of all")?;
        // A hundredth of a core is 10,000 µs a second.
        let us = |percent: f64| percent * 1e4;
        let server = us(figures.of_fleet(more, "idle, server a node")?);
        let node = us(figures.of_fleet(more, "idle, processor a node")?);
        let frame_us = figures.of_fleet(more, "single, a node")?;
        Ok(Self {
            delivery_us,
            fence_us: ((server - beacons * delivery_us) / fences).max(0.0),
            frame_us,
            idle_us: ((node - beacons * frame_us) / fences).max(0.0),
        })
    }

    /// Percent of a core: the server's, and a node's.
    fn shares(self, nodes: f64, bound_s: f64, frames_per_s: f64) -> (f64, f64) {
        let (fences, frames) =
            (FENCES_IN_BOUND / bound_s, BEACONS.min(nodes / 10.0) + frames_per_s);
        let server = nodes * (fences * self.fence_us + frames * self.delivery_us);
        let node = fences * self.idle_us + frames * self.frame_us;
        (server / 1e4, node / 1e4)
    }
}

fn computed(figures: &Figures, fleets: &[u64]) -> Done<String> {
    let costs = Costs::of(figures, fleets)?;
    let mut text = format!(
        "Computed from what the largest fleets above cost: {:.1} µs of the server to send a frame to a node, {:.0} µs \
         to answer a fence; {:.0} µs of a node to receive a frame, {:.0} µs for a fence and what else it does.\n\n",
        costs.delivery_us, costs.fence_us, costs.frame_us, costs.idle_us
    );
    let columns = [
        "server, idle".to_owned(),
        format!("server, {RATE:.0} frames a second"),
        "a node, idle".to_owned(),
        format!("a node, {RATE:.0} frames a second"),
    ];
    text += &header("nodes and bound, in % of a core", columns.into_iter());
    for nodes in COMPUTED {
        for bound_s in BOUNDS_S {
            let (idle, busy) =
                (costs.shares(nodes, bound_s, 0.0), costs.shares(nodes, bound_s, RATE));
            writeln!(
                text,
                "| {nodes:.0}, `Within` {bound_s} s | {:.1} | {:.1} | {:.2} | {:.2} |",
                idle.0, busy.0, idle.1, busy.1
            )?;
        }
    }
    Ok(text)
}

/// A calm minute in the second tier: what a frame carries and how many there are, apart from any machine.
fn simulated(fleets: &[u64]) -> Done<String> {
    let columns = ["invalidations", "frames for one", "bytes for one"];
    let mut table = header("simulated nodes", columns.map(str::to_owned).into_iter());
    for nodes in fleets {
        let size = nodes.to_string();
        let calm = ["--tier", "2", "--profile", "calm", "--seed", "0", "--duration", "60"];
        let arguments = [&calm[..], &["--nodes", &size]].concat();
        let report = report(&simulate(&format!("scaling-{nodes}"), &arguments, &[0])?)?;
        write!(table, "| {nodes} |")?;
        for name in ["invalidations", "frames per invalidation", "bytes per invalidation"] {
            write!(table, " {} |", figure(&report, name)?)?;
        }
        table.push('\n');
    }
    Ok(table)
}

/// A single figure of a simulation's report.
fn figure(report: &Value, name: &str) -> Done<String> {
    let figures = report["figures"].as_array().ok_or("the report has no figures")?;
    let found = figures.iter().find(|figure| figure[0] == name);
    let found = found.and_then(|figure| figure[1].as_str());
    Ok(found.ok_or_else(|| format!("the report has no {name}"))?.to_owned())
}

fn header(first: &str, columns: impl Iterator<Item = String>) -> String {
    let columns: Vec<String> = columns.collect();
    let lines = " ---: |".repeat(columns.len());
    format!("| {first} | {} |\n| --- |{lines}\n", columns.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marks::replaced;

    #[test]
    fn the_document_has_its_marks() -> Done {
        let text = fs::read_to_string(workspace().join(DOCUMENT))?;
        for marks in ["fleets", "cluster", "computed", "simulated"] {
            replaced(&text, marks, "new").map_err(|error| format!("{DOCUMENT}: {error}"))?;
        }
        Ok(())
    }

    fn figures(delivery_us: f64) -> Figures {
        let fleet = |nodes: f64| {
            ROWS.map(|(subject, _, _)| {
                let value = match subject {
                    "single, server" => 30.0 + nodes * delivery_us,
                    "single, a node" => 10.0,
                    "idle, beacons of all" => 10.0,
                    // Ten frames of 10 µs, and 0.6 fences of 100 µs.
                    "idle, processor a node" => (10.0 * 10.0 + 0.6 * 100.0) / 1e4,
                    "idle, server a node" => (10.0 * delivery_us + 0.6 * 20.0) / 1e4,
                    _ => 1.0,
                };
                (subject.to_owned(), value)
            })
        };
        let groups =
            FLEETS.map(|nodes| (format!("redis, {nodes} nodes"), fleet(nodes as f64).into()));
        Figures(groups.into())
    }

    #[test]
    fn costs_are_found_again_in_what_was_measured() -> Done {
        let costs = Costs::of(&figures(2.0), &FLEETS)?;
        let near = |left: f64, right: f64| (left - right).abs() < 1e-6;
        assert!(near(costs.delivery_us, 2.0) && near(costs.fence_us, 20.0));
        assert!(near(costs.frame_us, 10.0) && near(costs.idle_us, 100.0));
        let (server, node) = costs.shares(10_000.0, 5.0, 90.0);
        // 100 frames to each node, and 6,000 fences: 2.12 cores.
        assert!(near(server, 212.0) && near(node, 0.106), "{server} {node}");
        assert!(measured(&figures(2.0), &FLEETS)?.lines().count() == 2 + ROWS.len());
        assert!(computed(&figures(2.0), &FLEETS)?.contains("2.0 µs of the server to send"));
        Ok(())
    }

    #[test]
    fn a_missing_figure_is_named() {
        let none = Figures(BTreeMap::new());
        let error = cluster(&none).unwrap_err().to_string();
        assert!(error.contains("one server, one lane"), "{error}");
    }
}
