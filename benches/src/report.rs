//! Figures of the benchmarks that criterion has no form for: they go to the terminal and into a file.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::{Paired, Subject};

/// The figures of one run of one benchmark, in the order in which they were measured.
#[derive(Debug, Serialize)]
pub struct Report {
    #[serde(skip)]
    name: &'static str,
    figures: Vec<Figure>,
}

#[derive(Debug, Serialize)]
struct Figure {
    group: String,
    subject: String,
    unit: &'static str,
    value: f64,
}

impl Report {
    /// An empty report of the benchmark of this name.
    pub fn new(name: &'static str) -> Self {
        Self { name, figures: Vec::new() }
    }

    /// Adds a figure and prints it.
    pub fn add(
        &mut self,
        group: impl Into<String>,
        subject: impl Into<String>,
        unit: &'static str,
        value: f64,
    ) {
        let (group, subject) = (group.into(), subject.into());
        println!("{group:<28} {subject:<36} {value:>14.2} {unit}");
        self.figures.push(Figure { group, subject, unit, value });
    }

    /// Measures subjects in so many turns, and adds what each takes and how many times as long as the first, the floor.
    pub fn compare(&mut self, group: &str, subjects: &[Subject<'_>], turns: usize) {
        let paired = Paired::measure(subjects, turns);
        let names = paired.names();
        for (subject, name) in names.iter().enumerate() {
            self.add(group, name, "ns", paired.ns(subject));
            if subject > 0 {
                self.add(group, format!("{name} / {}", names[0]), "×", paired.ratio(subject, 0));
            }
        }
    }

    /// Adds median and 99th percentile, in microseconds.
    pub fn add_quantiles(&mut self, group: &str, subject: &str, times: Quantiles) {
        self.add(group, format!("{subject} p50"), "µs", times.p50_us);
        self.add(group, format!("{subject} p99"), "µs", times.p99_us);
    }

    /// Writes `target/figures/NAME.json` in the folder where the benchmark was built.
    ///
    /// # Panics
    /// If the file cannot be written: then all was in vain.
    pub fn write(&self) {
        let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")),
            PathBuf::from,
        );
        let folder = folder.join("figures");
        std::fs::create_dir_all(&folder).expect("a folder for the figures");
        let text = serde_json::to_string_pretty(self).expect("figures are numbers");
        std::fs::write(folder.join(self.name).with_extension("json"), text)
            .expect("a file for the figures");
    }
}

/// Median and 99th percentile, in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Quantiles {
    /// The median.
    pub p50_us: f64,
    /// The 99th percentile.
    pub p99_us: f64,
}

impl Quantiles {
    /// Of these times.
    ///
    /// # Panics
    /// If there are none.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |quantile: f64| {
            let place = (times.len() as f64 * quantile) as usize;
            times[place.min(times.len() - 1)].as_secs_f64() * 1e6
        };
        Self { p50_us: at(0.5), p99_us: at(0.99) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_all_times() {
        let quantiles = Quantiles::of((1..=100).map(Duration::from_micros).collect());
        assert_eq!((quantiles.p50_us, quantiles.p99_us), (51.0, 100.0));
    }
}
