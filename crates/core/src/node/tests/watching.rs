//! What the watchdog does: fences that follow the need for them, suspends, the cap while disconnected.

use super::*;
use crate::Cache;
use crate::protocol::State;

/// A broker that accepts and echoes everything, and fails to subscribe again once `broken`.
fn accepting(broken: &Arc<Mutex<bool>>) -> (MockBroker, Lines) {
    let (mut broker, lines) = (broker(), Lines::default());
    let (heard, opened, broken) = (lines.clone(), lines.clone(), broken.clone());
    broker.expect_publish().returning(move |frame| {
        heard.accept(frame);
        Ok(())
    });
    broker.expect_subscribe().returning(move || {
        if *broken.lock().unwrap() {
            return Err(TransportErrorKind::Unreachable.error("away"));
        }
        Ok(opened.open(true))
    });
    (broker, lines)
}

async fn live(node: &Node) {
    assert!(soon("live", node.status_stream().reaches(State::Live)).await);
}

/// Fences that return in this time.
async fn fences_in(node: &Node, time: Duration) -> u64 {
    let before = node.counters().fences;
    pass(time).await;
    node.counters().fences - before
}

#[tokio::test(start_paused = true)]
async fn fences_follow_the_smallest_bound_and_rest_while_nobody_reads() {
    let runtime = VirtualTime::new();
    let (broker, _lines) = accepting(&Arc::default());
    let node = node(broker, &runtime);
    live(&node).await;
    let minute = Duration::from_secs(60);
    // Within 5 s: one in 5/3 s.
    let fences = fences_in(&node, minute).await;
    assert!((34..=38).contains(&fences), "{fences}");
    let strict: Cache<u32, u32> = node
        .cache("strict")
        .freshness(Freshness::Within(Duration::from_millis(600)))
        .build()
        .unwrap();
    pass(Duration::from_secs(1)).await;
    let fences = fences_in(&node, minute).await;
    assert!((280..=305).contains(&fences), "{fences}");
    // Ten minutes without a read: one in 10 s.
    pass(Duration::from_secs(601)).await;
    let fences = fences_in(&node, minute).await;
    assert!((5..=8).contains(&fences), "{fences}");
    assert_eq!(strict.get(&1), None);
    pass(Duration::from_secs(1)).await;
    let fences = fences_in(&node, minute).await;
    assert!((280..=305).contains(&fences), "{fences}");
}

#[tokio::test(start_paused = true)]
async fn where_frames_cost_money_a_quiet_node_says_little() {
    let runtime = VirtualTime::new();
    let mut broker =
        broker_with(Capabilities::new("mock").with_native_fences().with_metered_frames());
    let lines = Lines::default();
    let (opened, heard) = (lines.clone(), lines.clone());
    broker.expect_subscribe().returning(move || Ok(opened.open(true)));
    broker.expect_publish().returning(move |frame| {
        heard.newest().unwrap().frame(frame);
        Ok(())
    });
    let node = node(broker, &runtime);
    live(&node).await;
    let minute = Duration::from_secs(60);
    node.invalidate_tag("t").published().await.unwrap();
    let before = node.counters().beacons_published;
    pass(10 * minute).await;
    // 1, 2, 4 … s after the publish, then one a minute.
    let beacons = node.counters().beacons_published - before;
    assert!((13..=17).contains(&beacons), "{beacons}");
    // Nobody has read for a minute: one fence in 10 s.
    let fences = fences_in(&node, minute).await;
    assert!((5..=8).contains(&fences), "{fences}");
}

#[tokio::test(start_paused = true)]
async fn a_resume_is_followed_by_a_fence_at_once() {
    let runtime = VirtualTime::new();
    let (broker, _lines) = accepting(&Arc::default());
    let node = node(broker, &runtime);
    live(&node).await;
    pass(Duration::from_secs(10)).await;
    // Away from the fences that are due anyway.
    let before = node.counters().fences;
    while node.counters().fences == before {
        pass(Duration::from_millis(1)).await;
    }
    assert_eq!(fences_in(&node, Duration::from_millis(200)).await, 0);
    *runtime.suspended.lock().unwrap() = Duration::from_secs(3);
    assert_eq!(fences_in(&node, Duration::from_millis(60)).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_cap_ends_serving_some_time_after_the_connection_is_gone() {
    let runtime = VirtualTime::new();
    let broken = Arc::default();
    let (broker, lines) = accepting(&broken);
    let node = node(broker, &runtime);
    let cap = Some(Duration::from_secs(30));
    let cache: Cache<u32, u32> =
        node.cache("capped").freshness(Freshness::Eventual { cap }).build().unwrap();
    live(&node).await;
    cache.begin_fill(&1).insert(7);
    pass(Duration::from_secs(300)).await;
    assert_eq!(cache.get(&1), Some(7), "connected");
    *broken.lock().unwrap() = true;
    lines.newest().unwrap().end();
    pass(Duration::from_secs(29)).await;
    assert_eq!(cache.get(&1), Some(7));
    pass(Duration::from_secs(2)).await;
    assert_eq!(cache.get(&1), None);
    assert_eq!(node.status().state, State::Disconnected);
    let age = node.status_age();
    assert!(age >= Duration::from_secs(30) && age < Duration::from_secs(32), "{age:?}");
}
