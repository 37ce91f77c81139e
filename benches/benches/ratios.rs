//! The ratios that the targets are about, each measured in turns with its floor:
//! `cargo bench -p unstale-benches --bench ratios`. An argument keeps only the groups whose name contains it.

#[path = "ratios/hits.rs"]
mod hits;
#[path = "ratios/tags.rs"]
mod tags;

use unstale_benches::Report;

/// Turns of each group: a group of ten subjects takes about ten seconds.
const TURNS: usize = 300;

fn main() {
    let mut report = Report::new("ratios");
    let wanted: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let wanted =
        |group: &str| wanted.is_empty() || wanted.iter().any(|part| group.contains(part.as_str()));
    hits::measure(&mut report, &wanted);
    tags::measure(&mut report, &wanted);
    report.write();
}
