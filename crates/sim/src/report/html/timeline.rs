//! The timeline: a row for each node, its states as colours, faults as shades behind, events as marks.
//!
//! Everything is placed across in percent of the width and down in pixels. So one drawing fits a phone
//! and a wide screen without a script, no text is ever stretched, and zooming is a matter of width.

mod layout;
mod legend;
mod marks;
mod rows;

use super::{escape, number, palette};
use crate::report::{Mark, Outcome, Report, Timeline};
use layout::Layout;

/// The look of the drawing, in terms of the palette.
pub(super) const CSS: &str = include_str!("timeline.css");

/// Beyond this a name is cut.
const NAME_MAX: usize = 16;
/// Columns into which commits are counted.
const COMMIT_COLUMNS: usize = 150;

/// The timeline with its legend, for the page.
pub(super) fn section(timeline: &Timeline) -> String {
    if timeline.nodes.is_empty() {
        return r#"<p class="empty">No timeline was recorded.</p>"#.into();
    }
    let layout = Layout::new(timeline);
    let gutter = gutter(timeline, &layout);
    let mut out = format!(
        r#"<div class="tl timeline" data-extent="{}" data-top="{}" data-row="{}" data-bottom="{}" data-rows="{}">"#,
        layout.extent_ms,
        layout.rows_top,
        layout.row_height,
        layout.rows_bottom,
        if layout.rows.len() < timeline.nodes.len() { list(&layout.rows) } else { String::new() },
    );
    let height = number::position(layout.height);
    out.push_str(&format!(
        r#"<svg class="names" width="{gutter}" height="{height}" aria-hidden="true">"#
    ));
    draw_names(&mut out, timeline, &layout, gutter);
    out.push_str(&format!(
        r#"</svg><div class="scroll"><div class="plot"><svg width="100%" height="{height}" role="img" aria-label="{}">"#,
        escape::text(&summary(timeline))
    ));
    // Titles are the tooltips of a page without scripts; with many rows they would only weigh.
    draw_plot(&mut out, timeline, &layout, layout.is_thick());
    out.push_str("</svg></div></div></div>");
    out.push_str(&legend::list(timeline, &layout));
    let hidden = timeline.nodes.len() - layout.rows.len();
    if hidden > 0 {
        out.push_str(&format!(
            r#"<p class="note">{} more nodes are not drawn; all nodes with violations are. The rest is in the data.</p>"#,
            number::count(hidden as u64)
        ));
    }
    out
}

