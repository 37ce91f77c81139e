//! Where things are in the timeline: across in percent of its width, down in pixels.

use super::rows::label_of;
use crate::report::Timeline;

/// Rows beyond these are not drawn: the nodes with violations come first, and the page says so.
const ROWS_MAX: usize = 1_200;
/// Lanes in which faults that overlap are stacked.
const LANES_MAX: usize = 8;
/// A label has room for so many letters, and a letter takes so much of the width of a wide screen.
const LABEL_MAX: usize = 36;
const LETTER_PERCENT: f64 = 0.56;
const AXIS_HEIGHT: f64 = 18.0;
const HEAL_HEIGHT: f64 = 16.0;
const LANE_HEIGHT: f64 = 18.0;
const COMMITS_HEIGHT: f64 = 26.0;
const GAP: f64 = 6.0;

/// The measures of one timeline.
pub(super) struct Layout {
    /// The time at the right edge; never zero.
    pub(super) extent_ms: f64,
    /// Where the line of healing is, if it is inside.
    pub(super) heal_ms: Option<f64>,
    /// The nodes that have a row, in the order of the report.
    pub(super) rows: Vec<usize>,
    pub(super) row_height: f64,
    pub(super) bar_height: f64,
    /// Faults by lane, as indices into the shades.
    pub(super) lanes: Vec<Vec<usize>>,
    pub(super) heal_top: f64,
    pub(super) lanes_top: f64,
    pub(super) rows_top: f64,
    pub(super) rows_bottom: f64,
    /// Where the commits stand, if there are any.
    pub(super) commits: Option<(f64, f64)>,
    pub(super) height: f64,
}

impl Layout {
    pub(super) fn new(timeline: &Timeline) -> Self {
        let extent_ms = extent(timeline);
        let heal_ms = Some(timeline.heal_ms).filter(|heal| *heal > 0.0 && *heal < extent_ms);
        let rows = rows(timeline);
        let (row_height, bar_height) = match rows.len() {
            0..=12 => (26.0, 13.0),
            13..=24 => (22.0, 12.0),
            25..=60 => (13.0, 9.0),
            61..=200 => (6.0, 5.0),
            _ => (2.0, 2.0),
        };
        let lanes = lanes(timeline, extent_ms);
        let heal_top = AXIS_HEIGHT;
        let lanes_top = heal_top + if heal_ms.is_some() { HEAL_HEIGHT } else { 2.0 };
        let lanes_height = lanes.len() as f64 * LANE_HEIGHT;
        let rows_top = lanes_top + lanes_height + if lanes.is_empty() { 0.0 } else { GAP };
        let rows_bottom = rows_top + rows.len() as f64 * row_height;
        let commits = timeline
            .commits_ms
            .iter()
            .any(|at| at.is_finite())
            .then_some((rows_bottom + GAP, COMMITS_HEIGHT));
        let height = commits.map_or(rows_bottom, |(top, height)| top + height) + 2.0;
        Self {
            extent_ms,
            heal_ms,
            rows,
            row_height,
            bar_height,
            lanes,
            heal_top,
            lanes_top,
            rows_top,
            rows_bottom,
            commits,
            height,
        }
    }

    /// Rows in which a bar has room for a pattern and a mark for its shape.
    pub(super) fn is_thick(&self) -> bool {
        self.row_height >= 12.0
    }

    /// A moment, in percent of the width.
    pub(super) fn x(&self, at_ms: f64) -> f64 {
        if at_ms.is_finite() { (at_ms / self.extent_ms * 100.0).clamp(0.0, 100.0) } else { 0.0 }
    }

    /// The upper edge of a row.
    pub(super) fn y(&self, row: usize) -> f64 {
        self.rows_top + row as f64 * self.row_height
    }

    /// The upper edge of a lane, and the height of what stands in it.
    pub(super) fn lane(&self, lane: usize) -> (f64, f64) {
        (self.lanes_top + lane as f64 * LANE_HEIGHT, LANE_HEIGHT - 3.0)
    }

    /// Moments for the axis, at most eight.
    pub(super) fn ticks(&self) -> Vec<f64> {
        const STEPS_MS: [f64; 24] = [
            1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3,
            60e3, 120e3, 300e3, 600e3, 1_800e3, 3_600e3, 14_400e3, 43_200e3, 86_400e3,
        ];
        let step = STEPS_MS
            .into_iter()
            .find(|step| self.extent_ms / step <= 7.0)
            .unwrap_or(self.extent_ms / 7.0);
        (0..=7).map(|tick| f64::from(tick) * step).filter(|at| *at <= self.extent_ms).collect()
    }
}

