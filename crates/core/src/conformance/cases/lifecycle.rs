//! Several subscriptions, and futures that are dropped half-way.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};

use super::super::harness::Hook;
use super::super::lab::{Lab, Outcome, Stop, ensure};
use super::super::reader::Reader;
use super::super::stamp::{read_stamp, stamp};
use crate::transport::{Item, TransportError};

pub(super) async fn subscriptions_of_one_transport_are_independent(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    let mut first = lab.subscribe(&*transport).await?;
    lab.publish(&*transport, stamp(0, 0)).await?;
    let mut second = lab.subscribe(&*transport).await?;
    for number in 1..20 {
        lab.publish(&*transport, stamp(0, number)).await?;
    }
    for number in 1..20 {
        second.expect("a frame for the second", &stamp(0, number)).await?;
    }
    for number in 0..20 {
        first.expect("a frame for the first", &stamp(0, number)).await?;
    }
    Ok(())
}

pub(super) async fn a_dropped_subscription_leaves_the_others(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    let other = lab.transport().await;
    let mut stays = lab.subscribe(&*transport).await?;
    let mut stays_elsewhere = lab.subscribe(&*other).await?;
    for round in 0..10 {
        let read = lab.subscribe(&*transport).await?;
        let unread = lab.subscribe(&*other).await?;
        lab.publish(&*other, stamp(0, 2 * round)).await?;
        drop((read, unread));
        lab.publish(&*transport, stamp(0, 2 * round + 1)).await?;
        for number in [2 * round, 2 * round + 1] {
            stays.expect("a frame for who stays", &stamp(0, number)).await?;
            stays_elsewhere.expect("a frame for who stays", &stamp(0, number)).await?;
        }
    }
    Ok(())
}

/// Polls a future a few times, with pauses in which the network can move on, and drops it unfinished.
async fn poll_and_drop<T>(mut future: BoxFuture<'_, T>, polls: usize) {
    for _ in 0..polls {
        let poll = poll_fn(|context| Poll::Ready(future.poll_unpin(context)));
        if poll.await.is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

pub(super) async fn a_dropped_subscribe_is_harmless(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    let mut stays = lab.subscribe(&*transport).await?;
    for round in 0..20 {
        poll_and_drop(transport.subscribe(), round as usize % 5).await;
        let mut reader = lab.subscribe(&*transport).await?;
        lab.publish(&*transport, stamp(0, round)).await?;
        reader.expect("a frame for the next subscription", &stamp(0, round)).await?;
        stays.expect("a frame for who stays", &stamp(0, round)).await?;
    }
    Ok(())
}

pub(super) async fn what_was_dropped_is_gone_at_the_broker(lab: &Lab<'_>) -> Outcome {
    const PAUSE: Duration = Duration::from_millis(10);
    let transport = lab.transport().await;
    let mut stays = lab.subscribe(&*transport).await?;
    for round in 0..20 {
        drop(lab.subscribe(&*transport).await?);
        poll_and_drop(transport.subscribe(), round % 5).await;
    }
    // The broker may need a moment to notice.
    let only_one = async {
        loop {
            match lab.harness.subscriptions(lab.channel).await {
                None => return lab.needs("subscriptions", Hook::NotSupported),
                Some(1) => return Ok(()),
                Some(_) => lab.checks.pause(PAUSE).await,
            }
        }
    };
    lab.checks
        .within("the broker holding open what is not dropped, and nothing else", only_one)
        .await??;
    lab.publish(&*transport, stamp(0, 0)).await?;
    stays.expect("a frame for who stays", &stamp(0, 0)).await
}

pub(super) async fn a_dropped_publish_is_harmless(lab: &Lab<'_>) -> Outcome {
    const DROPPED: u32 = 0;
    const KEPT: u32 = 1;
    let transport = lab.transport().await;
    let mut reader = lab.subscribe(&*transport).await?;
    let mut seen = BTreeSet::new();
    for round in 0..50 {
        poll_and_drop(transport.publish(stamp(DROPPED, round)), round as usize % 5).await;
        lab.publish(&*transport, stamp(KEPT, round)).await?;
        // A dropped one may be accepted, now or later, but once.
        loop {
            let (publisher, number) = read_stamp(&reader.frame("the publish after it").await?)?;
            if publisher == KEPT {
                ensure(number == round, || format!("frame {number} instead of {round}"))?;
                break;
            }
            ensure(number <= round && seen.insert(number), || {
                format!("dropped publish {number} came twice")
            })?;
        }
    }
    Ok(())
}

pub(super) async fn a_cancelled_wait_loses_nothing(lab: &Lab<'_>) -> Outcome {
    const FRAMES: u32 = 200;
    let transport = lab.transport().await;
    let mut reader = lab.subscribe(&*transport).await?;
    let checks = lab.checks.clone();
    let publishing = lab.spawn(async move {
        for number in 0..FRAMES {
            checks.publish(&*transport, stamp(0, number)).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    });
    let mut next = 0;
    while next < FRAMES {
        // A wait that is given up after one poll, then a patient one.
        let glance = poll_fn(|context| Poll::Ready(reader.subscription.poll_next(context))).await;
        let frame = match glance {
            Poll::Ready(Ok(Item::Frame(frame))) => frame,
            Poll::Ready(Ok(Item::Fenced(_))) => return Err(Stop::fail("a fence out of nowhere")),
            Poll::Ready(Err(error)) => return Err(lab.checks.unexpected("it ended", &error)),
            Poll::Pending => reader.frame("the next frame").await?,
        };
        ensure(frame == stamp(0, next), || format!("frame {next} was lost or repeated"))?;
        next += 1;
    }
    publishing.join().await
}

/// A poll by a task that will not wake up.
fn glance_asleep(reader: &mut Reader) -> Poll<Result<Item, TransportError>> {
    let mut asleep = Context::from_waker(Waker::noop());
    reader.subscription.poll_next(&mut asleep)
}

pub(super) async fn a_subscription_can_change_tasks(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    let mut reader = lab.subscribe(&*transport).await?;
    for number in 0..10 {
        let glance = glance_asleep(&mut reader);
        ensure(glance.is_pending(), || "an item out of nowhere".to_owned())?;
        let waiting = lab.spawn(async move {
            reader.expect("a frame in another task", &stamp(0, number)).await?;
            Ok(reader)
        });
        tokio::task::yield_now().await;
        lab.publish(&*transport, stamp(0, number)).await?;
        reader = waiting.join().await?;
    }
    Ok(())
}

pub(super) async fn subscribing_again_and_again_works(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    for round in 0..100 {
        let mut reader = lab.subscribe(&*transport).await?;
        if round % 10 == 0 {
            lab.publish(&*transport, stamp(0, round)).await?;
            reader.expect("a frame", &stamp(0, round)).await?;
        }
    }
    Ok(())
}
