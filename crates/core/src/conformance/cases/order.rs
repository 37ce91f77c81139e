//! One order for everyone.

use futures_util::future::try_join_all;

use super::super::lab::{Lab, Outcome, ensure};
use super::super::stamp::{Tally, stamp};

pub(super) async fn concurrent_publishers_are_seen_in_one_order(lab: &Lab<'_>) -> Outcome {
    const PUBLISHERS: u32 = 4;
    const FRAMES: u32 = 250;
    let mut readers = Vec::new();
    for _ in 0..2 {
        let transport = lab.transport().await;
        readers.push(lab.subscribe(&*transport).await?);
        readers.push(lab.subscribe(&*transport).await?);
    }
    let mut publishers = Vec::new();
    for publisher in 0..PUBLISHERS {
        let transport = lab.transport().await;
        let checks = lab.checks.clone();
        publishers.push(lab.spawn(async move {
            for number in 0..FRAMES {
                checks.publish(&*transport, stamp(publisher, number)).await?;
                tokio::task::yield_now().await;
            }
            Ok(())
        }));
    }
    let readings = try_join_all(readers.iter_mut().map(|reader| async {
        let mut tally = Tally::default();
        let mut order = Vec::new();
        for _ in 0..PUBLISHERS * FRAMES {
            let frame = reader.frame("a frame of several publishers").await?;
            tally.meet(&frame)?;
            order.push(frame);
        }
        Ok(order)
    }))
    .await?;
    for publisher in publishers {
        publisher.join().await?;
    }
    let agreed = readings.windows(2).all(|pair| pair[0] == pair[1]);
    ensure(agreed, || "subscribers saw the frames in different orders".to_owned())
}

/// How a node fences where the transport cannot: a frame to itself comes after all accepted before it.
pub(super) async fn own_echo_is_a_fence(lab: &Lab<'_>) -> Outcome {
    const PUBLISHERS: u32 = 3;
    const FENCE: u32 = PUBLISHERS;
    let node = lab.transport().await;
    let mut reader = lab.subscribe(&*node).await?;
    let mut others = Vec::new();
    for _ in 0..PUBLISHERS {
        others.push(lab.transport().await);
    }
    let mut tally = Tally::default();
    for round in 0..50 {
        for (publisher, transport) in (0..).zip(&others) {
            lab.publish(&**transport, stamp(publisher, round)).await?;
        }
        lab.publish(&*node, stamp(FENCE, round)).await?;
        while tally.next(FENCE) <= round {
            tally.meet(&reader.frame("the own echo").await?)?;
        }
        for publisher in 0..PUBLISHERS {
            ensure(tally.next(publisher) == round + 1, || {
                format!("the own echo overtook a frame of publisher {publisher}")
            })?;
        }
    }
    Ok(())
}

pub(super) async fn one_channel_has_one_sequencer(lab: &Lab<'_>) -> Outcome {
    let first = lab.transport().await;
    let second = lab.transport().await;
    let expected = lab.subscribe(&*first).await?.sequencer();
    for transport in [&first, &second, &first] {
        let identity = lab.subscribe(&**transport).await?.sequencer();
        ensure(identity == expected, || {
            format!("one unbroken broker is {expected:?} and {identity:?}")
        })?;
    }
    Ok(())
}
