//! Draws the timeline of a written `report.json` as an SVG, for a document to show.

use std::error::Error;
use std::fs;

use unstale_sim::report::{Report, html};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [report, image] = &arguments[..] else {
        return Err("usage: timeline REPORT.json IMAGE.svg".into());
    };
    let report: Report = serde_json::from_str(&fs::read_to_string(report)?)?;
    fs::write(image, html::timeline_svg(&report))?;
    Ok(())
}
