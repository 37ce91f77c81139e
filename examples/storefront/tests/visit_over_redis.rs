//! The visit to three processes that a real Redis connects.

mod support;

use support::{Redis, Storefront};

#[test]
fn three_processes_are_coherent_within_milliseconds() {
    let redis = Redis::start();
    let (status, output, errors) =
        Storefront::start(&["--once", "--processes"], Some(&redis.url())).end();
    assert!(status.success(), "{output}\n{errors}");
    assert!(output.contains("3 instances, each a process of its own, connected by Redis"));
    assert!(output.contains("\n  0 stale reads"), "{output}");
    let row = output.lines().find(|line| line.contains("since the write was answered"));
    let median = row.and_then(|row| row.split_whitespace().nth(5)).unwrap();
    let median: f64 = median.parse().unwrap_or_else(|_| panic!("{output}"));
    assert!(median < 5.0, "a median of {median} ms:\n{output}");
}
