//! What cannot work is refused, with the value and a remedy.

use std::time::Duration;

use crate::Freshness;
use crate::cache::ConfigError;
use crate::cache::testing::TestNode;

use super::load;

#[tokio::test]
async fn what_cannot_work_is_refused() {
    let node = TestNode::new();
    let named = |name: &str| node.cache::<u64, u64>(name);
    node.cache::<u64, u64>("taken").build().unwrap();
    let long = "x".repeat(101);
    let refused = [
        named("").build(),
        named(&long).build(),
        named("taken").build(),
        named("c").capacity(0).build(),
        named("c").jitter(1.5).build(),
        named("c").jitter(f64::NAN).build(),
        named("c").time_to_live(Duration::ZERO).build(),
        named("c").time_to_idle(Duration::ZERO).build(),
        named("c").absent_time_to_live(Duration::ZERO).build(),
        named("c").load_timeout(Duration::ZERO).build(),
        named("c").freshness(Freshness::Within(Duration::ZERO)).build(),
        named("c").freshness(Freshness::Eventual { cap: Some(Duration::ZERO) }).build(),
        named("c").max_concurrent_loads(0).build(),
    ];
    let errors: Vec<ConfigError> = refused.into_iter().map(Result::unwrap_err).collect();
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(texts[0].contains("0 bytes: use 1 to 100"), "{}", texts[0]);
    assert!(texts[2].contains("clone that one"), "{}", texts[2]);
    assert!(texts[5].contains("NaN"), "{}", texts[5]);
    assert!(texts[8].contains("absent_time_to_live"), "{}", texts[8]);
    named(&long[1..]).build().unwrap();
    // Another key type under the same name is the same mistake.
    let other = node.cache::<String, u64>("taken").build();
    assert_eq!(other.unwrap_err(), errors[2]);
}

#[tokio::test]
async fn weights_bound_a_cache() {
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c");
    let cache = cache.capacity_by_weight(100, |_, value| *value).build().unwrap();
    for key in 0..50 {
        load(&cache, key, 10).await;
    }
    assert!(cache.weight() <= 100, "{}", cache.weight());
    assert!(cache.len() >= 8, "{}", cache.len());
    assert!(cache.stats().evictions >= 40);
    // Too heavy to be admitted: the old entry goes all the same.
    let _ = cache.clear();
    load(&cache, 1, 10).await;
    assert!(!cache.begin_fill(&1).insert(1_000));
    assert_eq!(cache.get(&1), None);
}

#[tokio::test]
async fn pinned_entries_stay() {
    use crate::cache::Loaded;
    let node = TestNode::new();
    let cache = node.cache::<u64, u64>("c").capacity(10).build().unwrap();
    cache.begin_fill(&0).insert(Loaded::new(0).pinned());
    for key in 1..200 {
        load(&cache, key, key).await;
    }
    assert_eq!(cache.get(&0), Some(0));
    assert!(cache.len() <= 10);
    let _ = cache.invalidate(&0);
    assert_eq!(cache.get(&0), None);
}
