//! Opening subscriptions, and what the node says meanwhile.

use super::*;
use crate::protocol::{Reason, State};
use async_trait::async_trait;

/// Everything published is accepted and comes back.
fn accepting(broker: &mut MockBroker, lines: &Lines) {
    let lines = lines.clone();
    broker.expect_publish().returning(move |frame| {
        lines.accept(frame);
        Ok(())
    });
}

#[tokio::test(start_paused = true)]
async fn subscribing_is_retried_with_growing_waits_until_it_succeeds() {
    let (runtime, lines) = (VirtualTime::new(), Lines::default());
    let tries = Arc::new(Mutex::new(Vec::new()));
    let mut broker = broker();
    accepting(&mut broker, &lines);
    let (clock, seen, opened) = (runtime.clone(), tries.clone(), lines.clone());
    broker.expect_subscribe().times(7).returning(move || {
        let mut seen = seen.lock().unwrap();
        seen.push(clock.now());
        if seen.len() < 7 {
            return Err(TransportErrorKind::Unreachable.error("nobody there"));
        }
        Ok(opened.open(true))
    });
    let node = node(broker, &runtime);
    assert_eq!(node.status().state, State::Starting);
    assert!(soon("live", node.status_stream().reaches(State::Live)).await);
    let tries = tries.lock().unwrap();
    let waits: Vec<_> = tries.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    // 50 ms doubled each time up to 2 s, of which the upper half is random.
    for (failures, wait) in waits.iter().enumerate() {
        let most = Duration::from_millis(50 << failures).min(Duration::from_secs(2));
        assert!(*wait >= most / 2 && *wait <= most + Duration::from_millis(5), "{waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_brokers_own_wait_is_respected() {
    let (runtime, lines) = (VirtualTime::new(), Lines::default());
    let mut broker = broker();
    accepting(&mut broker, &lines);
    let mut first = true;
    let opened = lines.clone();
    broker.expect_subscribe().times(2).returning(move || {
        if std::mem::take(&mut first) {
            let busy = TransportErrorKind::Throttled.error("busy");
            return Err(busy.with_retry_after(Duration::from_secs(30)));
        }
        Ok(opened.open(true))
    });
    let start = runtime.now();
    let node = node(broker, &runtime);
    assert!(soon("live", node.status_stream().reaches(State::Live)).await);
    assert!(runtime.now().since(start) >= Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn without_a_broker_reads_go_through_and_values_last_for_the_bound() {
    let runtime = VirtualTime::new();
    let mut broker = broker();
    broker
        .expect_subscribe()
        .returning(|| Err(TransportErrorKind::Unauthorized.error("WRONGPASS")));
    let node = node(broker, &runtime);
    let cache = node.cache::<u32, u32>("rows").build().unwrap();
    let load = || cache.get_or_load(&1, |_| async { Ok::<_, std::convert::Infallible>(7) });
    assert_eq!(soon("a load", load()).await.unwrap(), 7);
    pass(Duration::from_millis(4_900)).await;
    assert_eq!(cache.get(&1), Some(7), "as good as a time to live of the bound");
    pass(Duration::from_millis(200)).await;
    assert_eq!(cache.get(&1), None, "nothing is proven");
    assert_eq!(soon("a load", load()).await.unwrap(), 7);
    let status = node.status();
    assert_eq!(status.state, State::Starting);
    assert!(status.to_string().contains("wrong credentials"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_ends_is_opened_again() {
    let (runtime, lines) = (VirtualTime::new(), Lines::default());
    let mut broker = broker();
    accepting(&mut broker, &lines);
    let opened = lines.clone();
    broker.expect_subscribe().returning(move || Ok(opened.open(true)));
    let node = node(broker, &runtime);
    let mut status = node.status_stream();
    assert!(soon("live", status.reaches(State::Live)).await);
    lines.newest().unwrap().end();
    assert!(soon("disconnected", status.reaches(State::Disconnected)).await);
    assert!(soon("live again", status.reaches(State::Live)).await);
    assert_eq!((lines.count(), node.counters().subscriptions), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_fence_that_does_not_return_ends_the_subscription() {
    let (runtime, lines) = (VirtualTime::new(), Lines::default());
    let mut broker = broker();
    accepting(&mut broker, &lines);
    let opened = lines.clone();
    // The first subscription is silent: nothing comes, nothing fails.
    broker.expect_subscribe().returning(move || Ok(opened.open(opened.count() > 0)));
    let node = node(broker, &runtime);
    assert!(soon("live", node.status_stream().reaches(State::Live)).await);
    soon("a second subscription", async {
        while lines.count() < 2 {
            pass(Duration::from_millis(100)).await;
        }
    })
    .await;
    assert!(soon("live", node.status_stream().reaches(State::Live)).await);
}

#[tokio::test(start_paused = true)]
async fn publishing_to_another_server_than_we_hear_is_named() {
    let (runtime, lines) = (VirtualTime::new(), Lines::default());
    let mut broker = broker();
    // Accepted, but by somebody else: nothing comes back.
    broker.expect_publish().returning(|_| Ok(()));
    let opened = lines.clone();
    broker.expect_subscribe().returning(move || Ok(opened.open(true)));
    let node = node(broker, &runtime);
    let mut stream = node.status_stream();
    soon("the reason", async {
        while stream.next().await.unwrap().reason != Some(Reason::SplitPath) {}
    })
    .await;
    assert!(node.status().to_string().contains("different servers"), "{}", node.status());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_is_given_up() {
    let (runtime, lines) = (VirtualTime::new(), Lines::default());
    let tries = Arc::new(Mutex::new(0));
    let broker = FlakySubscribe { lines, tries: tries.clone() };
    let node = Node::builder(NAMESPACE).transport(broker).runtime(runtime).build().unwrap();
    assert!(soon("live", node.status_stream().reaches(State::Live)).await);
    assert_eq!(*tries.lock().unwrap(), 2);
}

/// mockall cannot return a future that stays pending.
struct FlakySubscribe {
    lines: Lines,
    tries: Arc<Mutex<u32>>,
}

#[async_trait]
impl Transport for FlakySubscribe {
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, TransportError> {
        *self.tries.lock().unwrap() += 1;
        if *self.tries.lock().unwrap() == 1 {
            std::future::pending::<()>().await;
        }
        Ok(self.lines.open(true))
    }

    async fn publish(&self, frame: Bytes) -> Result<(), TransportError> {
        self.lines.accept(frame);
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new("flaky").with_native_fences()
    }
}

/// A subscription that always holds one more frame, none of ours.
struct Firehose;

#[async_trait]
impl Subscription for Firehose {
    fn sequencer(&self) -> Option<&SequencerId> {
        None
    }

    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        Poll::Ready(Ok(Item::Frame(Bytes::from_static(b"somebody else's"))))
    }

    fn fence(&mut self, _: u64) {}

    async fn close(self: Box<Self>) {}
}

#[tokio::test]
async fn a_flood_on_the_channel_keeps_nothing_else_from_happening() {
    let mut broker = broker();
    broker.expect_subscribe().returning(|| Ok(Box::new(Firehose)));
    broker.expect_publish().returning(|_| Ok(()));
    let node = Node::builder(NAMESPACE).transport(broker).build().unwrap();
    // On the one thread of this test, beside the flood.
    soon("published", node.invalidate_tag("t").published()).await.unwrap();
    assert_eq!(node.counters().publish_failures, 0);
}