/// The end of the run, or of the last thing that happened in it where the report has no duration.
fn extent(timeline: &Timeline) -> f64 {
    let usable = |ms: &f64| ms.is_finite() && *ms > 0.0;
    if usable(&timeline.duration_ms) {
        return timeline.duration_ms;
    }
    let spans = timeline.nodes.iter().flat_map(|node| node.spans.iter().map(|span| span.to_ms));
    let marks = timeline.nodes.iter().flat_map(|node| node.marks.iter().map(|mark| mark.at_ms));
    let shades = timeline.shades.iter().map(|shade| shade.to_ms);
    let last = spans.chain(marks).chain(shades).filter(usable).fold(0.0, f64::max);
    if last > 0.0 { last } else { 1.0 }
}

fn rows(timeline: &Timeline) -> Vec<usize> {
    let hurt =
        |node: &usize| timeline.nodes[*node].marks.iter().any(|mark| mark.kind == "violation");
    let all = 0..timeline.nodes.len();
    if all.len() <= ROWS_MAX {
        return all.collect();
    }
    let (mut first, rest): (Vec<usize>, Vec<usize>) = all.partition(hurt);
    first.extend(rest);
    first.truncate(ROWS_MAX);
    first.sort_unstable();
    first
}

/// Each fault in the first lane that is free by then, with room for its label.
fn lanes(timeline: &Timeline, extent_ms: f64) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..timeline.shades.len())
        .filter(|index| {
            let shade = &timeline.shades[*index];
            shade.from_ms.is_finite() && shade.to_ms >= shade.from_ms && shade.from_ms <= extent_ms
        })
        .collect();
    order.sort_by(|a, b| timeline.shades[*a].from_ms.total_cmp(&timeline.shades[*b].from_ms));
    let mut lanes: Vec<(f64, Vec<usize>)> = Vec::new();
    for index in order {
        let shade = &timeline.shades[index];
        let label = label_of(shade).chars().count().min(LABEL_MAX) as f64 * LETTER_PERCENT;
        let end_ms = shade.to_ms.max(shade.from_ms + label / 100.0 * extent_ms);
        if let Some((end, lane)) = lanes.iter_mut().find(|(end, _)| *end <= shade.from_ms) {
            *end = end_ms;
            lane.push(index);
        } else if lanes.len() < LANES_MAX {
            lanes.push((end_ms, vec![index]));
        }
    }
    lanes.into_iter().map(|(_, lane)| lane).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{NodeRow, sample};

    #[test]
    fn faults_that_overlap_stand_in_different_lanes() {
        let timeline = sample::held().timeline;
        let layout = Layout::new(&timeline);
        assert_eq!(layout.lanes.iter().map(Vec::len).sum::<usize>(), timeline.shades.len());
        for lane in &layout.lanes {
            for pair in lane.windows(2) {
                assert!(timeline.shades[pair[0]].to_ms <= timeline.shades[pair[1]].from_ms);
            }
        }
    }

    #[test]
    fn nonsense_still_has_a_place() {
        let timeline = Timeline { duration_ms: f64::NAN, heal_ms: f64::NAN, ..Timeline::default() };
        let layout = Layout::new(&timeline);
        assert!(layout.extent_ms > 0.0 && layout.heal_ms.is_none());
        assert_eq!(layout.x(f64::NAN), 0.0);
        assert_eq!(layout.x(f64::INFINITY), 0.0);
        assert_eq!(layout.x(-5.0), 0.0);
        assert_eq!(layout.x(1e9), 100.0);
        assert!(!layout.ticks().is_empty());
    }

    #[test]
    fn of_too_many_nodes_those_with_violations_stay() {
        let mut timeline = Timeline { duration_ms: 1.0, ..Timeline::default() };
        timeline.nodes = vec![NodeRow::default(); 3_000];
        timeline.nodes[2_999].marks.push(crate::report::Mark {
            at_ms: 0.5,
            kind: "violation".into(),
            detail: String::new(),
        });
        let layout = Layout::new(&timeline);
        assert_eq!(layout.rows.len(), ROWS_MAX);
        assert_eq!(layout.rows.last(), Some(&2_999));
    }
}
