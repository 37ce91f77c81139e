//! Everything after the confirmation, nothing from before, once, and on this channel only.

use bytes::Bytes;

use super::super::lab::{Lab, Outcome, ensure};
use super::super::stamp::{read_stamp, stamp};
use super::super::traffic::traffic;
use crate::transport::Capabilities;

pub(super) async fn capabilities_are_constant_and_sane(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    let before = transport.capabilities();
    ensure(!before.name.is_empty(), || "it has no name".to_owned())?;
    ensure(before.max_frame_bytes >= Capabilities::MIN_FRAME_BYTES, || {
        format!("frames of {} bytes are too small", before.max_frame_bytes)
    })?;
    let mut reader = lab.subscribe(&*transport).await?;
    lab.publish(&*transport, stamp(0, 0)).await?;
    reader.expect("the echo", &stamp(0, 0)).await?;
    for transport in [transport, lab.transport().await] {
        let after = transport.capabilities();
        ensure(after == before, || {
            format!("the capabilities changed from {before:?} to {after:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn a_publisher_hears_itself(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    let mut reader = lab.subscribe(&*transport).await?;
    for number in 0..20 {
        let frame = stamp(0, number);
        lab.publish(&*transport, frame.clone()).await?;
        reader.expect("the echo", &frame).await?;
    }
    Ok(())
}

pub(super) async fn every_subscriber_gets_every_frame(lab: &Lab<'_>) -> Outcome {
    let mut transports = Vec::new();
    let mut readers = Vec::new();
    for _ in 0..3 {
        let transport = lab.transport().await;
        readers.push(lab.subscribe(&*transport).await?);
        transports.push(transport);
    }
    let mut frames = Vec::new();
    for number in 0..40 {
        for (publisher, transport) in (0..).zip(&transports) {
            let frame = stamp(publisher, number);
            lab.publish(&**transport, frame.clone()).await?;
            frames.push(frame);
        }
    }
    for reader in &mut readers {
        for frame in &frames {
            reader.expect("the next of all frames", frame).await?;
        }
    }
    Ok(())
}

pub(super) async fn nothing_from_before_the_confirmation(lab: &Lab<'_>) -> Outcome {
    let other = lab.transport().await;
    let subscriber = lab.transport().await;
    for round in 0..20 {
        let publisher = if round % 2 == 0 { &other } else { &subscriber };
        lab.publish(&**publisher, stamp(0, round)).await?;
        let mut reader = lab.subscribe(&*subscriber).await?;
        lab.publish(&**publisher, stamp(1, round)).await?;
        reader.expect("the first frame after the confirmation", &stamp(1, round)).await?;
    }
    Ok(())
}

pub(super) async fn everything_after_the_confirmation(lab: &Lab<'_>) -> Outcome {
    let subscriber = lab.transport().await;
    let other = lab.transport().await;
    for round in 0..50 {
        let publisher = if round % 2 == 0 { &other } else { &subscriber };
        let mut reader = lab.subscribe(&*subscriber).await?;
        for number in 0..3 {
            lab.publish(&**publisher, stamp(round, number)).await?;
        }
        for number in 0..3 {
            reader.expect("a frame accepted after the confirmation", &stamp(round, number)).await?;
        }
    }
    Ok(())
}

pub(super) async fn subscribing_amid_traffic_leaves_no_hole(lab: &Lab<'_>) -> Outcome {
    let publisher = lab.transport().await;
    let subscriber = lab.transport().await;
    let (accepted, traffic) = traffic(lab, publisher, 0);
    for _ in 0..20 {
        let before = accepted.below();
        let mut reader = lab.subscribe(&*subscriber).await?;
        let confirmed = accepted.below();
        accepted.beyond(confirmed + 1, &lab.checks).await?;
        let (_, first) = read_stamp(&reader.frame("traffic").await?)?;
        ensure(first >= before, || {
            format!("frame {first} was accepted before the subscription was asked for")
        })?;
        // The frame that was under way at the confirmation may be the first one or not.
        ensure(first <= confirmed + 1, || {
            format!("frame {} was accepted after the confirmation, {first} came", confirmed + 1)
        })?;
        for next in first + 1..first + 20 {
            let (_, number) = read_stamp(&reader.frame("traffic").await?)?;
            ensure(number == next, || format!("frame {number} came instead of {next}"))?;
        }
    }
    drop(traffic);
    Ok(())
}

pub(super) async fn equal_frames_are_not_merged(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    let other = lab.transport().await;
    let mut reader = lab.subscribe(&*transport).await?;
    let same = Bytes::from_static(b"the same");
    for publisher in [&transport, &transport, &other] {
        lab.publish(&**publisher, same.clone()).await?;
    }
    lab.publish(&*other, stamp(0, 0)).await?;
    for _ in 0..3 {
        reader.expect("each of three equal frames", &same).await?;
    }
    reader.expect("the frame after them", &stamp(0, 0)).await
}

pub(super) async fn channels_are_isolated(lab: &Lab<'_>) -> Outcome {
    let here = lab.transport().await;
    let there = lab.transport_elsewhere().await;
    let mut reader_here = lab.subscribe(&*here).await?;
    let mut reader_there = lab.subscribe(&*there).await?;
    for number in 0..10 {
        lab.publish(&*here, stamp(0, number)).await?;
        lab.publish(&*there, stamp(1, number)).await?;
    }
    for number in 0..10 {
        reader_here.expect("this channel's frame", &stamp(0, number)).await?;
        reader_there.expect("that channel's frame", &stamp(1, number)).await?;
    }
    Ok(())
}
