//! Draws bars, as SVG. A crate for plots would have to be told most of this too, and knows neither bars that lie on
//! their side with their values beside them, nor images that are dark where the page is.

use std::fmt::Write as _;

use super::groups::{Kind, RATIO};
use super::number::short;
use super::scale::Scale;

/// Panels beside and under each other, all with the same axis.
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) title: String,
    /// What the length of a bar is: the axis's unit stands behind each of its numbers.
    pub(crate) length: String,
    pub(crate) unit: String,
    pub(crate) panels: Vec<Panel>,
}

#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) bars: Vec<Bar>,
}

#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) kind: Kind,
    pub(crate) length: f64,
    /// What stands beside it.
    pub(crate) value: String,
}

const STYLE: &str = "\
.b text{font:12px ui-sans-serif,system-ui,-apple-system,\"Segoe UI\",Roboto,\"Liberation Sans\",sans-serif;fill:#566372}
.b .sheet{fill:#ffffff}
.b .value{paint-order:stroke;stroke:#ffffff;stroke-width:4px;stroke-linejoin:round}
.b .title{font-size:16px;font-weight:650;fill:#18212c}
.b .panel{font-weight:650;fill:#18212c}
.b .label{fill:#18212c;text-anchor:end}
.b .tick{font-size:11px;text-anchor:middle}
.b .grid{stroke:#dde2e8;shape-rendering:crispEdges}
.b .one{stroke:#566372;stroke-dasharray:3 3;shape-rendering:crispEdges}
.b .floor{fill:#8b95a1}
.b .ours{fill:#2f7fb8}
.b .other{fill:#d19a2c}
@media (prefers-color-scheme:dark){
.b text{fill:#9aa7b4}
.b .sheet{fill:#0d1117}
.b .value{stroke:#0d1117}
.b .title,.b .panel,.b .label{fill:#e6edf3}
.b .grid{stroke:#30363d}
.b .one{stroke:#9aa7b4}
.b .ours{fill:#4a9fd8}
}
";

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 20.0;
const HEAD: f64 = 62.0;
const PANEL_HEAD: f64 = 26.0;
const BAR: f64 = 14.0;
const BAR_AND_GAP: f64 = 21.0;
const AXIS: f64 = 34.0;
/// What a letter of a label takes at most, about.
const LETTER: f64 = 6.6;

impl Plot {
    /// The image.
    pub(crate) fn svg(&self) -> String {
        let columns = if self.panels.len() > 1 { 2 } else { 1 };
        let layout = Layout::of(self, columns);
        let rows = self.panels.len().div_ceil(columns);
        let height = HEAD + rows as f64 * layout.panel_height + MARGIN / 2.0;
        let title = escaped(&self.title);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"b\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" role=\"img\" aria-label=\"{title}\"><style>{STYLE}</style>\n\
             <rect class=\"sheet\" width=\"{WIDTH}\" height=\"{height}\" rx=\"10\"/>\n\
             <text class=\"title\" x=\"{MARGIN}\" y=\"30\">{title}</text>\n"
        );
        let axis = if layout.scale.is_log { "; the axis is logarithmic" } else { "" };
        let length = escaped(&self.length);
        text(&mut svg, "", MARGIN, 48.0, &format!("{length}{axis}"));
        for (index, panel) in self.panels.iter().enumerate() {
            let left = MARGIN + (index % columns) as f64 * layout.panel_width;
            let top = HEAD + (index / columns) as f64 * layout.panel_height;
            layout.panel(&mut svg, panel, left, top, &self.unit);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// Where things are.
struct Layout {
    scale: Scale,
    panel_width: f64,
    panel_height: f64,
    /// Room for the labels on the left and the values on the right of the bars.
    labels: f64,
    values: f64,
}

impl Layout {
    fn of(plot: &Plot, columns: usize) -> Self {
        let bars = || plot.panels.iter().flat_map(|panel| &panel.bars);
        let widest = |texts: &mut dyn Iterator<Item = usize>| {
            texts.max().unwrap_or_default() as f64 * LETTER + 10.0
        };
        let most = plot.panels.iter().map(|panel| panel.bars.len()).max().unwrap_or_default();
        Self {
            scale: Scale::of(bars().map(|bar| bar.length)),
            panel_width: (WIDTH - 2.0 * MARGIN) / columns as f64,
            panel_height: PANEL_HEAD + most as f64 * BAR_AND_GAP + AXIS,
            labels: widest(&mut bars().map(|bar| bar.label.chars().count())),
            values: widest(&mut bars().map(|bar| bar.value.chars().count())),
        }
    }

    fn panel(&self, svg: &mut String, panel: &Panel, left: f64, top: f64, unit: &str) {
        let start = left + self.labels;
        let room = (self.panel_width - self.labels - self.values - MARGIN / 2.0).max(60.0);
        let first = top + PANEL_HEAD;
        let bottom = first + panel.bars.len() as f64 * BAR_AND_GAP;
        text(svg, "panel", start, top + 16.0, &escaped(&panel.title));
        for tick in &self.scale.ticks {
            let x = start + room * self.scale.place(*tick);
            line(svg, "grid", x, first - 4.0, bottom);
            text(svg, "tick", x, bottom + 14.0, &short(*tick));
        }
        if unit == RATIO {
            line(svg, "one", start + room * self.scale.place(1.0), first - 4.0, bottom);
        }
        for (index, bar) in panel.bars.iter().enumerate() {
            let y = first + index as f64 * BAR_AND_GAP;
            let length = room * self.scale.place(bar.length);
            let class = match bar.kind {
                Kind::Floor => "floor",
                Kind::Ours => "ours",
                Kind::Other => "other",
            };
            text(svg, "label", start - 7.0, y + 11.5, &escaped(&bar.label));
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{start:.1}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\"/>"
            );
            text(svg, "value", start + length + 6.0, y + 11.5, &escaped(&bar.value));
        }
    }
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, escaped: &str) {
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{escaped}</text>");
}

fn line(svg: &mut String, class: &str, x: f64, top: f64, bottom: f64) {
    let _ = writeln!(svg, "<path class=\"{class}\" d=\"M{x:.1} {top:.1}V{bottom:.1}\"/>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(label: &str, kind: Kind, length: f64) -> Bar {
        Bar { label: label.to_owned(), kind, length, value: format!("{length}×") }
    }

    #[test]
    fn every_bar_is_drawn_with_its_label_and_its_value() {
        let bars = || vec![bar("floor", Kind::Floor, 1.0), bar("a < b", Kind::Ours, 2.0)];
        let panels = ["1 thread", "2 threads", "3"]
            .map(|title| Panel { title: title.to_owned(), bars: bars() });
        let plot = Plot {
            title: "hit".to_owned(),
            length: "times the floor".to_owned(),
            unit: "×".to_owned(),
            panels: panels.into(),
        };
        let svg = plot.svg();
        assert_eq!(svg.matches("class=\"floor\"").count(), 3);
        assert_eq!(svg.matches("class=\"ours\"").count(), 3);
        assert_eq!(svg.matches(">a &lt; b</text>").count(), 3);
        assert_eq!(svg.matches(">2×</text>").count(), 3);
        assert_eq!(svg.matches("class=\"one\"").count(), 3);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert!(!svg.contains("logarithmic"));
    }
}
