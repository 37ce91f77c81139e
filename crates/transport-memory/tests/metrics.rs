//! What a node exports through the `metrics` facade.

#![expect(clippy::disallowed_methods, reason = "the time-out of a test")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use unstale::{Cache, Node, State};
use unstale_memory::Hub;

/// Longer than anything here takes on a busy machine. Only a failing test waits for so long.
const PATIENCE: Duration = Duration::from_secs(20);

type Figures = BTreeMap<String, f64>;

/// One snapshot: `name{label=value,…}` and the figure. Reading a counter sets it to zero until the next export.
fn figures(snapshotter: &Snapshotter) -> Figures {
    let entries = snapshotter.snapshot().into_vec().into_iter();
    let figures = entries.map(|(key, _, description, value)| {
        let key = key.key();
        assert!(description.is_some(), "{key} has no description");
        let labels = key.labels().map(|label| format!("{}={}", label.key(), label.value()));
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(_) => panic!("{key} is a histogram"),
        };
        (format!("{}{{{}}}", key.name(), labels.collect::<Vec<_>>().join(",")), value)
    });
    figures.collect()
}

/// Takes snapshots until one satisfies the condition.
async fn exported(snapshotter: &Snapshotter, condition: impl Fn(&Figures) -> bool) -> Figures {
    let search = async {
        loop {
            let figures = figures(snapshotter);
            if condition(&figures) {
                return figures;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let timely = tokio::time::timeout(PATIENCE, search).await;
    timely.unwrap_or_else(|_| panic!("not exported; now {:#?}", figures(snapshotter)))
}

#[tokio::test]
async fn a_node_exports_its_state_its_counters_and_its_caches() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let hub = Hub::new();
    let node = Node::builder("shop")
        .transport(hub.transport())
        .metrics_recorder(Arc::new(recorder))
        .build()
        .unwrap();
    let cache: Cache<u32, u32> = node.cache("rows").build().unwrap();
    assert!(node.status_stream().reaches(State::Live).await);

    for key in [1, 1, 1, 2] {
        cache.get_or_load(&key, |_| async { Ok::<_, Infallible>(7) }).await.unwrap();
    }
    cache.invalidate(&2).published().await.unwrap();

    let cache_label = "{namespace=shop,cache=rows}";
    let hits = format!("unstale_cache_hits_total{cache_label}");
    let published = "unstale_targets_published_total{namespace=shop}";
    let figures = exported(&snapshotter, |figures| {
        figures.get(&hits) == Some(&2.0) && figures.get(published) == Some(&1.0)
    })
    .await;
    for (name, value) in [
        ("unstale_cache_misses_total", 2.0),
        ("unstale_cache_loads_total", 2.0),
        ("unstale_cache_failed_loads_total", 0.0),
        ("unstale_cache_invalidated_keys_total", 1.0),
        ("unstale_cache_entries", 1.0),
        ("unstale_cache_weight", 1.0),
    ] {
        assert_eq!(figures.get(&format!("{name}{cache_label}")), Some(&value), "{name}");
    }
    assert_eq!(figures["unstale_subscriptions_total{namespace=shop}"], 1.0);
    assert_eq!(figures["unstale_outbox_targets{namespace=shop}"], 0.0);
    assert_eq!(figures["unstale_state{namespace=shop,state=live}"], 1.0);
    assert_eq!(figures["unstale_state{namespace=shop,state=disconnected}"], 0.0);
    let proof_age = figures["unstale_proof_age_seconds{namespace=shop}"];
    assert!((0.0..5.0).contains(&proof_age), "{proof_age}");
}

#[tokio::test]
async fn a_lost_broker_shows() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let hub = Hub::new();
    let node = Node::builder("shop")
        .transport(hub.transport())
        .metrics_recorder(Arc::new(recorder))
        .build()
        .unwrap();
    let cache: Cache<u32, u32> = node.cache("rows").build().unwrap();
    assert!(node.status_stream().reaches(State::Live).await);
    hub.set_down(true);
    drop(cache.invalidate(&1));
    exported(&snapshotter, |figures| {
        figures.get("unstale_state{namespace=shop,state=disconnected}") == Some(&1.0)
            && figures.get("unstale_state{namespace=shop,state=live}") == Some(&0.0)
            && figures["unstale_subscription_failures_total{namespace=shop}"] >= 1.0
    })
    .await;
    hub.set_down(false);
    exported(&snapshotter, |figures| {
        figures.get("unstale_state{namespace=shop,state=live}") == Some(&1.0)
    })
    .await;
}
