//! The ratios that the targets are about, each measured in turns with its floor:
//! `cargo bench -p unstale-benches --bench ratios`. An argument keeps only the groups whose name contains it; `--quick`
//! makes it short.

#[path = "ratios/applying.rs"]
mod applying;
#[path = "ratios/hits.rs"]
mod hits;
#[path = "ratios/tags.rs"]
mod tags;

use std::time::Duration;

use unstale_benches::{Paired, Report, Subject, cpu_time, is_quick};

/// Turns of each group: a group of ten subjects takes about ten seconds, and a quick run a fifth of that.
const TURNS: usize = 300;
const QUICK_TURNS: usize = 60;

fn main() {
    let mut report = Report::new("ratios");
    let wanted: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let wanted =
        |group: &str| wanted.is_empty() || wanted.iter().any(|part| group.contains(part.as_str()));
    hits::measure(&mut report, &wanted);
    tags::measure(&mut report, &wanted);
    applying::measure(&mut report, &wanted);
    report.write();
}

/// Measures a group whose first subject is the floor.
fn group(report: &mut Report, name: &str, subjects: &[Subject<'_>]) {
    let paired = Paired::measure(subjects, if is_quick() { QUICK_TURNS } else { TURNS });
    for (subject, what) in paired.names().iter().enumerate() {
        report.add(name, what, "ns", paired.ns(subject));
        if subject > 0 {
            report.add(
                name,
                format!("{what} / {}", paired.names()[0]),
                "×",
                paired.ratio(subject, 0),
            );
        }
    }
}

/// The processor time that this takes, so often.
fn timed(count: u64, mut body: impl FnMut(u64)) -> Duration {
    let start = cpu_time();
    for index in 0..count {
        body(index);
    }
    cpu_time() - start
}
