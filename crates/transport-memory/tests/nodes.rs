//! Whole nodes over the in-process hub: what their parts cannot show by themselves.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "real time limits")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use unstale::{
    Authentication, Cache, Freshness, Node, NodeBuilder, Reason, State, TokioRuntime, Warning,
};
use unstale_memory::{Hub, fault::Faulty};

/// Longer than anything here takes on a busy machine. Only a failing test waits for so long.
const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let timely = tokio::time::timeout(PATIENCE, future).await;
    timely.unwrap_or_else(|_| panic!("{what} did not happen within {PATIENCE:?}"))
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    soon(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

struct Instance {
    node: Node,
    cache: Cache<u32, u64>,
}

fn builder(hub: &Hub) -> NodeBuilder {
    Node::builder("test").transport(hub.transport())
}

fn start(builder: NodeBuilder) -> Instance {
    let node = builder.freshness(Freshness::Within(Duration::from_secs(5))).build().unwrap();
    let cache = node.cache("rows").build().unwrap();
    Instance { node, cache }
}

impl Instance {
    async fn live(&self) {
        assert!(soon("live", self.node.status_stream().reaches(State::Live)).await);
    }

    async fn read(&self, key: u32, source: &Arc<AtomicU64>) -> u64 {
        let source = source.clone();
        let load = move |_| async move { Ok::<_, Infallible>(source.load(Ordering::SeqCst)) };
        self.cache.get_or_load(&key, load).await.unwrap()
    }
}

async fn three(hub: &Hub) -> [Instance; 3] {
    let instances = [(); 3].map(|()| start(builder(hub)));
    for instance in &instances {
        instance.live().await;
    }
    instances
}

/// Changes the source and invalidates through the first; all others must come to answer the new value.
async fn change(instances: &[Instance], source: &Arc<AtomicU64>) {
    for instance in instances {
        for key in 0..8 {
            instance.read(key, source).await;
        }
    }
    let new = source.fetch_add(1, Ordering::SeqCst) + 1;
    let receipt = instances[0].cache.invalidate_many(&(0..8).collect::<Vec<_>>());
    assert_eq!(instances[0].cache.get(&1), None, "G1");
    soon("published", receipt.published()).await.unwrap();
    for instance in instances {
        for key in 0..8 {
            until("the invalidation", || instance.cache.get(&key).is_none_or(|seen| seen == new))
                .await;
            assert_eq!(instance.read(key, source).await, new);
        }
    }
}

#[tokio::test]
async fn an_invalidation_reaches_every_node() {
    let instances = three(&Hub::new()).await;
    change(&instances, &Arc::new(AtomicU64::new(1))).await;
    soon("shutdown", instances[0].node.shutdown(PATIENCE)).await.unwrap();
}

#[tokio::test]
async fn a_node_alone_caches_at_once() {
    let alone = start(builder(&Hub::new()));
    until("a subscription", || alone.node.counters().subscriptions == 1).await;
    let source = Arc::new(AtomicU64::new(1));
    alone.read(1, &source).await;
    assert_eq!(alone.cache.get(&1), Some(1), "{:?}", alone.node.status());
}

#[tokio::test]
async fn a_node_that_starts_without_a_broker_comes_alive_by_itself() {
    let hub = Hub::new();
    hub.set_down(true);
    let early = start(builder(&hub));
    until("a failure", || early.node.counters().subscription_failures > 0).await;
    let source = Arc::new(AtomicU64::new(1));
    assert_eq!(early.read(1, &source).await, 1);
    let receipt = early.cache.invalidate(&1);
    hub.set_down(false);
    soon("published", receipt.published()).await.unwrap();
    early.live().await;
}

#[tokio::test]
async fn tags_clears_and_guards_reach_every_node() {
    let instances = three(&Hub::new()).await;
    let [a, b, _] = &instances;
    let load = |value: u64| {
        move |context: unstale::LoadContext| async move {
            context.tag("even");
            Ok::<_, Infallible>(value)
        }
    };
    b.cache.get_or_load(&2, load(2)).await.unwrap();
    soon("published", a.node.invalidate_tag("even").published()).await.unwrap();
    until("the tag", || b.cache.get(&2).is_none()).await;

    b.cache.get_or_load(&2, load(2)).await.unwrap();
    soon("published", a.node.invalidate_tags(["odd", "even"]).published()).await.unwrap();
    until("one of the tags", || b.cache.get(&2).is_none()).await;

    b.cache.get_or_load(&2, load(2)).await.unwrap();
    soon("published", a.cache.clear().published()).await.unwrap();
    until("the clear", || b.cache.get(&2).is_none()).await;

    b.cache.get_or_load(&2, load(2)).await.unwrap();
    soon("published", a.node.clear().published()).await.unwrap();
    until("the clear of everything", || b.cache.get(&2).is_none()).await;

    b.cache.get_or_load(&2, load(2)).await.unwrap();
    drop(a.cache.invalidate_on_drop(&2));
    until("the guard", || b.cache.get(&2).is_none()).await;
}

#[tokio::test]
async fn several_lanes_are_one_node() {
    let hubs = [(); 3].map(|()| Hub::new());
    let lanes = || {
        let with_lane = |builder: NodeBuilder, hub: &Hub| builder.transport(hub.transport());
        hubs.iter().fold(Node::builder("test"), with_lane)
    };
    let instances = [start(lanes()), start(lanes())];
    for instance in &instances {
        instance.live().await;
    }
    let within = Freshness::Within(Duration::from_millis(300));
    let strict = instances[1].node.cache::<u32, u32>("strict").freshness(within).build().unwrap();
    let source = Arc::new(AtomicU64::new(1));
    change(&instances, &source).await;
    // Without one of the lanes nothing new is proven, and the node says so.
    let before = instances[1].node.status();
    assert_eq!(before.state, State::Live);
    hubs[2].set_down(true);
    let mut status = instances[1].node.status_stream();
    assert!(soon("disconnected", status.reaches(State::Disconnected)).await);
    // The two others go on proving, but the horizon is the smallest of all.
    strict.begin_fill(&1).insert(1);
    until("the end of the bound", || strict.get(&1).is_none()).await;
    assert!(instances[1].node.proof_age().unwrap() >= Duration::from_millis(290));
    hubs[2].set_down(false);
    instances[0].live().await;
    instances[1].live().await;
    change(&instances, &source).await;
}

#[tokio::test]
async fn another_number_of_lanes_is_named_and_nothing_is_served() {
    let hub = Hub::new();
    let one = start(builder(&hub));
    one.live().await;
    let source = Arc::new(AtomicU64::new(1));
    one.read(1, &source).await;
    let _two = start(builder(&hub).transport(Hub::new().transport()));
    let named = || one.node.status().reason == Some(Reason::LaneMismatch { ours: 1, theirs: 2 });
    until("the mismatch", named).await;
    one.read(1, &source).await;
    assert_eq!(one.cache.get(&1), None);
}

#[tokio::test]
async fn another_key_type_clears_the_cache_and_is_named() {
    let hub = Hub::new();
    let new = start(builder(&hub));
    let old = builder(&hub).build().unwrap();
    let rows = old.cache::<String, u64>("rows").build().unwrap();
    new.live().await;
    let source = Arc::new(AtomicU64::new(1));
    new.read(1, &source).await;
    let _ = rows.invalidate(&"7".to_owned());
    until("the clear", || new.cache.get(&1).is_none()).await;
    let named = || new.node.status().warnings.contains(&Warning::SchemaMismatch("rows".into()));
    until("the warning", named).await;
}

#[tokio::test]
async fn frames_signed_with_an_unknown_key_clear_and_are_named() {
    let hub = Hub::new();
    let secret = b"a secret that is long enough";
    let knows = start(builder(&hub).authentication(Authentication::sign_with(1, secret)));
    knows.live().await;
    let source = Arc::new(AtomicU64::new(1));
    knows.read(1, &source).await;
    let newer = Authentication::sign_with(2, b"the next secret, also long").also_verify(1, secret);
    let rotated = start(builder(&hub).authentication(newer));
    let receipt = rotated.cache.invalidate(&1);
    soon("published", receipt.published()).await.unwrap();
    until("the clear", || knows.cache.get(&1).is_none()).await;
    assert!(knows.node.status().warnings.contains(&Warning::UnknownKey(2)));
    assert!(knows.node.status().to_string().contains("also_verify"));
}

#[tokio::test]
async fn a_short_cut_costs_nothing_and_a_restart_one_clear() {
    let hub = Hub::new();
    let faulty = Faulty::new(Arc::new(hub.transport()), Arc::new(TokioRuntime::new()));
    let faults = faulty.handle();
    let cut = start(Node::builder("test").transport(faulty));
    let other = start(builder(&hub));
    cut.live().await;
    other.live().await;
    let source = Arc::new(AtomicU64::new(1));
    let instances = [other, cut];
    change(&instances, &source).await;
    let [other, cut] = &instances;
    let clears = cut.node.counters().clears;

    faults.disconnect();
    let mut status = cut.node.status_stream();
    assert!(soon("disconnected", status.reaches(State::Disconnected)).await);
    soon("published", other.cache.invalidate(&1).published()).await.unwrap();
    cut.live().await;
    assert_eq!(cut.cache.get(&1), None, "replayed");
    assert_eq!(cut.cache.get(&2), Some(2), "untouched");
    assert_eq!((cut.node.counters().clears, cut.node.counters().syncs_witnessed), (clears, 1));

    hub.restart();
    for instance in &instances {
        until("disconnected", || instance.node.counters().subscription_failures > 0).await;
        instance.live().await;
    }
    until("the clear", || cut.node.counters().clears == clears + 1).await;
    change(&instances, &source).await;
    assert_eq!(cut.node.counters().clears, clears + 1);
}

#[tokio::test]
async fn another_schema_version_is_another_key_type() {
    let hub = Hub::new();
    let versioned = |version: &str| {
        let node = builder(&hub).build().unwrap();
        let cache = node.cache::<u32, u64>("rows").schema_version(version).build().unwrap();
        (node, cache)
    };
    let ((one, _rows), (_two, other)) = (versioned("1"), versioned("2"));
    assert!(soon("live", one.status_stream().reaches(State::Live)).await);
    soon("published", other.invalidate(&1).published()).await.unwrap();
    let named = || one.status().warnings.contains(&Warning::SchemaMismatch("rows".into()));
    until("the warning", named).await;
}

#[tokio::test]
async fn unsigned_frames_are_ignored_and_named_unless_accepted() {
    let hub = Hub::new();
    let secret = b"a secret that is long enough";
    let strict = start(builder(&hub).authentication(Authentication::sign_with(1, secret)));
    let lenient = Authentication::sign_with(1, secret).accept_unsigned();
    let lenient = start(builder(&hub).authentication(lenient));
    strict.live().await;
    lenient.live().await;
    let source = Arc::new(AtomicU64::new(1));
    strict.read(1, &source).await;
    lenient.read(1, &source).await;
    let unsigned = start(builder(&hub));
    let receipt = unsigned.cache.invalidate(&1);
    soon("published", receipt.published()).await.unwrap();
    until("the invalidation", || lenient.cache.get(&1).is_none()).await;
    let named = || strict.node.status().warnings.contains(&Warning::UnsignedFrames);
    until("the warning", named).await;
    assert_eq!(strict.cache.get(&1), Some(1));
}
