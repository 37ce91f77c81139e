//! Writes pages of invented runs into a folder: how a report looks, without running anything.
//!
//! ```sh
//! cargo run -p unstale-sim --example sample_report -- target/sample-report
//! ```

use std::{env, fs, io, path::Path};

use unstale_sim::report::{
    Comparison, Coverage, Guarantee, Mark, Measure, NodeRow, Outcome, PhaseCurve, Report, Shade,
    Span, Speed, StaleReads, Timeline, Verdict, html,
};

#[path = "../src/report/sample.rs"]
mod sample;

fn main() -> io::Result<()> {
    let folder = env::args().nth(1).unwrap_or_else(|| "target/sample-report".into());
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    for (name, report) in [
        ("held", sample::held()),
        ("broken", sample::broken()),
        ("large", sample::large(1_000)),
        ("empty", Report::default()),
    ] {
        let page = folder.join(format!("{name}.html"));
        fs::write(&page, html::page(&report))?;
        fs::write(folder.join(format!("{name}.svg")), html::timeline_svg(&report))?;
        println!("{}", page.display());
    }
    Ok(())
}
