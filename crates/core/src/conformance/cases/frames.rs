//! Any bytes up to the largest frame, and nothing above it.

use bytes::Bytes;

use super::super::lab::{Lab, Outcome, ensure};
use super::super::stamp::{stamp, stamped};
use crate::transport::TransportErrorKind;

pub(super) async fn odd_frames_arrive_intact(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    let mut reader = lab.subscribe(&*transport).await?;
    let every_value: Vec<u8> = (0..=255).collect();
    let odd: [&[u8]; 9] = [
        b"",
        b"\0",
        b"\xff",
        &every_value,
        b"+OK\r\n",
        b"$3\r\nabc\r\n*0\r\n",
        b"\r\n\r\n",
        b"{\"json\": true}",
        " \u{e4}\u{20ac}\u{1f980} ".as_bytes(),
    ];
    for bytes in odd {
        lab.publish(&*transport, Bytes::copy_from_slice(bytes)).await?;
    }
    for bytes in odd {
        reader.expect("the odd frame as it was", &Bytes::copy_from_slice(bytes)).await?;
    }
    Ok(())
}

pub(super) async fn the_largest_frame_arrives_intact(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    let mut reader = lab.subscribe(&*transport).await?;
    let largest = transport.capabilities().max_frame_bytes;
    for (number, len) in (0..).zip([largest, largest - 1, largest]) {
        let frame = stamped(0, number, len);
        lab.publish(&*transport, frame.clone()).await?;
        reader.expect("the largest frame as it was", &frame).await?;
    }
    Ok(())
}

pub(super) async fn too_large_is_rejected_and_harmless(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    let mut reader = lab.subscribe(&*transport).await?;
    let largest = transport.capabilities().max_frame_bytes;
    for number in 0..3 {
        let frame = stamped(9, number, largest + 1);
        let error = lab
            .checks
            .refused("publishing a frame that is too large", transport.publish(frame))
            .await?;
        ensure(error.kind() == TransportErrorKind::Rejected, || {
            format!("too large is reported as {:?}: {error}", error.kind())
        })?;
        lab.publish(&*transport, stamp(0, number)).await?;
        reader.expect("the frame after the one that is too large", &stamp(0, number)).await?;
    }
    Ok(())
}

pub(super) async fn foreign_frames_arrive(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    let mut reader = lab.subscribe(&*transport).await?;
    let foreign = Bytes::from_static(b"\x00not one of ours\xff");
    let hook = lab.harness.publish_foreign(lab.channel, foreign.clone()).await;
    lab.needs("publish_foreign", hook)?;
    lab.publish(&*transport, stamp(0, 0)).await?;
    reader.expect("the foreign frame", &foreign).await?;
    reader.expect("the frame after it", &stamp(0, 0)).await
}
