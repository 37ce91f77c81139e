//! Publishing: retries, ambiguity, refusals, leaving.

use super::*;
use crate::protocol::{State, Warning};
use crate::receipt::NotPublished;
use crate::target::Target;

type Frames = Arc<Mutex<Vec<Bytes>>>;

/// A broker whose frames of targets get these answers in turn, then are accepted; whether a refused one is
/// accepted all the same is up to `accepted_anyway`.
fn answering(
    answers: Vec<TransportErrorKind>,
    accepted_anyway: bool,
) -> (MockBroker, Lines, Frames) {
    let (mut broker, lines, frames) = (broker(), Lines::default(), Frames::default());
    let (opened, heard, seen) = (lines.clone(), lines.clone(), frames.clone());
    broker.expect_subscribe().returning(move || Ok(opened.open(true)));
    let mut answers = answers.into_iter();
    broker.expect_publish().returning(move |frame| {
        let mut answer = None;
        if carries_targets(&frame) {
            seen.lock().unwrap().push(frame.clone());
            answer = answers.next();
        }
        match answer {
            None => {
                heard.accept(frame);
                Ok(())
            }
            Some(kind) => {
                if accepted_anyway {
                    heard.accept(frame);
                }
                Err(kind.error("no answer"))
            }
        }
    });
    (broker, lines, frames)
}

#[tokio::test(start_paused = true)]
async fn a_failed_publish_is_repeated_unchanged_under_its_number() {
    let runtime = VirtualTime::new();
    let kinds = vec![TransportErrorKind::Unreachable, TransportErrorKind::Throttled];
    let (broker, _, frames) = answering(kinds, false);
    let node = node(broker, &runtime);
    assert!(soon("live", node.status_stream().reaches(State::Live)).await);
    soon("published", node.invalidate_tag("t").published()).await.unwrap();
    let frames: Vec<_> = frames.lock().unwrap().iter().map(open).collect();
    assert_eq!(frames.len(), 3);
    assert!(frames.windows(2).all(|pair| pair[0].compared == pair[1].compared));
    let attempts: Vec<_> = frames.iter().map(|frame| frame.header.attempt).collect();
    // Counted in the lower bits; the upper ones are the process's.
    assert_eq!(attempts, [1, 2, 3].map(|count| (attempts[0] >> 20 << 20) + count));
    assert_eq!(node.counters().publish_failures, 2);
}

#[tokio::test(start_paused = true)]
async fn an_ambiguous_publish_that_was_accepted_is_not_repeated() {
    let runtime = VirtualTime::new();
    let (broker, _, frames) = answering(vec![TransportErrorKind::Unreachable], true);
    let node = node(broker, &runtime);
    assert!(soon("live", node.status_stream().reaches(State::Live)).await);
    soon("published", node.invalidate_tag("t").published()).await.unwrap();
    pass(Duration::from_secs(30)).await;
    assert_eq!(frames.lock().unwrap().len(), 1, "its echo says that it was accepted");
    assert_eq!(node.counters().frames_published - node.counters().beacons_published, 1);
}

