//! Each fault does what it says, and nothing else.

#![expect(clippy::disallowed_methods, reason = "the paused clock of tokio is this test's time")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::time::Instant;
use unstale::runtime::BoxFuture;
use unstale::transport::{
    Item, SequencerId, Subscription, SubscriptionExt, TransportError, TransportErrorKind,
};
use unstale::{Runtime, Timestamp, Transport};
use unstale_memory::Hub;
use unstale_memory::fault::{FaultHandle, Faulty, PublishFault};

const SECOND: Duration = Duration::from_secs(1);

/// Virtual time: moves only while everything waits.
#[derive(Debug)]
struct PausedRuntime {
    start: Instant,
}

impl PausedRuntime {
    fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now() })
    }
}

impl Runtime for PausedRuntime {
    fn now(&self) -> Timestamp {
        Timestamp::ZERO.after(self.start.elapsed())
    }

    fn upper_now(&self) -> Timestamp {
        self.now()
    }

    fn resynchronize(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<()> {
        tokio::time::sleep_until(self.start + deadline.since(Timestamp::ZERO)).boxed()
    }

    fn spawn(&self, _name: &'static str, task: BoxFuture<()>) {
        tokio::spawn(task);
    }

    fn random_seed(&self) -> u64 {
        0
    }
}

/// A faulty transport, one without faults on the same channel, and their hub.
struct Lab {
    hub: Hub,
    faulty: Faulty,
    faults: FaultHandle,
}

impl Lab {
    fn new() -> Self {
        let hub = Hub::new();
        let faulty = Faulty::new(Arc::new(hub.transport()), PausedRuntime::new());
        let faults = faulty.handle();
        Self { hub, faulty, faults }
    }

    async fn publish_elsewhere(&self, frame: &'static str) {
        self.hub.transport().publish(frame.into()).await.unwrap();
    }

