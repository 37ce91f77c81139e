//! What happened to a node at a moment: a shape for each kind.

use super::Layout;
use crate::report::Mark;
use crate::report::html::{escape, number};

/// Shapes that a timeline may hold before those close together are joined.
const SHAPES_MAX: usize = 1_500;

/// The kinds that have a shape, and what they mean; in the order in which they are drawn.
pub(super) const KINDS: [(&str, &str); 6] = [
    ("replay", "missed frames replayed"),
    ("clear", "cache cleared"),
    ("gap", "gap in an origin's numbers"),
    ("restart", "process restarted"),
    ("stale", "stale read within the bound"),
    ("violation", "guarantee violated"),
];

/// The shapes, each around the origin.
pub(super) const DEFINITIONS: &str = concat!(
    r#"<path id="m-replay" class="mark-hard" d="M-3-4.2 4 0-3 4.2z"/>"#,
    r#"<path id="m-clear" class="mark-soft" d="M-4.2-3.4H4.2L0 4z"/>"#,
    r#"<path id="m-gap" class="mark-soft" d="M-3-3.4H3V3.4H-3z"/>"#,
    r#"<path id="m-restart" class="mark-hard" d="M-4.4 3.6H4.4L0-4.2z"/>"#,
    r#"<circle id="m-stale" class="mark-bad" r="3.4"/>"#,
    r#"<g id="m-violation"><path class="mark-bad" d="M0-8 8 0 0 8-8 0z"/>"#,
    r#"<path class="mark-cross" d="M-2.6-2.6 2.6 2.6M2.6-2.6-2.6 2.6"/></g>"#,
    r#"<circle id="m-other" class="mark-soft" r="2.4"/>"#,
);

/// Marks of one kind in one row that are too close together to tell apart.
struct Shape<'a> {
    row: usize,
    kind: &'a str,
    at_ms: f64,
    detail: &'a str,
    count: usize,
}

/// Draws the marks of all rows; the gravest last, so that nothing covers them.
pub(super) fn draw<'a>(
    out: &mut String,
    layout: &Layout,
    rows: &[(&'a str, &'a [Mark])],
    titles: bool,
) {
    let mut shapes = join_until_few(layout, rows);
    shapes.sort_by_key(|shape| rank(shape.kind));
    for shape in &shapes {
        let x = number::position(layout.x(shape.at_ms));
        let middle = layout.y(shape.row) + layout.row_height / 2.0;
        let title = if titles { title(rows[shape.row].0, shape) } else { String::new() };
        let id = if known(shape.kind) { shape.kind } else { "other" };
        if layout.is_thick() || shape.kind == "violation" {
            let y = number::position(middle);
            out.push_str(&if title.is_empty() {
                format!(r##"<use href="#m-{id}" x="{x}%" y="{y}"/>"##)
            } else {
                format!(r##"<use href="#m-{id}" x="{x}%" y="{y}">{title}</use>"##)
            });
        } else {
            let y = number::position(layout.y(shape.row));
            let height = layout.row_height;
            out.push_str(&format!(
                r#"<rect class="tick {id}" x="{x}%" y="{y}" width="2" height="{height}"/>"#
            ));
        }
    }
}

fn known(kind: &str) -> bool {
    KINDS.iter().any(|(known, _)| *known == kind)
}

/// Unknown kinds come first, as the least.
fn rank(kind: &str) -> usize {
    KINDS.iter().position(|(known, _)| *known == kind).map_or(0, |at| at + 1)
}

fn title(node: &str, shape: &Shape<'_>) -> String {
    let times = if shape.count > 1 {
        format!(" × {}", number::count(shape.count as u64))
    } else {
        String::new()
    };
    let detail =
        if shape.detail.is_empty() { String::new() } else { format!(": {}", shape.detail) };
    let title = format!("{node}, {}, {}{times}{detail}", number::millis(shape.at_ms), shape.kind);
    format!("<title>{}</title>", escape::text(&title))
}

/// The shapes, with those of a kind within a step joined; the step grows until there are few enough.
fn join_until_few<'a>(layout: &Layout, rows: &[(&'a str, &'a [Mark])]) -> Vec<Shape<'a>> {
    let mut step = 0.2;
    loop {
        let shapes = join(layout, rows, step);
        if shapes.len() <= SHAPES_MAX.max(rows.len()) || step >= 10.0 {
            return shapes;
        }
        step *= 2.0;
    }
}

/// `step` is in percent of the width.
fn join<'a>(layout: &Layout, rows: &[(&'a str, &'a [Mark])], step: f64) -> Vec<Shape<'a>> {
    let mut shapes: Vec<Shape<'a>> = Vec::new();
    for (row, (_, marks)) in rows.iter().enumerate() {
        let mut marks: Vec<&Mark> = marks.iter().filter(|mark| mark.at_ms.is_finite()).collect();
        marks.sort_by(|a, b| {
            (rank(&a.kind), &a.kind)
                .cmp(&(rank(&b.kind), &b.kind))
                .then(a.at_ms.total_cmp(&b.at_ms))
        });
        for mark in marks {
            match shapes.last_mut() {
                Some(last)
                    if last.row == row
                        && last.kind == mark.kind
                        && layout.x(mark.at_ms) - layout.x(last.at_ms) < step =>
                {
                    last.count += 1;
                }
                _ => shapes.push(Shape {
                    row,
                    kind: &mark.kind,
                    at_ms: mark.at_ms,
                    detail: &mark.detail,
                    count: 1,
                }),
            }
        }
    }
    shapes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Timeline;

    fn mark(at_ms: f64, kind: &str) -> Mark {
        Mark { at_ms, kind: kind.into(), detail: "why".into() }
    }

    fn draw_all(marks: &[Mark]) -> String {
        let layout = Layout::new(&Timeline { duration_ms: 1e6, ..Timeline::default() });
        let mut out = String::new();
        draw(&mut out, &layout, &[("node-1", marks)], true);
        out
    }

    #[test]
    fn a_violation_is_drawn_over_all_else() {
        let out = draw_all(&[mark(5.0, "violation"), mark(5.0, "stale"), mark(5.0, "clear")]);
        let at = |kind: &str| out.find(&format!("#m-{kind}")).unwrap();
        assert!(at("clear") < at("stale") && at("stale") < at("violation"));
    }

    #[test]
    fn many_at_one_place_are_joined_and_counted() {
        let marks: Vec<Mark> = (0..50_000).map(|at| mark(f64::from(at) * 20.0, "stale")).collect();
        let out = draw_all(&marks);
        assert!(out.matches("<use").count() <= SHAPES_MAX);
        assert!(out.contains("stale × "));
    }

    #[test]
    fn an_unknown_kind_and_a_time_that_is_none_do_no_harm() {
        let out = draw_all(&[mark(f64::NAN, "clear"), mark(3.0, "\"><script>")]);
        assert_eq!(out.matches("<use").count(), 1);
        assert!(out.contains("#m-other") && !out.contains("<script"));
    }
}
