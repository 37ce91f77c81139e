//! The application's own code that panics: it must not take the node's tasks with it, nor leave others stale.

use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::cache::domain::{Applied, Origin};
use crate::cache::testing::TestNode;
use crate::cache::{Cache, CacheKey, CacheValue, key};
use crate::target::Target;

use super::{ok, poll};

/// What other nodes say of a key.
fn apply<K: CacheKey>(node: &TestNode, key: Bytes) -> Applied {
    let target = Target::Key { cache: "c".into(), schema: key::fingerprint::<K>(""), key };
    node.domain.apply_one(&target, Origin::Unknown)
}

fn cache<K: CacheKey, V: CacheValue>(node: &TestNode) -> Cache<K, V> {
    node.cache("c").build().unwrap()
}

#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8")]
struct Refused(u8);

impl TryFrom<u8> for Refused {
    type Error = String;

    fn try_from(value: u8) -> Result<Self, String> {
        assert_ne!(value, 13, "on purpose");
        Ok(Self(value))
    }
}

#[test]
fn a_key_that_panics_when_it_is_decoded() {
    let node = TestNode::new();
    let cache = cache::<Refused, u64>(&node);
    assert!(cache.begin_fill(&Refused(1)).insert(1));
    assert_eq!(apply::<Refused>(&node, Bytes::from_static(&[13])), Applied::SchemaMismatch);
    assert!(cache.is_empty());
    assert!(cache.begin_fill(&Refused(1)).insert(1));
    assert_eq!(apply::<Refused>(&node, Bytes::from_static(&[1])), Applied::Done);
    assert_eq!(cache.get(&Refused(1)), None);
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Unhashable(u8);

impl Hash for Unhashable {
    fn hash<H: Hasher>(&self, state: &mut H) {
        assert_ne!(self.0, 13, "on purpose");
        self.0.hash(state);
    }
}

#[test]
fn a_key_that_panics_when_it_is_hashed() {
    let node = TestNode::new();
    let cache = cache::<Unhashable, u64>(&node);
    assert!(cache.begin_fill(&Unhashable(1)).insert(1));
    assert_eq!(apply::<Unhashable>(&node, Bytes::from_static(&[13])), Applied::SchemaMismatch);
    assert!(cache.is_empty());
    assert!(cache.begin_fill(&Unhashable(1)).insert(1));
    assert_eq!(cache.get(&Unhashable(1)), Some(1));
}

/// Panics when the last of it is dropped while armed.
#[derive(Clone)]
struct Bomb {
    _armed: Arc<Armed>,
}

struct Armed(Arc<AtomicBool>);

impl Drop for Armed {
    fn drop(&mut self) {
        assert!(!self.0.load(Ordering::Relaxed), "on purpose");
    }
}

fn bomb(armed: &Arc<AtomicBool>) -> Bomb {
    Bomb { _armed: Arc::new(Armed(Arc::clone(armed))) }
}

#[test]
fn values_that_panic_when_they_are_dropped() {
    let node = TestNode::new();
    let armed = Arc::new(AtomicBool::new(false));
    let cache = cache::<u64, Bomb>(&node);
    for key in 1..=5 {
        assert!(cache.begin_fill(&key).insert(bomb(&armed)));
    }
    armed.store(true, Ordering::Relaxed);
    assert_eq!(apply::<u64>(&node, Bytes::from_static(&[1])), Applied::SchemaMismatch);
    assert!(cache.is_empty(), "one after the other");
    armed.store(false, Ordering::Relaxed);
    assert!(cache.begin_fill(&1).insert(bomb(&armed)));
    node.domain.apply_one(&Target::Tag("t".into()), Origin::Unknown);
    assert!(cache.get(&1).is_some());
}

#[test]
fn an_invalidation_is_published_also_when_the_value_panics() {
    let node = TestNode::new();
    let armed = Arc::new(AtomicBool::new(false));
    let cache = cache::<u64, Bomb>(&node);
    for key in 1..=3 {
        assert!(cache.begin_fill(&key).insert(bomb(&armed)));
    }
    armed.store(true, Ordering::Relaxed);
    assert!(catch_unwind(AssertUnwindSafe(|| cache.invalidate_many(&[1]))).is_err());
    armed.store(false, Ordering::Relaxed);
    assert_eq!(node.uplink.take_published().len(), 1);
    assert!(cache.get(&1).is_none() && cache.get(&2).is_some());
    let keys = [2, 3];
    let keys = keys.iter().inspect(|key| assert_ne!(**key, 3, "on purpose"));
    assert!(catch_unwind(AssertUnwindSafe(|| cache.invalidate_many(keys))).is_err());
    // Either nowhere or everywhere.
    assert!(cache.get(&2).is_some());
    assert_eq!(node.uplink.take_published().len(), 0);
}

#[test]
fn a_key_that_is_too_long_stands_for_the_whole_cache() {
    let node = TestNode::new();
    let cache = cache::<String, u64>(&node);
    let long = "x".repeat(64 * 1024);
    assert!(cache.begin_fill(&"a".to_owned()).insert(1));
    let _ = cache.invalidate(&long);
    assert_eq!(node.uplink.take_published(), [Target::Cache("c".into())]);
    assert_eq!(cache.get("a"), Some(1), "here it can be named");
    let named = key::encode(&long).unwrap();
    assert_eq!(apply::<String>(&node, named), Applied::SchemaMismatch);
    assert_eq!(cache.get("a"), None);
}

/// Panics at the clone that is counted down to.
#[derive(PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Uncloneable(u8);

std::thread_local! {
    static CLONES_LEFT: std::cell::Cell<u32> = const { std::cell::Cell::new(u32::MAX) };
}

impl Clone for Uncloneable {
    fn clone(&self) -> Self {
        let left = CLONES_LEFT.get();
        CLONES_LEFT.set(left.wrapping_sub(1));
        assert_ne!(left, 0, "on purpose");
        Self(self.0)
    }
}

#[test]
fn a_key_that_panics_when_it_is_cloned_leaves_nothing_in_flight() {
    let node = TestNode::new();
    let cache = cache::<Uncloneable, u64>(&node);
    let mut panics = 0;
    loop {
        CLONES_LEFT.set(panics);
        let key = Uncloneable(panics as u8);
        let mut read = Box::pin(cache.get_or_load(&key, |_| async { ok(1) }));
        let result = catch_unwind(AssertUnwindSafe(|| poll(&mut read).is_ready()));
        CLONES_LEFT.set(u32::MAX);
        drop(read);
        assert_eq!(cache.in_flight(), 0);
        if result.is_ok() {
            break;
        }
        panics += 1;
    }
    assert!((1..10).contains(&panics), "{panics}");
}
