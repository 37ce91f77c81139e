//! What the colours and shapes of the timeline mean; only of those that occur in it.

use super::{Layout, marks, rows};
use crate::report::Timeline;
use crate::report::html::{escape, number};

/// An entry: a drawing of 20 by 14, and its words.
type Entry = (String, String);

/// As a list, for the page.
pub(super) fn list(timeline: &Timeline, layout: &Layout) -> String {
    let mut out = String::from(r#"<ul class="tl legend" aria-label="Legend">"#);
    for (drawing, words) in entries(timeline, layout) {
        out.push_str(&format!(
            r#"<li><svg width="20" height="14" aria-hidden="true">{drawing}</svg>{}</li>"#,
            escape::text(&words)
        ));
    }
    out.push_str("</ul>");
    out
}

/// As a drawing of this width, with its height.
pub(super) fn draw(timeline: &Timeline, layout: &Layout, width: f64) -> (String, f64) {
    let mut out = String::new();
    let (mut x, mut y) = (0.0, 0.0);
    for (drawing, words) in entries(timeline, layout) {
        // Six pixels are a little more than a letter of this size takes.
        let wide = 26.0 + words.chars().count() as f64 * 6.0 + 18.0;
        if x > 0.0 && x + wide > width {
            (x, y) = (0.0, y + 20.0);
        }
        out.push_str(&format!(
            r#"<g transform="translate({} {})">{drawing}<text x="26" y="11">{}</text></g>"#,
            number::position(x),
            number::position(y),
            escape::text(&words)
        ));
        x += wide;
    }
    (out, if x > 0.0 { y + 14.0 } else { 0.0 })
}

fn entries(timeline: &Timeline, layout: &Layout) -> Vec<Entry> {
    let mut entries = Vec::new();
    let group = if layout.is_thick() { "thick" } else { "thin" };
    let drawn = || layout.rows.iter().map(|node| &timeline.nodes[*node]);
    for (state, words) in rows::STATES {
        if drawn().any(|node| node.spans.iter().any(|span| span.state == state)) {
            let (y, height) = match state {
                "down" => (6, 2),
                "disconnected" if layout.is_thick() => (4, 6),
                _ => (1, 12),
            };
            let drawing = format!(
                r#"<g class="{group}"><rect class="{state}" y="{y}" width="20" height="{height}"/></g>"#
            );
            entries.push((drawing, words.into()));
        }
    }
    let unknown = |state: &str| rows::STATES.iter().all(|(known, _)| *known != state);
    if drawn().any(|node| node.spans.iter().any(|span| unknown(&span.state))) {
        entries.push((
            r#"<rect class="other" y="1" width="20" height="12"/>"#.into(),
            "another state".into(),
        ));
    }
    for (class, words) in rows::CLASSES {
        if timeline.shades.iter().any(|shade| rows::class_of(&shade.kind) == class) {
            let drawing = format!(
                r#"<g class="{group}"><rect class="shade {class}" y="1" width="20" height="12"/></g>"#
            );
            entries.push((drawing, words.into()));
        }
    }
    let mut ticks = Vec::new();
    for (kind, words) in marks::KINDS {
        if !drawn().any(|node| node.marks.iter().any(|mark| mark.kind == kind)) {
            continue;
        }
        if layout.is_thick() || kind == "violation" {
            entries.push((format!(r##"<use href="#m-{kind}" x="10" y="7"/>"##), words.into()));
        } else if kind == "stale" {
            entries.push((tick(kind), words.into()));
        } else {
            ticks.push(kind);
        }
    }
    if !ticks.is_empty() {
        // In thin rows these look alike.
        entries.push((tick("event"), ticks.join(" / ")));
    }
    entries
}

fn tick(kind: &str) -> String {
    format!(r#"<rect class="tick {kind}" x="9" y="1" width="2" height="12"/>"#)
}
