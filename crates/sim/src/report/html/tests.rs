//! What must be true of every page.

use super::*;
use crate::report::{
    Comparison, Coverage, Guarantee, Mark, Measure, NodeRow, PhaseCurve, Shade, Span, StaleReads,
    Timeline, Verdict, sample,
};

const HOSTILE: &str =
    "</script><script>alert(1)</script><img src=x onerror=\"a\" b='c'>&\u{2028}\u{0}";

/// A report in which every string is hostile.
fn hostile() -> Report {
    let text = || HOSTILE.to_string();
    let mut report = sample::broken();
    report.title = text();
    report.reproduce = text();
    report.verdict = Verdict { headline: text(), ..report.verdict };
    report.configuration = vec![(text(), text())];
    report.figures = vec![(text(), text())];
    report.guarantees =
        vec![Guarantee { id: text(), name: text(), checked: 1, broken: 1, first: Some(text()) }];
    report.timeline.nodes = vec![NodeRow {
        name: text(),
        spans: vec![Span { from_ms: 0.0, to_ms: 50.0, state: text() }],
        marks: vec![Mark { at_ms: 1.0, kind: text(), detail: text() }],
    }];
    report.timeline.shades =
        vec![Shade { from_ms: 0.0, to_ms: 9.0, kind: text(), nodes: vec![0], label: text() }];
    report.measures = vec![Measure {
        name: text(),
        meaning: text(),
        unit: text(),
        phases: vec![PhaseCurve {
            phase: text(),
            count: 9,
            points: vec![(50.0, 1.0)],
            ..PhaseCurve::default()
        }],
        never: 1,
    }];
    report.coverage = Coverage { faults: vec![text()], states: vec![text()], counts: vec![] };
    report.comparison = vec![Comparison { mode: text(), ..Comparison::default() }];
    report
}

/// A report whose every number is none.
fn nonsense(value: f64) -> Report {
    let mut report = sample::held();
    report.timeline.duration_ms = value;
    report.timeline.heal_ms = value;
    report.timeline.commits_ms = vec![value; 3];
    for node in &mut report.timeline.nodes {
        node.spans.iter_mut().for_each(|span| span.from_ms = value);
        node.marks.iter_mut().for_each(|mark| mark.at_ms = value);
    }
    report.timeline.shades.iter_mut().for_each(|shade| shade.to_ms = value);
    for phase in report.measures.iter_mut().flat_map(|measure| &mut measure.phases) {
        (phase.p50, phase.p99, phase.p999, phase.max) = (value, value, value, value);
        phase.points.iter_mut().for_each(|point| *point = (value, value));
    }
    report.stale_reads =
        StaleReads { nines: value, nines_at_least: value, largest_ms: value, ..report.stale_reads };
    report.speed.ratio = value;
    report.speed.simulated_s = value;
    report.speed.wall_s = value;
    report.speed.node_seconds_per_s = value;
    for row in &mut report.comparison {
        row.hit_ratio = value;
        row.largest_staleness_ms = value;
    }
    report
}

/// The JSON that the page carries.
fn embedded(page: &str) -> &str {
    let begin = "<script type=\"application/json\" id=\"report\">";
    let from = page.find(begin).unwrap() + begin.len();
    &page[from..from + page[from..].find("</script>").unwrap()]
}

#[test]
fn no_string_breaks_out_of_its_place() {
    let page = page(&hostile());
    assert!(!page.contains("<script>alert") && !page.contains("<img"));
    // The data, the code, and nothing else.
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("onerror=\""));
    let svg = timeline_svg(&hostile());
    assert!(!svg.contains("<script") && !svg.contains("<img"));
}

#[test]
fn the_report_can_be_read_from_its_page() {
    for report in [hostile(), sample::held(), sample::broken(), Report::default()] {
        let page = page(&report);
        let read: serde_json::Value = serde_json::from_str(embedded(&page)).unwrap();
        let plain = serde_json::to_string(&report).unwrap();
        // Both by way of text: reading a number from text may round its last bit.
        assert!(
            read == serde_json::from_str::<serde_json::Value>(&plain).unwrap(),
            "{}",
            report.title
        );
        assert_eq!(serde_json::from_value::<Report>(read).unwrap().reproduce, report.reproduce);
    }
}

