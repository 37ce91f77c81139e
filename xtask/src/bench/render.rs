//! Makes pages of results: whatever they say stands in the committed results, and nothing else does.

use std::fmt::Write as _;
use std::fs;

use super::benches::BENCHES;
use super::groups::{Group, groups};
use super::missed::reason;
use super::number::{readable, times, with_unit};
use super::plot::Plot;
use super::results::{Conditions, Figure, Results};
use super::scoreboard::Peers;
use super::storefront;
use super::tables::sections;
use super::target::{Limit, Target};
use super::targets::{HELD, Held, TARGETS};
use crate::Done;
use crate::marks::put;
use crate::shell::workspace;

const DOCUMENT: &str = "docs/benchmarks.md";
const PLOTS: &str = "docs/benchmarks";
const README: &str = "README.md";

/// What is written.
#[derive(Debug)]
pub(crate) struct Pages {
    document: String,
    /// File names and images.
    plots: Vec<(String, String)>,
    /// What stands in the README between the marks of these names.
    readme: [(&'static str, String); 2],
}

/// Writes all pages anew, from the committed results.
pub(crate) fn write() -> Done {
    let pages = Pages::committed()?;
    fs::write(workspace().join(DOCUMENT), &pages.document)?;
    let folder = workspace().join(PLOTS);
    if folder.exists() {
        // Also of what is no longer measured.
        fs::remove_dir_all(&folder)?;
    }
    for (name, svg) in &pages.plots {
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), svg)?;
    }
    for (mark, text) in &pages.readme {
        put(README, mark, text)?;
    }
    eprintln!("xtask: written: {DOCUMENT}, {PLOTS}, {README}");
    Ok(())
}

impl Pages {
    fn committed() -> Done<Self> {
        let (results, peers) =
            (Results::read(&Results::committed())?, Peers::read(&Peers::committed())?);
        Ok(Self::of(results.as_ref(), peers.as_ref()))
    }

    fn of(results: Option<&Results>, peers: Option<&Peers>) -> Self {
        let mut pages = Self {
            document: INTRODUCTION.to_owned(),
            plots: Vec::new(),
            readme: [("bench", hits(results)), ("scoreboard", stale_reads(peers))],
        };
        match results {
            Some(results) => {
                let _ =
                    writeln!(pages.document, "Measured by {}.\n", results.conditions.sentence());
            }
            None => pages.document.push_str("Nothing has been measured yet.\n\n"),
        }
        pages.targets(results.map_or(&[], |results| &results.figures), peers);
        pages.benches(results.map_or(&[], |results| &results.figures));
        if let Some(peers) = peers {
            pages.peers(peers);
        }
        pages
    }

    fn targets(&mut self, figures: &[Figure], peers: Option<&Peers>) {
        self.document.push_str("## What is to be reached\n\n");
        self.document.push_str("| measure | target | measured | |\n| --- | ---: | ---: | --- |\n");
        for target in &TARGETS {
            let _ = writeln!(self.document, "{}", line(target, figures));
        }
        for Held { measure, limit, by, file } in &HELD {
            let _ = writeln!(
                self.document,
                "| {measure} | {limit} | held by [`{by}`](../{file}) | met |"
            );
        }
        let (measured, verdict) = match peers.and_then(Peers::stale) {
            Some((stale, trials)) => (format!("{stale} of {trials}"), verdict(stale == 0)),
            None => ("–".to_owned(), "not measured"),
        };
        let _ = writeln!(
            self.document,
            "| stale reads of ours in all cells of the scoreboard | 0 | {measured} | {verdict} |\n"
        );
        self.missed(figures);
    }

    /// Each reason once, with all that is missed for it.
    fn missed(&mut self, figures: &[Figure]) {
        let is_missed = |target: &&Target| {
            target.reached(figures).is_some_and(|it| !target.limit.holds(it.worst))
        };
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for target in TARGETS.iter().filter(is_missed) {
            let reason = reason(target.measure);
            match reasons.iter_mut().find(|(it, _)| *it == reason) {
                Some((_, measures)) => measures.push(target.measure),
                None => reasons.push((reason, vec![target.measure])),
            }
        }
        if reasons.is_empty() {
            return;
        }
        self.document.push_str("### What is missed, and why\n\n");
        for (reason, measures) in reasons {
            let _ = writeln!(self.document, "- **{}**: {reason}", measures.join("**, **"));
        }
        self.document.push('\n');
    }

