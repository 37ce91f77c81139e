//! The same partitions with a bound, without one, and with what usual libraries do.

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::ControlFlow;

use super::args::Args;
use super::batch::Batch;
use super::simulate::{conclude, drive};
use super::{Error, Exit};
use crate::plan::{Mode, Request};
use crate::report::{Comparison, Outcome};

const MODES: [Mode; 3] = [Mode::Within { ms: 500 }, Mode::Eventual, Mode::Naive];

pub(super) fn run(args: &Args, batch: &Batch) -> Result<Exit, Error> {
    let mut rows = Vec::new();
    let mut judged = None;
    for mode in MODES {
        let request = Request { mode: Some(mode), ..batch.request };
        let batch = Batch { request, ..batch.clone() };
        let driven = drive(args, std::slice::from_ref(&batch), |_| ControlFlow::Continue(()))?;
        rows.push(driven.assembly.comparison(&mode.to_string()));
        // Naive nodes promise nothing. Of the others the first that fails is reported, or else the first.
        let held = driven.assembly.outcome() == Outcome::Held;
        if mode != Mode::Naive && (judged.is_none() || !held) {
            judged = Some((batch, driven));
        }
        if !held && mode != Mode::Naive {
            break;
        }
    }
    let text = table(&rows);
    let Some((batch, driven)) = judged else { unreachable!("the first mode is always judged") };
    if !args.json {
        writeln!(std::io::stdout(), "{text}")?;
    }
    conclude(args, std::slice::from_ref(&batch), driven, rows)
}

/// As Markdown.
fn table(rows: &[Comparison]) -> String {
    let mut text = String::from(
        "| mode | largest staleness of a hit | hit ratio | invalidation latency p50 | p99.9 | never applied | stale \
         reads |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for row in rows {
        let _written = writeln!(
            text,
            "| {} | {:.0} ms | {:.1} % | {:.2} ms | {:.0} ms | {} | {} of {} |",
            row.mode,
            row.largest_staleness_ms,
            100.0 * row.hit_ratio,
            row.latency_p50_ms,
            row.latency_p999_ms,
            row.never,
            row.stale,
            row.reads
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_for_each_mode() {
        let row = Comparison {
            mode: "naive".to_owned(),
            reads: 1_000,
            hit_ratio: 0.984,
            stale: 12,
            largest_staleness_ms: 4_321.4,
            latency_p50_ms: 0.256,
            latency_p999_ms: 18.0,
            never: 3,
        };
        let text = table(&[row]);
        assert_eq!(
            text.lines().last(),
            Some("| naive | 4321 ms | 98.4 % | 0.26 ms | 18 ms | 3 | 12 of 1000 |")
        );
    }
}