    async fn publish(&self, frame: &'static str) -> Result<(), TransportErrorKind> {
        let published = self.faulty.publish(frame.into()).await;
        published.map_err(|error| error.kind())
    }
}

fn frame(text: &'static str) -> Item {
    Item::Frame(Bytes::from_static(text.as_bytes()))
}

async fn expect(subscription: &mut Box<dyn Subscription>, texts: &[&'static str]) {
    for text in texts {
        assert_eq!(subscription.next().await.unwrap(), frame(text));
    }
}

/// What is there right now.
fn glance(subscription: &mut Box<dyn Subscription>) -> Option<Result<Item, TransportError>> {
    subscription.next().now_or_never()
}

#[tokio::test(start_paused = true)]
async fn frames_are_lost_on_receive_here_only_and_fences_come_back() {
    let lab = Lab::new();
    let mut here = lab.faulty.subscribe().await.unwrap();
    let mut elsewhere = lab.hub.transport().subscribe().await.unwrap();
    lab.faults.lose_received(2);
    for text in ["a", "b", "c"] {
        lab.publish_elsewhere(text).await;
    }
    here.fence(9);
    expect(&mut here, &["c"]).await;
    assert_eq!(here.next().await.unwrap(), Item::Fenced(9));
    expect(&mut elsewhere, &["a", "b", "c"]).await;
    assert_eq!(lab.faults.injected().lost_on_receive, 2);
}

#[tokio::test(start_paused = true)]
async fn matching_frames_are_lost_on_receive() {
    let lab = Lab::new();
    let mut here = lab.faulty.subscribe().await.unwrap();
    lab.faults.lose_received_if(1, |bytes| bytes == b"b");
    lab.faults.lose_received_if(1, |bytes| bytes == b"c");
    for text in ["a", "b", "c", "b", "c"] {
        lab.publish_elsewhere(text).await;
    }
    expect(&mut here, &["a", "b", "c"]).await;
    assert_eq!(lab.faults.injected().lost_on_receive, 2);
}

#[tokio::test(start_paused = true)]
async fn a_publish_can_be_lost_fail_or_be_accepted_and_fail() {
    let lab = Lab::new();
    let mut elsewhere = lab.hub.transport().subscribe().await.unwrap();
    lab.faults.on_publish(1, PublishFault::Lose);
    lab.faults.on_publish(1, PublishFault::Fail);
    lab.faults.on_publish(1, PublishFault::AcceptButFail);
    assert_eq!(lab.publish("lost").await, Ok(()));
    let unreachable = Err(TransportErrorKind::Unreachable);
    assert_eq!(lab.publish("failed").await, unreachable);
    assert_eq!(lab.publish("accepted").await, unreachable);
    assert_eq!(lab.publish("after").await, Ok(()));
    expect(&mut elsewhere, &["accepted", "after"]).await;
    assert!(glance(&mut elsewhere).is_none());
    let injected = lab.faults.injected();
    assert_eq!(injected.lost_on_publish, 1);
    assert_eq!(injected.failed, 1);
    assert_eq!(injected.accepted_but_failed, 1);
}

#[tokio::test(start_paused = true)]
async fn matching_publishes_are_lost() {
    let lab = Lab::new();
    let mut elsewhere = lab.hub.transport().subscribe().await.unwrap();
    let beacon = |bytes: &[u8]| bytes.starts_with(b"beacon");
    lab.faults.on_publish_if(usize::MAX, PublishFault::Lose, beacon);
    for text in ["beacon 1", "a", "beacon 2", "b"] {
        lab.publish(text).await.unwrap();
    }
    lab.faults.heal();
    lab.publish("beacon 3").await.unwrap();
    expect(&mut elsewhere, &["a", "b", "beacon 3"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_publish_is_accepted_once_behind_others() {
    let lab = Lab::new();
    let mut elsewhere = lab.hub.transport().subscribe().await.unwrap();
    lab.faults.on_publish(1, PublishFault::AcceptLater(SECOND));
    let start = Instant::now();
    assert!(lab.publish("zombie").await.is_err());
    assert_eq!(start.elapsed(), Duration::ZERO);
    lab.publish("zombie").await.unwrap();
    lab.publish("after").await.unwrap();
    expect(&mut elsewhere, &["zombie", "after"]).await;
    assert!(glance(&mut elsewhere).is_none());
    expect(&mut elsewhere, &["zombie"]).await;
    assert_eq!(start.elapsed().as_secs(), 1);
    assert!(glance(&mut elsewhere).is_none());
    assert_eq!(lab.faults.injected().accepted_later, 1);
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_ends_what_is_open_and_nothing_else() {
    let lab = Lab::new();
    let mut first = lab.faulty.subscribe().await.unwrap();
    let mut second = lab.faulty.subscribe().await.unwrap();
    let mut elsewhere = lab.hub.transport().subscribe().await.unwrap();
    lab.publish_elsewhere("unread").await;
    // A reader that waits already is woken.
    expect(&mut first, &["unread"]).await;
    let waiting = tokio::spawn(async move { first.next().await.unwrap_err().kind() });
    tokio::task::yield_now().await;
    lab.faults.disconnect();
    assert_eq!(waiting.await.unwrap(), TransportErrorKind::Unreachable);
    assert!(second.next().await.unwrap_err().can_retry());

    let mut third = lab.faulty.subscribe().await.unwrap();
    lab.publish("after").await.unwrap();
    expect(&mut third, &["after"]).await;
    expect(&mut elsewhere, &["unread", "after"]).await;
    assert_eq!(lab.hub.subscriptions(), 2);
    assert_eq!(lab.faults.injected().disconnected, 2);
}

#[tokio::test(start_paused = true)]
async fn refusals_last_until_they_are_lifted() {
    let lab = Lab::new();
    let mut open = lab.faulty.subscribe().await.unwrap();
    let refused = TransportErrorKind::Unauthorized;
    lab.faults.refuse_subscribe(Some(refused));
    lab.faults.refuse_publish(Some(TransportErrorKind::Throttled));
    for _ in 0..2 {
        let error = lab.faulty.subscribe().await.err().unwrap();
        assert_eq!(error.kind(), refused);
        let throttled = Err(TransportErrorKind::Throttled);
        assert_eq!(lab.publish("refused").await, throttled);
    }
    lab.faults.refuse_subscribe(None);
    lab.faults.refuse_publish(None);
    assert!(lab.faulty.subscribe().await.is_ok());
    lab.publish("accepted").await.unwrap();
    expect(&mut open, &["accepted"]).await;
    assert_eq!(lab.faults.injected().refused, 4);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_publish_is_accepted_later() {
    let lab = Lab::new();
    let mut elsewhere = lab.hub.transport().subscribe().await.unwrap();
    lab.faults.delay_publish(SECOND);
    let start = Instant::now();
    let mut publish = lab.faulty.publish(Bytes::from_static(b"late"));
    assert!(publish.as_mut().now_or_never().is_none());
    assert!(glance(&mut elsewhere).is_none());
    publish.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 1);
    expect(&mut elsewhere, &["late"]).await;
}

#[tokio::test(start_paused = true)]
async fn delayed_items_travel_together_and_keep_their_order() {
    let lab = Lab::new();
    let mut here = lab.faulty.subscribe().await.unwrap();
    lab.faults.delay_receive(SECOND);
    let start = Instant::now();
    lab.publish("a").await.unwrap();
    here.fence(1);
    lab.publish("b").await.unwrap();
    assert!(glance(&mut here).is_none());
    lab.faults.delay_receive(Duration::ZERO);
    lab.publish("c").await.unwrap();
    expect(&mut here, &["a"]).await;
    assert_eq!(here.next().await.unwrap(), Item::Fenced(1));
    expect(&mut here, &["b", "c"]).await;
    assert_eq!(start.elapsed().as_secs(), 1, "one delay, not one for each");
    // The end travels like everything else.
    lab.faults.delay_receive(SECOND);
    lab.hub.restart();
    assert!(glance(&mut here).is_none());
    assert!(here.next().await.is_err());
    assert_eq!(start.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn silence_hides_frames_fences_ends_and_confirmations_until_it_is_lifted() {
    let lab = Lab::new();
    let mut here = lab.faulty.subscribe().await.unwrap();
    lab.faults.silence(true);
    lab.publish("a").await.unwrap();
    here.fence(1);
    lab.hub.restart();
    let mut subscribe = lab.faulty.subscribe();
    tokio::time::sleep(1_000 * SECOND).await;
    assert!(glance(&mut here).is_none());
    assert!(subscribe.as_mut().now_or_never().is_none());
    let waiting = tokio::spawn(async move {
        expect(&mut here, &["a"]).await;
        assert_eq!(here.next().await.unwrap(), Item::Fenced(1));
        assert!(here.next().await.is_err());
    });
    tokio::task::yield_now().await;
    lab.faults.silence(false);
    waiting.await.unwrap();
    assert!(subscribe.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_silent_subscription_can_still_be_cut() {
    let lab = Lab::new();
    let mut here = lab.faulty.subscribe().await.unwrap();
    lab.faults.silence(true);
    lab.faults.disconnect();
    assert!(here.next().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_hanging_publish_goes_on_when_it_may() {
    let lab = Lab::new();
    let mut here = lab.faulty.subscribe().await.unwrap();
    lab.faults.hang_publish(true);
    let mut given_up = lab.faulty.publish(Bytes::from_static(b"given up"));
    let mut waited_for = lab.faulty.publish(Bytes::from_static(b"waited for"));
    assert!(given_up.as_mut().now_or_never().is_none());
    assert!(waited_for.as_mut().now_or_never().is_none());
    drop(given_up);
    lab.faults.heal();
    waited_for.await.unwrap();
    expect(&mut here, &["waited for"]).await;
    assert!(glance(&mut here).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_pretended_sequencer_is_claimed_by_new_subscriptions() {
    let lab = Lab::new();
    let before = lab.faulty.subscribe().await.unwrap();
    let pretended = SequencerId::new("another server");
    lab.faults.pretend_sequencer(Some(pretended.clone()));
    let during = lab.faulty.subscribe().await.unwrap();
    lab.faults.pretend_sequencer(None);
    let after = lab.faulty.subscribe().await.unwrap();
    assert_eq!(during.sequencer(), Some(&pretended));
    assert_ne!(before.sequencer(), Some(&pretended));
    assert_eq!(before.sequencer(), after.sequencer());
}
