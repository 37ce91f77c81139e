//! Invalidating a tag, however many entries carry it.

use std::time::Duration;

use unstale::{Cache, Loaded};
use unstale_benches::{Bench, Report, Subject, timed};

use crate::TURNS;

const MANY: u64 = 1_000_000;

pub(crate) fn measure(report: &mut Report, wanted: &dyn Fn(&str) -> bool) {
    if !wanted("tag") {
        return;
    }
    let bench = Bench::start();
    let cache: Cache<u64, u64> = bench.empty("rows", |it| it.capacity(2 * MANY));
    for key in 0..MANY {
        let tag = if key == 0 { "one" } else { "million" };
        assert!(cache.begin_fill(&key).insert(Loaded::new(key).tag(tag)), "not stored");
    }
    let invalidate = |tag: &'static str| -> Box<dyn Fn(u64) -> Duration + '_> {
        let node = bench.node();
        Box::new(move |count| timed(count, |_| drop(node.invalidate_tag(tag))))
    };
    let subjects: [Subject<'_>; 2] = [
        ("tag of 1 entry", invalidate("one")),
        ("tag of 1,000,000 entries", invalidate("million")),
    ];
    report.compare("tag", &subjects, TURNS);
}