/// The timeline with its legend as an image that stands alone, on light ground.
pub(super) fn standalone(report: &Report) -> String {
    const WIDTH: f64 = 1_200.0;
    const MARGIN: f64 = 24.0;
    const HEAD: f64 = 62.0;
    let timeline = &report.timeline;
    let layout = Layout::new(timeline);
    let gutter = gutter(timeline, &layout);
    let plot_width = WIDTH - 2.0 * MARGIN - gutter - 8.0;
    let (legend, legend_height) = legend::draw(timeline, &layout, WIDTH - 2.0 * MARGIN);
    let body = if timeline.nodes.is_empty() { 24.0 } else { layout.height };
    let height = HEAD + body + 18.0 + legend_height + MARGIN;
    let css = palette::in_light(&format!(
        "{CSS}\n.tl .sheet{{fill:var(--card)}}\n.tl .title{{font-size:17px;font-weight:650;fill:var(--ink)}}\n.tl .sub{{font-size:13px}}\n.tl .sub.held{{fill:var(--good)}}\n.tl .sub.broken{{fill:var(--bad)}}\n.tl .sub.liveness{{fill:var(--warn)}}\n"
    ));
    let mut out = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="tl" viewBox="0 0 {WIDTH} {h}" width="{WIDTH}" height="{h}" role="img" aria-label="{}"><style>{css}</style><rect class="sheet" width="{WIDTH}" height="{h}" rx="10"/>"#,
        escape::text(&summary(timeline)),
        h = number::position(height),
    );
    let (word, class) = match report.verdict.outcome {
        Outcome::Held => ("✓", "held"),
        Outcome::Broken => ("✕", "broken"),
        Outcome::Liveness => ("!", "liveness"),
    };
    out.push_str(&format!(
        r#"<text class="title" x="{MARGIN}" y="30">{}</text><text class="sub {class}" x="{MARGIN}" y="50">{word} {}</text>"#,
        escape::text(&shortened(&report.title, 110)),
        escape::text(&shortened(&report.verdict.headline, 160)),
    ));
    if timeline.nodes.is_empty() {
        out.push_str(&format!(
            r#"<text x="{MARGIN}" y="{}">No timeline was recorded.</text>"#,
            HEAD + 12.0
        ));
    } else {
        out.push_str(&format!(r#"<g transform="translate({MARGIN} {HEAD})">"#));
        draw_names(&mut out, timeline, &layout, gutter);
        out.push_str(&format!(
            r#"</g><svg x="{}" y="{HEAD}" width="{}" height="{}" overflow="visible">"#,
            number::position(MARGIN + gutter + 8.0),
            number::position(plot_width),
            number::position(layout.height),
        ));
        draw_plot(&mut out, timeline, &layout, false);
        out.push_str("</svg>");
    }
    out.push_str(&format!(
        r#"<g transform="translate({MARGIN} {})">{legend}</g></svg>"#,
        number::position(HEAD + body + 18.0)
    ));
    out.push('\n');
    out
}

/// One sentence for those who cannot see the drawing.
fn summary(timeline: &Timeline) -> String {
    let marks = |kind: &str| {
        timeline.nodes.iter().flat_map(|node| &node.marks).filter(|mark| mark.kind == kind).count()
            as u64
    };
    format!(
        "Timeline of {} nodes over {}: {} faults, {} stale reads, {} violations",
        number::count(timeline.nodes.len() as u64),
        number::millis(timeline.duration_ms),
        number::count(timeline.shades.len() as u64),
        number::count(marks("stale")),
        number::count(marks("violation")),
    )
}

fn list(rows: &[usize]) -> String {
    rows.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.into();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// The width of the names.
fn gutter(timeline: &Timeline, layout: &Layout) -> f64 {
    let longest = layout.rows.iter().map(|node| timeline.nodes[*node].name.chars().count()).max();
    (longest.unwrap_or(0).min(NAME_MAX) as f64 * 6.4 + 4.0).max(50.0)
}

fn is_hurt(marks: &[Mark]) -> bool {
    marks.iter().any(|mark| mark.kind == "violation")
}

fn draw_names(out: &mut String, timeline: &Timeline, layout: &Layout, right: f64) {
    let right = number::position(right);
    let mut name = |y: f64, class: &str, text: &str, title: &str| {
        out.push_str(&format!(
            r#"<text class="{class}" x="{right}" y="{}" text-anchor="end">{}{title}</text>"#,
            number::position(y),
            escape::text(text)
        ));
    };
    if !layout.lanes.is_empty() {
        name(layout.lanes_top + 11.0, "", "faults", "");
    }
    if let Some((top, height)) = layout.commits {
        name(top + height - 2.0, "", "commits", "");
    }
    // In thin rows only so many names as have room.
    let room = if layout.is_thick() { 12.0 } else { 24.0 };
    let every = (room / layout.row_height).ceil().max(1.0) as usize;
    for (row, node) in layout.rows.iter().map(|node| &timeline.nodes[*node]).enumerate() {
        let hurt = is_hurt(&node.marks);
        if row % every != 0 && !(hurt && every <= 3) {
            continue;
        }
        let y = layout.y(row) + layout.row_height / 2.0 + 4.0;
        let shown = shortened(&node.name, NAME_MAX);
        let title = if shown == node.name {
            String::new()
        } else {
            format!("<title>{}</title>", escape::text(&node.name))
        };
        name(y, if hurt { "name hurt" } else { "name" }, &shown, &title);
    }
}

fn draw_plot(out: &mut String, timeline: &Timeline, layout: &Layout, titles: bool) {
    out.push_str(&format!("<defs>{}{}</defs>", rows::PATTERNS, marks::DEFINITIONS));
    draw_axis(out, layout);
    for (row, node) in layout.rows.iter().enumerate() {
        if is_hurt(&timeline.nodes[*node].marks) && layout.is_thick() {
            out.push_str(&format!(
                r#"<rect class="hurt-row" y="{}" width="100%" height="{}"/>"#,
                number::position(layout.y(row)),
                layout.row_height
            ));
        }
    }
    rows::draw_lanes(out, timeline, layout, titles);
    if layout.is_thick() {
        rows::draw_shades(out, timeline, layout);
        out.push_str(r#"<g class="thick">"#);
        rows::draw_states(out, timeline, layout, titles);
        out.push_str("</g>");
    } else {
        // Thin rows leave no ground to see, so the shades lie on top, as frames.
        rows::draw_states(out, timeline, layout, titles);
        out.push_str(r#"<g class="thin">"#);
        rows::draw_shades(out, timeline, layout);
        out.push_str("</g>");
    }
    draw_commits(out, timeline, layout);
    if let Some(heal_ms) = layout.heal_ms {
        let x = layout.x(heal_ms);
        let (anchor, dx) = if x > 55.0 { ("end", -5) } else { ("start", 5) };
        let x = number::position(x);
        out.push_str(&format!(
            r#"<line class="heal" x1="{x}%" x2="{x}%" y1="{}" y2="{}"/><text class="heal-label" x="{x}%" dx="{dx}" y="{}" text-anchor="{anchor}">healing begins</text>"#,
            number::position(layout.heal_top),
            number::position(layout.height),
            number::position(layout.heal_top + 11.0),
        ));
    }
    let marked: Vec<(&str, &[Mark])> = layout
        .rows
        .iter()
        .map(|node| (timeline.nodes[*node].name.as_str(), timeline.nodes[*node].marks.as_slice()))
        .collect();
    marks::draw(out, layout, &marked, titles);
}

fn draw_axis(out: &mut String, layout: &Layout) {
    for at in layout.ticks() {
        let x = layout.x(at);
        let anchor = match x {
            _ if x < 2.0 => "start",
            _ if x > 97.0 => "end",
            _ => "middle",
        };
        let x = number::position(x);
        out.push_str(&format!(
            r#"<line class="grid" x1="{x}%" x2="{x}%" y1="{}" y2="{}"/><text x="{x}%" y="11" text-anchor="{anchor}">{}</text>"#,
            number::position(layout.heal_top),
            number::position(layout.height),
            clock(at, layout.extent_ms),
        ));
    }
}

/// A moment on the axis, as short as it goes.
fn clock(at_ms: f64, extent_ms: f64) -> String {
    if extent_ms < 150e3 {
        return if at_ms == 0.0 { "0".into() } else { number::millis(at_ms) };
    }
    let seconds = (at_ms / 1e3).round() as u64;
    match seconds / 3_600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// How many commits there were, as columns.
fn draw_commits(out: &mut String, timeline: &Timeline, layout: &Layout) {
    let Some((top, height)) = layout.commits else { return };
    let mut columns = [0_u64; COMMIT_COLUMNS];
    for at_ms in timeline.commits_ms.iter().filter(|at| at.is_finite()) {
        let column = layout.x(*at_ms) / 100.0 * COMMIT_COLUMNS as f64;
        columns[(column as usize).min(COMMIT_COLUMNS - 1)] += 1;
    }
    let most = columns.iter().copied().max().unwrap_or(0).max(1);
    let width = 100.0 / COMMIT_COLUMNS as f64;
    for (column, count) in columns.iter().enumerate().filter(|(_, count)| **count > 0) {
        let tall = (*count as f64 / most as f64 * height).max(1.0);
        out.push_str(&format!(
            r#"<rect class="commit" x="{}%" y="{}" width="{}%" height="{}"/>"#,
            number::position(column as f64 * width),
            number::position(top + height - tall),
            number::position(width * 0.8),
            number::position(tall),
        ));
    }
}