#[test]
fn an_empty_report_is_a_page() {
    let page = page(&Report::default());
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(page.contains("No timeline was recorded") && page.contains("Nothing was measured"));
    assert!(timeline_svg(&Report::default()).ends_with("</svg>\n"));
}

#[test]
fn numbers_that_are_none_never_reach_the_page() {
    for value in
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0, f64::MAX, f64::MIN_POSITIVE]
    {
        let report = nonsense(value);
        for shown in [page(&report), timeline_svg(&report)] {
            assert!(!shown.contains("NaN"), "{value}");
            assert!(
                !shown.contains(">inf") && !shown.contains("\"inf") && !shown.contains("-inf"),
                "{value}"
            );
        }
    }
}

#[test]
fn equal_reports_give_equal_bytes() {
    assert_eq!(page(&sample::held()), page(&sample::held()));
    assert_eq!(timeline_svg(&sample::broken()), timeline_svg(&sample::broken()));
    assert_ne!(page(&sample::held()), page(&sample::broken()));
}

#[test]
fn all_that_was_found_is_on_the_page() {
    for report in [sample::held(), sample::broken()] {
        let page = page(&report);
        // Not in the data that it carries, but to be seen.
        let seen = page.replace(embedded(&page), "");
        assert!(seen.contains(&escape::text(&report.reproduce)));
        assert!(seen.contains(&escape::text(&report.verdict.headline)));
        for node in &report.timeline.nodes {
            assert!(seen.contains(&format!(">{}</text>", node.name)), "{}", node.name);
        }
        for shade in &report.timeline.shades {
            assert!(seen.contains(&escape::text(&shade.label)), "{}", shade.label);
        }
        for guarantee in &report.guarantees {
            assert!(seen.contains(&format!("<th scope=\"row\">{}</th>", guarantee.name)));
            assert!(seen.contains(&format!(">{}</td>", number::count(guarantee.checked))));
            if let Some(first) = &guarantee.first {
                assert!(seen.contains(&escape::text(first)));
            }
        }
        for measure in &report.measures {
            assert!(seen.contains(&measure.name) && seen.contains(&measure.meaning));
        }
        for (name, value) in report.figures.iter().chain(&report.configuration) {
            assert!(seen.contains(&escape::text(name)) && seen.contains(&escape::text(value)));
        }
        for row in &report.comparison {
            assert!(seen.contains(&row.mode));
        }
        assert!(seen.contains("healing begins"));
    }
}

#[test]
fn violations_are_drawn_and_only_where_there_are_any() {
    let count = |report: &Report| page(report).matches("href=\"#m-violation\"").count();
    assert_eq!(count(&sample::held()), 0);
    // Three marks and one in the legend.
    assert_eq!(count(&sample::broken()), 4);
}

#[test]
fn a_page_needs_nothing_else() {
    let page = page(&sample::held());
    let outside = page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "");
    assert!(
        !outside.contains("http:") && !outside.contains("https:") && !outside.contains("@import")
    );
    assert!(!outside.contains("src=") && !outside.contains("url(//"));
}

#[test]
fn an_image_of_twelve_nodes_is_small() {
    for report in [sample::held(), sample::broken()] {
        let size = timeline_svg(&report).len();
        assert!(size < 100 * 1024, "{size} bytes");
    }
    // Nor does a run in which very much happened make it large.
    let mut report = sample::held();
    for node in &mut report.timeline.nodes {
        node.marks = (0..20_000)
            .map(|at| Mark { at_ms: f64::from(at) * 4.5, kind: "stale".into(), detail: "x".into() })
            .collect();
    }
    let size = timeline_svg(&report).len();
    assert!(size < 150 * 1024, "{size} bytes");
}

#[test]
fn a_thousand_nodes_fit() {
    let report = sample::large(1_000);
    let page = page(&report);
    let drawn = page.len() - embedded(&page).len();
    assert!(drawn < 3 * 1024 * 1024, "{drawn} bytes");
    assert!(page.contains(">node-0</text>") && page.contains(">node-996</text>"));
}

#[test]
fn a_timeline_without_time_is_drawn() {
    let nodes = vec![NodeRow { name: "node-0".into(), ..NodeRow::default() }];
    let report =
        Report { timeline: Timeline { nodes, ..Timeline::default() }, ..Report::default() };
    assert!(page(&report).contains(">node-0</text>"));
    assert!(timeline_svg(&report).contains(">node-0</text>"));
}
