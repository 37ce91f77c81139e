//! The rows of the timeline: the states of nodes, and the faults behind them.

use super::Layout;
use crate::report::html::{escape, number};
use crate::report::{Shade, Span, Timeline};

/// The states that have a colour, and what they mean.
pub(super) const STATES: [(&str, &str); 6] = [
    ("live", "live"),
    ("starting", "starting"),
    ("suspect", "suspect: cannot prove freshness"),
    ("disconnected", "disconnected"),
    ("paused", "paused"),
    ("down", "down: no process"),
];

/// What faults strike, and how the legend calls it.
pub(super) const CLASSES: [(&str, &str); 4] = [
    ("network", "network fault"),
    ("broker", "broker fault"),
    ("host", "fault of a node"),
    ("unknown", "other fault"),
];

/// The patterns of shades and states.
pub(super) const PATTERNS: &str = concat!(
    r#"<pattern id="p-network" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">"#,
    r#"<rect class="tint-network" width="7" height="7" opacity=".14"/>"#,
    r#"<path class="line-network" d="M0 0V7" stroke-width="2.4" opacity=".5"/></pattern>"#,
    r#"<pattern id="p-broker" width="6" height="6" patternUnits="userSpaceOnUse">"#,
    r#"<rect class="tint-broker" width="6" height="6" opacity=".16"/>"#,
    r#"<path class="line-broker" d="M0 3H6" stroke-width="1.2" opacity=".45"/></pattern>"#,
    r#"<pattern id="p-host" width="6" height="6" patternUnits="userSpaceOnUse">"#,
    r#"<rect class="tint-host" width="6" height="6" opacity=".14"/>"#,
    r#"<circle class="tint-host" cx="3" cy="3" r="1.1" opacity=".6"/></pattern>"#,
    r#"<pattern id="p-unknown" width="6" height="6" patternUnits="userSpaceOnUse">"#,
    r#"<rect class="tint-unknown" width="6" height="6" opacity=".12"/>"#,
    r#"<path class="line-unknown" d="M0 0V6" stroke-width="1" opacity=".5"/></pattern>"#,
    r#"<pattern id="p-suspect" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">"#,
    r#"<rect class="suspect" width="6" height="6"/><path class="veil" d="M0 0V6"/></pattern>"#,
    r#"<pattern id="p-paused" width="5" height="5" patternUnits="userSpaceOnUse">"#,
    r#"<rect class="paused" width="5" height="5"/><path class="veil" d="M1 0V5"/></pattern>"#,
);

/// What a fault strikes, by the name that plans give to its kind.
pub(super) fn class_of(kind: &str) -> &'static str {
    let kind = kind.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| kind.contains(word));
    if has(&["broker", "failover", "demot", "sequencer", "subscription", "outage", "overflow"]) {
        "broker"
    } else if has(&["crash", "restart", "pause", "suspend", "clock", "clone", "node", "host"]) {
        "host"
    } else if has(&[
        "partition",
        "way",
        "hold",
        "delay",
        "jitter",
        "dup",
        "drop",
        "loss",
        "lose",
        "slow",
        "zombie",
        "network",
        "latency",
        "link",
    ]) {
        "network"
    } else {
        "unknown"
    }
}

/// A fault in words: its label, or else its kind.
pub(super) fn label_of(shade: &Shade) -> &str {
    if shade.label.trim().is_empty() { &shade.kind } else { &shade.label }
}

/// Faults, over the rows that they concern; rows next to each other in one piece.
pub(super) fn draw_shades(out: &mut String, timeline: &Timeline, layout: &Layout) {
    for shade in &timeline.shades {
        let Some((x, width)) = extent(layout, shade.from_ms, shade.to_ms) else { continue };
        for (first, count) in pieces(layout, &shade.nodes) {
            out.push_str(&format!(
                r#"<rect class="shade {}" x="{x}%" y="{}" width="{width}%" height="{}"/>"#,
                class_of(&shade.kind),
                number::position(layout.y(first)),
                number::position(count as f64 * layout.row_height),
            ));
        }
    }
}

/// The same faults, by name, above the rows.
pub(super) fn draw_lanes(out: &mut String, timeline: &Timeline, layout: &Layout, titles: bool) {
    for (lane, shades) in layout.lanes.iter().enumerate() {
        let (y, height) = layout.lane(lane);
        for (index, shade) in
            shades.iter().enumerate().map(|(at, shade)| (at, &timeline.shades[*shade]))
        {
            // The label may go on where the fault ends, up to the next one; a nested viewport clips it
            // there. Within that the fault takes its share.
            let next = shades.get(index + 1).map(|next| timeline.shades[*next].from_ms);
            let from = layout.x(shade.from_ms);
            let room = (next.map_or(100.0, |next| layout.x(next)) - from).max(0.1);
            let until = if shade.to_ms.is_finite() { layout.x(shade.to_ms) } else { 100.0 };
            let share = number::position(((until - from) / room * 100.0).clamp(0.0, 100.0));
            let (x, room) = (number::position(from), number::position(room));
            let class = class_of(&shade.kind);
            let label = escape::text(label_of(shade));
            let title = if titles {
                let (from, to) = (number::millis(shade.from_ms), number::millis(shade.to_ms));
                format!("<title>{label}, {from} to {to}</title>")
            } else {
                String::new()
            };
            out.push_str(&format!(
                r#"<svg x="{x}%" y="{y}" width="{room}%" height="{height}">{title}<rect class="lane {class}" width="{share}%" height="{height}"/><rect class="lane lane-edge {class}" width="3" height="{height}"/><text class="lane-text" x="7" y="11">{label}</text></svg>"#
            ));
        }
    }
}