    fn benches(&mut self, figures: &[Figure]) {
        let all = groups(figures);
        let titles = BENCHES.iter().map(|bench| (bench.name, bench.title));
        for (bench, title) in titles.chain([(storefront::NAME, storefront::TITLE)]) {
            let groups: Vec<Group> =
                all.iter().filter(|group| group.bench == bench).cloned().collect();
            if groups.is_empty() {
                continue;
            }
            let _ = writeln!(self.document, "## {title}\n");
            for section in sections(&groups) {
                let heading = &section.name;
                if heading != bench {
                    let _ = writeln!(self.document, "### `{heading}`\n");
                }
                if let Some(plot) = section.plot() {
                    self.plot(&file_name(bench, heading), &plot);
                }
                let _ = writeln!(self.document, "{}", section.table());
            }
        }
    }

    fn peers(&mut self, peers: &Peers) {
        self.document.push_str(PEERS);
        let redis = &peers.redis;
        let by = peers.conditions.as_ref().map(|it| format!("by {} ", it.sentence()));
        let by = by.unwrap_or_default();
        let _ = writeln!(self.document, "Measured {by}over Redis {redis}.\n");
        for (name, plot) in peers.plots() {
            self.plot(&format!("peers-{name}.svg"), &plot);
        }
        let _ = writeln!(self.document, "{}", peers.speeds());
        self.document.push_str(CORRECTNESS);
        self.document.push_str(&peers.scoreboard(true));
        let _ = writeln!(self.document, "\n{}", peers.notes());
    }

    fn plot(&mut self, name: &str, plot: &Plot) {
        let _ = writeln!(self.document, "![{}: {}](benchmarks/{name})\n", plot.title, plot.length);
        self.plots.push((name.to_owned(), plot.svg()));
    }
}

const INTRODUCTION: &str = "\
# Benchmarks

Written by `cargo xtask bench`, from [benches/results](../benches/results): nothing here is typed by hand. `cargo xtask
bench --quick` measures the most important part in less than three minutes, without changing this page.

Every group is measured beside its **floor**, which does the same without coherence: raw `quick_cache` for the cache, the
raw client for the transport. *To the floor* is a figure divided by the floor's of the same run. Those ratios say
something; times belong to the machine. Where subjects are measured in turns, the ratio is the median of those of all
turns, which is not quite the ratio of the medians.

";

const PEERS: &str = "\
## Beside other libraries

Two instances of each library over one Redis, driven by one program: `cargo xtask bench --peers`. How each of them is
used, and what exactly happens in each case, is said in [benches/peers](../benches/peers/README.md).

";

const CORRECTNESS: &str = "\
### Correctness

Stale reads of all trials, and the time until reads are right: the median, and the longest. A trial forces the race or
the fault: it says that the hole is there, not how often one falls into it.

";

/// Without anything that a link would have to escape.
fn file_name(bench: &str, heading: &str) -> String {
    let words = heading.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let words: Vec<&str> =
        [bench].into_iter().chain(words.filter(|word| !word.is_empty())).collect();
    words.join("-") + ".svg"
}

/// A line of the table of targets.
fn line(target: &Target, figures: &[Figure]) -> String {
    let Target { measure, limit, unit, .. } = target;
    let limit = match limit {
        Limit::AtMost(limit) => format!("≤ {}", with_unit(*limit, unit)),
        Limit::AtLeast(limit) => format!("≥ {}", with_unit(*limit, unit)),
    };
    let Some(reached) = target.reached(figures) else {
        return format!("| {measure} | {limit} | – | not measured |");
    };
    let (best, worst) = (with_unit(reached.best, unit), with_unit(reached.worst, unit));
    let measured =
        if best == worst { worst } else { format!("{best} to {worst}, in `{}`", reached.worst_in) };
    format!("| {measure} | {limit} | {measured} | {} |", verdict(target.limit.holds(reached.worst)))
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "**missed**" }
}

