//! What a node costs while nothing happens, as the server counts it.
#![expect(clippy::disallowed_methods, reason = "the server counts in real time")]

mod support;

use std::time::{Duration, Instant};

use support::{RedisServer, soon};
use unstale::{Freshness, Node, State};
use unstale_redis::RedisTransport;

/// How long the server is watched.
const WATCHED: Duration = Duration::from_secs(4);
/// The target, with the default timings and the smallest bound that is advised.
const ROUND_TRIPS_PER_S: f64 = 10.0;
const WITHIN: Duration = Duration::from_millis(500);
/// A third of the bound lies between two fences.
const FENCES_PER_S: f64 = 6.0;

/// A number of the answer to `INFO`: a line's, or what a part of a line says.
fn number(info: &str, line: &str, part: &str) -> u64 {
    let value = info.lines().find_map(|it| it.strip_prefix(line)?.strip_prefix(':'));
    let parts = value.into_iter().flat_map(|value| value.split(','));
    parts
        .filter_map(|it| it.trim_end().strip_prefix(part))
        .find_map(|it| it.parse().ok())
        .unwrap_or(0)
}

#[tokio::test]
async fn an_idle_node_asks_ten_times_a_second_at_most_and_sends_only_beacons() {
    let server = RedisServer::start().await;
    let transport = RedisTransport::new(server.url(), "idle").expect("a configuration");
    let builder = Node::builder("idle").transport(transport).freshness(Freshness::Within(WITHIN));
    let node = builder.build().expect("a configuration");
    let _rows = node.cache::<u64, u64>("rows").build().expect("a configuration");
    assert!(soon("a live node", node.status_stream().reaches(State::Live)).await);

    // One connection for both questions: opening another one would be counted.
    let mut asking = server.connection().await;
    let mut info = async || -> String {
        redis::cmd("INFO").arg("all").query_async(&mut asking).await.expect("what was done")
    };
    let beacons = || node.counters().beacons_published;
    let (before, begun, beacons_before) = (info().await, Instant::now(), beacons());
    tokio::time::sleep(WATCHED).await;
    // A beacon that is under way is counted by the server first.
    let beacons_sent = beacons() - beacons_before;
    let (after, seconds) = (info().await, begun.elapsed().as_secs_f64());

    let done = |line: &str, part: &str| number(&after, line, part) - number(&before, line, part);
    // Commands that were sent together are read together: a fence asks two, a publish too.
    let round_trips = done("total_reads_processed", "") - 1;
    let (fences, publishes) = (done("cmdstat_ping", "calls="), done("cmdstat_publish", "calls="));
    println!("{round_trips} round trips in {seconds:.2} s, {fences} fences, {publishes} publishes");
    assert!(round_trips as f64 <= ROUND_TRIPS_PER_S * seconds, "{round_trips} in {seconds} s");
    // Not vacuous: the bound is being proven.
    assert!(fences as f64 >= FENCES_PER_S / 3.0 * seconds, "{fences} fences in {seconds} s");
    assert_eq!(done("cmdstat_role", "calls="), publishes, "every publish asks who took it");
    assert!(publishes.abs_diff(beacons_sent) <= 1, "{publishes} publishes, {beacons_sent} beacons");
    assert_eq!(node.status().state, State::Live);
}
