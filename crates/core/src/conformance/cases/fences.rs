//! A native fence comes back once, in its order, and after everything accepted before it was asked for.

use super::super::lab::{Lab, Outcome, Stop, ensure};
use super::super::reader::Reader;
use super::super::stamp::{Tally, stamp};
use super::super::traffic::traffic;
use crate::transport::Item;

pub(super) async fn a_fence_on_an_idle_channel_comes_back(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    lab.needs_native_fences(&*transport)?;
    let mut reader = lab.subscribe(&*transport).await?;
    for token in [0, 1, u64::MAX, u64::from(u32::MAX) + 1, 0x0d0a] {
        reader.fence(token);
        reader.expect_fence(token).await?;
    }
    Ok(())
}

pub(super) async fn a_fence_comes_after_accepted_frames(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    lab.needs_native_fences(&*transport)?;
    let mut reader = lab.subscribe(&*transport).await?;
    let publishers = [lab.transport().await, lab.transport().await, transport];
    let mut number = 0;
    for round in 0..100_u32 {
        let first = number;
        for _ in 0..round % 7 {
            let publisher = &publishers[number as usize % publishers.len()];
            lab.publish(&**publisher, stamp(0, number)).await?;
            number += 1;
        }
        reader.fence(u64::from(round));
        for number in first..number {
            reader.expect("a frame accepted before the fence", &stamp(0, number)).await?;
        }
        reader.expect_fence(u64::from(round)).await?;
    }
    Ok(())
}

pub(super) async fn fences_come_once_and_in_order(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    lab.needs_native_fences(&*transport)?;
    let mut reader = lab.subscribe(&*transport).await?;
    for token in 0..16 {
        reader.fence(token);
    }
    for token in 0..16 {
        reader.expect_fence(token).await?;
    }
    for token in 100..116 {
        reader.fence(token);
        reader.expect_fence(token).await?;
    }
    // A fence that came twice would be found before this frame.
    lab.publish(&*transport, stamp(0, 0)).await?;
    reader.expect("the frame after all fences", &stamp(0, 0)).await
}

pub(super) async fn a_fence_belongs_to_its_subscription(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    lab.needs_native_fences(&*transport)?;
    let mut first = lab.subscribe(&*transport).await?;
    let mut second = lab.subscribe(&*transport).await?;
    first.fence(1);
    second.fence(2);
    first.expect_fence(1).await?;
    second.expect_fence(2).await?;
    lab.publish(&*transport, stamp(0, 0)).await?;
    first.expect("the frame after the fence", &stamp(0, 0)).await?;
    second.expect("the frame after the fence", &stamp(0, 0)).await
}

pub(super) async fn fences_amid_traffic_prove_what_was_accepted(lab: &Lab<'_>) -> Outcome {
    const PUBLISHERS: u32 = 3;
    let transport = lab.transport().await;
    lab.needs_native_fences(&*transport)?;
    let mut reader = lab.subscribe(&*transport).await?;
    let mut publishers = Vec::new();
    for publisher in 0..PUBLISHERS {
        publishers.push(traffic(lab, lab.transport().await, publisher));
    }
    let mut tally = Tally::default();
    for round in 0..200 {
        tokio::task::yield_now().await;
        let before: Vec<u32> = publishers.iter().map(|(at, _)| at.below()).collect();
        reader.fence(round);
        let met = read_to_fence(&mut reader, &mut tally, round);
        lab.checks.within("a fence amid traffic", met).await??;
        for (publisher, before) in (0..).zip(before) {
            let met = tally.next(publisher);
            ensure(met >= before, || {
                format!("{before} frames were accepted before the fence, {met} came before it")
            })?;
        }
    }
    Ok(())
}

/// Reads on until this fence.
async fn read_to_fence(reader: &mut Reader, tally: &mut Tally, expected: u64) -> Outcome {
    loop {
        match reader.item("a fence amid traffic").await? {
            Item::Frame(frame) => tally.meet(&frame)?,
            Item::Fenced(token) if token == expected => return Ok(()),
            Item::Fenced(token) => {
                return Err(Stop::fail(format!("fence {token} instead of {expected}")));
            }
        }
    }
}
