//! Whole nodes over the in-process hub.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use unstale::{Cache, Freshness, Node, State};
use unstale_memory::Hub;

/// Longer than anything here takes on a busy machine. Only a failing test waits for so long.
const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let timely = tokio::time::timeout(PATIENCE, future).await;
    timely.unwrap_or_else(|_| panic!("{what} did not happen within {PATIENCE:?}"))
}

struct Instance {
    node: Node,
    cache: Cache<u32, u64>,
}

async fn instance(hub: &Hub) -> Instance {
    let node = Node::builder("test")
        .transport(hub.transport())
        .freshness(Freshness::Within(Duration::from_secs(5)))
        .build()
        .unwrap();
    let cache = node.cache("rows").build().unwrap();
    Instance { node, cache }
}

async fn live(instance: &Instance) {
    assert!(soon("live", instance.node.status_stream().reaches(State::Live)).await);
}

async fn read(instance: &Instance, source: &Arc<AtomicU64>) -> u64 {
    let source = source.clone();
    let load = move |_| async move { Ok::<_, Infallible>(source.load(Ordering::SeqCst)) };
    instance.cache.get_or_load(&1, load).await.unwrap()
}

#[tokio::test]
async fn an_invalidation_reaches_every_node() {
    let hub = Hub::new();
    let instances = [instance(&hub).await, instance(&hub).await, instance(&hub).await];
    for instance in &instances {
        live(instance).await;
    }
    let source = Arc::new(AtomicU64::new(1));
    for instance in &instances {
        assert_eq!(read(instance, &source).await, 1);
        assert_eq!(instance.cache.get(&1), Some(1));
    }
    source.store(2, Ordering::SeqCst);
    instances[0].cache.invalidate(&1).published().await.unwrap();
    assert_eq!(instances[0].cache.get(&1), None);
    for instance in &instances {
        let gone = async {
            while instance.cache.get(&1).is_some() {
                tokio::task::yield_now().await;
            }
        };
        soon("the invalidation", gone).await;
        assert_eq!(read(instance, &source).await, 2);
    }
    soon("shutdown", instances[0].node.shutdown(PATIENCE)).await.unwrap();
}