/// The states of each node.
pub(super) fn draw_states(out: &mut String, timeline: &Timeline, layout: &Layout, titles: bool) {
    for (row, node) in layout.rows.iter().map(|node| &timeline.nodes[*node]).enumerate() {
        for (from, to, state) in steps(layout, &node.spans) {
            let (class, _) =
                STATES.iter().find(|(known, _)| *known == state).copied().unwrap_or(("other", ""));
            let height = bar(layout, class);
            let y = layout.y(row) + (layout.row_height - height) / 2.0;
            let place = format!(
                r#"<rect class="{class}" x="{}%" y="{}" width="{}%" height="{}""#,
                number::position(from),
                number::position(y),
                number::position(to - from),
                number::position(height)
            );
            out.push_str(&place);
            if titles && class != "live" {
                let from = number::millis(from / 100.0 * layout.extent_ms);
                let to = number::millis(to / 100.0 * layout.extent_ms);
                let title = format!("{}, {from} to {to}, {state}", node.name);
                out.push_str(&format!("><title>{}</title></rect>", escape::text(&title)));
            } else {
                out.push_str("/>");
            }
        }
    }
}

/// How high a bar is in this state: the less a node can serve, the less of it there is.
fn bar(layout: &Layout, class: &str) -> f64 {
    match class {
        "down" if layout.row_height <= 2.0 => 0.6,
        "down" => (layout.bar_height / 6.0).max(1.0),
        "disconnected" if layout.is_thick() => (layout.bar_height / 2.0).round(),
        _ => layout.bar_height,
    }
}

/// Whether this is a stretch of time. One with NaN is not.
fn is_time(from_ms: f64, to_ms: f64) -> bool {
    to_ms >= from_ms
}

/// Where something begins and how wide it is, in percent; a moment still shows.
fn extent(layout: &Layout, from_ms: f64, to_ms: f64) -> Option<(String, String)> {
    if !is_time(from_ms, to_ms) || from_ms > layout.extent_ms {
        return None;
    }
    let (from, to) =
        (layout.x(from_ms), layout.x(if to_ms.is_finite() { to_ms } else { layout.extent_ms }));
    Some((number::position(from), number::position((to - from).max(0.1))))
}

/// Runs of rows next to each other: the first, and how many.
fn pieces(layout: &Layout, nodes: &[usize]) -> Vec<(usize, usize)> {
    if nodes.is_empty() {
        return if layout.rows.is_empty() { Vec::new() } else { vec![(0, layout.rows.len())] };
    }
    let mut rows: Vec<usize> =
        nodes.iter().filter_map(|node| layout.rows.binary_search(node).ok()).collect();
    rows.sort_unstable();
    rows.dedup();
    let mut pieces: Vec<(usize, usize)> = Vec::new();
    for row in rows {
        match pieces.last_mut() {
            Some((first, count)) if *first + *count == row => *count += 1,
            _ => pieces.push((row, 1)),
        }
    }
    pieces
}

/// Spans on a grid as fine as a screen, equal neighbours joined. Of spans that are thinner than the
/// grid only the live ones go: a moment of trouble stays visible.
fn steps<'a>(layout: &Layout, spans: &'a [Span]) -> Vec<(f64, f64, &'a str)> {
    let per_percent = if layout.is_thick() { 20.0 } else { 10.0 };
    let mut steps: Vec<(f64, f64, &str)> = Vec::new();
    for span in spans {
        if !is_time(span.from_ms, span.to_ms) {
            continue;
        }
        let grid = |ms| (layout.x(ms) * per_percent).round() / per_percent;
        let (mut from, mut to) = (grid(span.from_ms), grid(span.to_ms));
        if to <= from {
            if span.state == "live" {
                continue;
            }
            from = from.min(100.0 - 1.0 / per_percent);
            to = from + 1.0 / per_percent;
        }
        match steps.last_mut() {
            Some((_, end, state)) if *state == span.state && *end >= from => *end = end.max(to),
            _ => steps.push((from, to, &span.state)),
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::NodeRow;

    fn span(from_ms: f64, to_ms: f64, state: &str) -> Span {
        Span { from_ms, to_ms, state: state.into() }
    }

    fn layout(nodes: usize) -> Layout {
        let nodes = vec![NodeRow::default(); nodes];
        Layout::new(&Timeline { duration_ms: 1_000.0, nodes, ..Timeline::default() })
    }

    #[test]
    fn neighbours_join_and_a_moment_of_trouble_stays() {
        let spans = [
            span(0.0, 400.0, "live"),
            span(400.0, 500.0, "live"),
            span(500.0, 500.01, "down"),
            span(500.01, 500.02, "live"),
            span(500.02, 1_000.0, "live"),
            span(f64::NAN, 3.0, "live"),
        ];
        let steps = steps(&layout(3), &spans);
        let states: Vec<&str> = steps.iter().map(|(.., state)| *state).collect();
        assert_eq!(states, ["live", "down", "live"]);
        assert!(steps[1].1 > steps[1].0);
    }

    #[test]
    fn rows_next_to_each_other_are_one_piece() {
        let layout = layout(8);
        assert_eq!(pieces(&layout, &[5, 1, 2, 2, 99]), [(1, 2), (5, 1)]);
        assert_eq!(pieces(&layout, &[]), [(0, 8)]);
        assert_eq!(pieces(&layout, &[99]), []);
    }

    #[test]
    fn kinds_are_known_by_what_they_strike() {
        for (kind, class) in [
            ("partition", "network"),
            ("one_way", "network"),
            ("broker_crash", "broker"),
            ("failover", "broker"),
            ("node_crash", "host"),
            ("pause", "host"),
            ("garbage", "unknown"),
        ] {
            assert_eq!(class_of(kind), class, "{kind}");
        }
    }
}