/// The README's table: hits of one group, beside the floor.
fn hits(results: Option<&Results>) -> String {
    const GROUP: (&str, &str) = ("ratios", "hit/arc/uniform");
    let all = results.map(|results| groups(&results.figures)).unwrap_or_default();
    let group = all.iter().find(|group| (group.bench.as_str(), group.name.as_str()) == GROUP);
    let (Some(results), Some(group)) = (results, group) else {
        return "Not measured yet: `cargo xtask bench`.".to_owned();
    };
    let mut table =
        String::from("| one hit, one thread | ns | to the engine |\n| --- | ---: | ---: |\n");
    for row in &group.rows {
        let ratio = row.ratio.map(times).unwrap_or_default();
        let _ = writeln!(table, "| {} | {} | {ratio} |", row.subject, readable(row.value));
    }
    let reached =
        TARGETS.iter().filter_map(|target| Some((target, target.reached(&results.figures)?)));
    let holds: Vec<bool> = reached.map(|(target, it)| target.limit.holds(it.worst)).collect();
    let met = holds.iter().filter(|is_met| **is_met).count();
    let (measured, Conditions { processor, date, .. }) = (holds.len(), &results.conditions);
    let _ = write!(
        table,
        "\n10,000 keys, each read as often as any other; on {processor}, {date}. Of {measured} targets {met} are met."
    );
    table
}

/// The README's scoreboard.
fn stale_reads(peers: Option<&Peers>) -> String {
    peers.map_or("Not measured yet: `cargo xtask bench --peers`.".to_owned(), |peers| {
        peers.scoreboard(false)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::figure;
    use crate::marks::replaced;

    #[test]
    fn what_is_committed_is_what_the_results_say() -> Done {
        let pages = Pages::committed()?;
        let hint = "`cargo xtask bench --render` writes it anew";
        let document = fs::read_to_string(workspace().join(DOCUMENT))?;
        assert!(document == pages.document, "{DOCUMENT}: {hint}");
        let readme = fs::read_to_string(workspace().join(README))?;
        for (mark, text) in &pages.readme {
            assert!(replaced(&readme, mark, text)? == readme, "{README}, {mark}: {hint}");
        }
        for (name, svg) in &pages.plots {
            let path = workspace().join(PLOTS).join(name);
            assert!(fs::read_to_string(&path)? == *svg, "{}: {hint}", path.display());
        }
        Ok(())
    }

    #[test]
    fn targets_are_met_missed_or_not_measured() {
        let mut figures = Vec::new();
        for (group, ratio) in
            [("arc/hot", 1.1), ("arc/uniform", 1.2), ("u64/hot", 1.3), ("u64/uniform", 1.0)]
        {
            let group = format!("hit/{group}");
            figures.push(figure("ratios", &group, "quick_cache", "ns", 10.0));
            figures.push(figure("ratios", &group, "plain", "ns", 10.0 * ratio));
            figures.push(figure("ratios", &group, "moka", "ns", 100.0));
        }
        let results = Results { conditions: Conditions::default(), figures };
        let pages = Pages::of(Some(&results), None);
        let has = |part: &str| assert!(pages.document.contains(part), "{part}\n{}", pages.document);
        has("| ≤ 1.25× | 1.00× to 1.30×, in `hit/u64/hot` | **missed** |\n");
        has("| ≥ 5.00× | 10× to 7.69×, in `hit/u64/hot` | met |\n");
        has("| ≤ 1.20× | – | not measured |\n");
        has(
            "### What is missed, and why\n\n- **hit, plain entry, 1 thread, to `quick_cache`**: the floor is",
        );
        has("![hit/arc: times as much as the floor](benchmarks/ratios-hit-arc.svg)\n");
        assert_eq!(pages.plots.len(), 2);
        assert_eq!(
            file_name("transport", "redis latency, 8/a_b"),
            "transport-redis-latency-8-a_b.svg"
        );
        assert!(pages.readme[0].1.contains("| plain | 12 | 1.20× |\n"), "{}", pages.readme[0].1);
        let peers = Pages::of(None, None);
        assert!(peers.document.contains("Nothing has been measured yet."));
    }
}
