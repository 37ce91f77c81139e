//! The report as a page: one file that needs nothing else, neither a network nor a script.
//!
//! All that matters is drawn here, in HTML and SVG. The script adds tooltips, zoom and a copy button.
//! A pure function of the report: the same report gives the same bytes.

mod coverage;
mod curves;
mod escape;
mod number;
mod palette;
mod tables;
mod timeline;

use super::{Outcome, Report};

const CSS: &str = include_str!("html/page.css");
const JS: &str = include_str!("html/page.js");

/// The report as one HTML file.
///
/// Holds the report as JSON too, in the element `report`.
pub fn page(report: &Report) -> String {
    // Serialising numbers, strings and lists to memory cannot fail; if it did, the page would still do.
    let data = serde_json::to_string(report).unwrap_or_else(|_| "null".into());
    let mut out = String::with_capacity(data.len() * 2 + 64 * 1024);
    out.push_str(concat!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
        "<meta name=\"color-scheme\" content=\"light dark\">\n",
        // Whatever a string in the report holds, the browser loads nothing from anywhere.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ",
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; ",
        "form-action 'none'\">\n<link rel=\"icon\" href=\"data:,\">\n",
    ));
    out.push_str(&format!("<title>{} – unstale simulation</title>\n", escape::text(&report.title)));
    out.push_str(&format!(
        "<style>\n{}{CSS}{}</style>\n</head>\n",
        palette::properties(),
        timeline::CSS
    ));
    out.push_str(&format!("<body>\n{}<main>\n", header(report)));
    sections(&mut out, report);
    out.push_str("</main>\n<div id=\"tip\" role=\"status\" hidden></div>\n");
    out.push_str(&format!(
        "<script type=\"application/json\" id=\"report\">{}</script>\n",
        escape::json(&data)
    ));
    out.push_str(&format!("<script>\n{JS}</script>\n</body>\n</html>\n"));
    out
}

/// The timeline with its legend as an SVG image on light ground, for where a page cannot go.
pub fn timeline_svg(report: &Report) -> String {
    timeline::standalone(report)
}

fn header(report: &Report) -> String {
    let (class, sign, word) = match report.verdict.outcome {
        Outcome::Held => ("held", "✓", "Held"),
        Outcome::Broken => ("broken", "✕", "Broken"),
        Outcome::Liveness => ("liveness", "!", "Liveness"),
    };
    let runs = match report.verdict.runs {
        1 => "1 run".into(),
        runs => format!("{} runs", number::count(runs)),
    };
    let title = escape::text(&report.title);
    let headline = escape::text(&report.verdict.headline);
    let seed = report.timeline.seed;
    let mut out = format!(
        r#"<header class="{class}"><div class="inner"><p class="eyebrow"><b>unstale</b> simulation<span>{title}</span></p><h1><span class="verdict"><span aria-hidden="true">{sign}</span> {word}</span> <span class="headline">{headline}</span></h1><p class="facts">{runs} · timeline of seed {seed}</p>"#
    );
    if !report.reproduce.is_empty() {
        out.push_str(&format!(
            r#"<div class="reproduce"><span>Reproduce</span><code id="command" tabindex="0">{}</code><button type="button" id="copy" hidden>Copy</button></div>"#,
            escape::text(&report.reproduce)
        ));
    }
    out.push_str("</div></header>\n");
    out
}

fn sections(out: &mut String, report: &Report) {
    let mut section = |id: &str, title: &str, aside: &str, body: &str| {
        out.push_str(&format!(
            "<section id=\"{id}\" aria-labelledby=\"{id}-title\"><h2 id=\"{id}-title\">{title}</h2>{aside}{body}</section>\n"
        ));
    };
    let card = |body: String| format!("<div class=\"card\">{body}</div>");
    section("timeline", "Timeline", ZOOM, &card(timeline::section(&report.timeline)));
    section("guarantees", "Guarantees", "", &card(tables::guarantees(&report.guarantees)));
    section("stale", "Stale reads", "", &card(tables::stale_reads(&report.stale_reads)));
    section("speed", "Speed", "", &card(tables::speed(&report.speed)));
    section("latency", "Distributions", PERCENTILES, &curves::section(&report.measures));
    if !report.figures.is_empty() {
        section("figures", "Figures", "", &tables::figures(&report.figures));
    }
    if !report.comparison.is_empty() {
        section(
            "comparison",
            "The same plan in other modes",
            "",
            &card(tables::comparison(&report.comparison)),
        );
    }
    section("coverage", "Coverage", "", &card(coverage::section(&report.coverage)));
    section("configuration", "Configuration", "", &card(tables::pairs(&report.configuration)));
}

const ZOOM: &str = "<label class=\"aside zoom\" hidden>Zoom <input type=\"range\" id=\"zoom\" min=\"1\" max=\"12\" \
                    step=\"0.5\" value=\"1\"></label>";
const PERCENTILES: &str = "<p class=\"aside\">by percentile, in nines</p>";

#[cfg(test)]
mod tests;
