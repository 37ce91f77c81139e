//! The cheap clock of the hit path runs ahead of the precise one.

use std::time::Duration;

use crate::Freshness;
use crate::cache::testing::TestNode;

use super::load;

const TTL: Duration = Duration::from_millis(50);

#[tokio::test]
async fn short_promises_are_kept_by_the_precise_clock() {
    let node = TestNode::new();
    node.runtime.set_ahead(Duration::from_millis(8));
    let short = Freshness::Within(Duration::from_millis(5));
    let cache = node.cache::<u64, u64>("c").freshness(short).build().unwrap();
    load(&cache, 1, 1).await;
    node.advance(Duration::from_millis(4));
    assert_eq!(cache.get(&1), Some(1));
    node.advance(Duration::from_millis(2));
    assert_eq!(cache.get(&1), None);
}

#[tokio::test]
async fn what_the_cheap_clock_says_has_expired_is_reclaimed() {
    let node = TestNode::new();
    node.runtime.set_ahead(Duration::from_millis(8));
    let cache = node.cache::<u64, u64>("c").time_to_live(TTL).build().unwrap();
    load(&cache, 1, 1).await;
    node.advance(TTL - Duration::from_millis(5));
    assert_eq!(cache.get(&1), None);
    assert!(cache.is_empty());
}