#[tokio::test(start_paused = true)]
async fn what_queues_while_one_is_in_flight_travels_together() {
    let runtime = VirtualTime::new();
    let (broker, _, frames) = answering(vec![TransportErrorKind::Unreachable], false);
    let node = node(broker, &runtime);
    assert!(soon("live", node.status_stream().reaches(State::Live)).await);
    let first = node.invalidate_tag("first");
    pass(Duration::from_millis(1)).await;
    let later: Vec<_> = (0..10).map(|n| node.invalidate_tag(&format!("{n}"))).collect();
    soon("the first", first.published()).await.unwrap();
    for receipt in later {
        soon("the later", receipt.published()).await.unwrap();
    }
    // The first twice, then all the others.
    assert_eq!(frames.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_refused_frame_becomes_a_clear_under_a_new_identity() {
    let runtime = VirtualTime::new();
    let (broker, _, frames) = answering(vec![TransportErrorKind::Rejected], false);
    let node = node(broker, &runtime);
    assert!(soon("live", node.status_stream().reaches(State::Live)).await);
    let before = node.id();
    soon("published", node.invalidate_tag("t").published()).await.unwrap();
    assert_ne!(node.id(), before);
    let frames: Vec<_> = frames.lock().unwrap().iter().map(open).collect();
    assert_eq!(frames[1].body, Ok(Body::Targets([Target::Everything].into_iter().collect())));
    assert_eq!(frames[1].header.origin, Some((node.id(), 1)));
    let refused = |warning: &Warning| matches!(warning, Warning::FrameRejected(_));
    assert!(node.status().warnings.iter().any(refused));
}

#[tokio::test(start_paused = true)]
async fn failing_to_publish_shows_in_the_status_and_ends() {
    let runtime = VirtualTime::new();
    let (broker, _, _) = answering(vec![TransportErrorKind::Throttled; 4], false);
    let node = node(broker, &runtime);
    assert!(soon("live", node.status_stream().reaches(State::Live)).await);
    let receipt = node.invalidate_tag("t");
    let mut stream = node.status_stream();
    let publishing = |warning: &Warning| matches!(warning, Warning::Publishing(_));
    soon("the warning", async {
        while !stream.next().await.unwrap().warnings.iter().any(publishing) {}
    })
    .await;
    assert_eq!(node.status().state, State::Live, "a failure to publish alone ends nothing");
    soon("published", receipt.published()).await.unwrap();
    soon("no warning", async {
        while node.status().warnings.iter().any(publishing) {
            pass(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn leaving_publishes_what_waits_and_says_goodbye() {
    let runtime = VirtualTime::new();
    let (broker, lines, frames) = answering(vec![TransportErrorKind::Unreachable; 3], false);
    let node = node(broker, &runtime);
    assert!(soon("live", node.status_stream().reaches(State::Live)).await);
    let receipt = node.invalidate_tag("t");
    node.shutdown(Duration::from_secs(60)).await.unwrap();
    receipt.published().await.unwrap();
    assert_eq!(frames.lock().unwrap().len(), 4);
    assert_eq!(node.status().state, State::Disconnected);
    assert!(
        lines.newest().unwrap().closed.load(Ordering::SeqCst),
        "the broker keeps a subscription"
    );
    let after = node.invalidate_tag("u");
    assert_eq!(after.published().await, Err(NotPublished));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_does_not_close_holds_nobody_up() {
    let runtime = VirtualTime::new();
    let (broker, lines, _) = answering(Vec::new(), true);
    let node = node(broker, &runtime);
    assert!(soon("live", node.status_stream().reaches(State::Live)).await);
    lines.newest().unwrap().close_hangs.store(true, Ordering::SeqCst);
    let begun = runtime.now();
    soon("a shutdown", node.shutdown(Duration::from_secs(2))).await.unwrap();
    assert!(lines.newest().unwrap().closed.load(Ordering::SeqCst));
    assert!(runtime.now().since(begun) < Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn leaving_reports_what_the_broker_did_not_take() {
    let runtime = VirtualTime::new();
    let (broker, _, _) = answering(vec![TransportErrorKind::Unreachable; 1_000], false);
    let node = node(broker, &runtime);
    assert!(soon("live", node.status_stream().reaches(State::Live)).await);
    let receipt = node.invalidate_tag("t");
    let error = node.shutdown(Duration::from_secs(2)).await.unwrap_err();
    assert_eq!(error.unpublished, 1);
    assert_eq!(receipt.published().await, Err(NotPublished));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_node_takes_its_tasks_along() {
    let runtime = VirtualTime::new();
    let (broker, _, _) = answering(vec![TransportErrorKind::Unreachable; 1_000], false);
    let node = node(broker, &runtime);
    let cache = node.cache::<u32, u32>("rows").build().unwrap();
    let receipt = cache.invalidate(&1);
    drop(node);
    assert_eq!(soon("the end", receipt.published()).await, Err(NotPublished));
    assert_eq!(cache.get(&1), None);
    assert_eq!(soon("none", cache.invalidate(&1).published()).await, Err(NotPublished));
}
