//! What came of it, for the terminal.

use std::io::{self, Write};

use crate::report::assemble::Failure;
use crate::report::{Coverage, Report};

pub(super) fn write(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    writeln!(out, "{}: {}", report.title, report.verdict.headline)?;
    writeln!(out)?;
    writeln!(out, "     {:24} {:>12} {:>8}", "guarantee", "checked", "broken")?;
    for row in &report.guarantees {
        writeln!(out, "{:4} {:24} {:>12} {:>8}", row.id, row.name, row.checked, row.broken)?;
    }
    writeln!(out)?;
    for measure in &report.measures {
        for phase in &measure.phases {
            writeln!(
                out,
                "{:24} {:8} p50 {:9.3} ms  p99 {:9.3} ms  p99.9 {:9.3} ms  max {:9.3} ms  ({})",
                measure.name, phase.phase, phase.p50, phase.p99, phase.p999, phase.max, phase.count
            )?;
        }
    }
    let stale = &report.stale_reads;
    writeln!(
        out,
        "stale reads              {} of {}: {:.2} nines, at least {:.2} (95 %); the stalest {:.3} ms",
        stale.stale, stale.reads, stale.nines, stale.nines_at_least, stale.largest_ms
    )?;
    let speed = &report.speed;
    writeln!(
        out,
        "speed                    {:.1} s simulated in {:.1} s: {:.0} node-seconds a second",
        speed.simulated_s, speed.wall_s, speed.node_seconds_per_s
    )
}

/// Each cell of the coverage table that had to be reached and was not, by its name, on one line.
pub(super) fn write_empty_cells(out: &mut dyn Write, coverage: &Coverage) -> io::Result<()> {
    let names: Vec<_> =
        coverage.missing().map(|(fault, state)| format!("{fault} × {state}")).collect();
    if names.is_empty() {
        return writeln!(out, "Coverage: every state was reached under every kind of fault");
    }
    writeln!(out, "Never reached: {}", names.join(", "))
}

/// Which guarantee, when, between whom, and how to see it again.
pub(super) fn write_failure(
    out: &mut dyn Write,
    failure: &Failure,
    reproduce: &str,
) -> io::Result<()> {
    writeln!(out)?;
    writeln!(out, "{}:", failure.sentence())?;
    writeln!(out, "  {}", failure.violation.what)?;
    writeln!(out, "Reproduce: {reproduce}")
}
