//! Much at once: all of it arrives, or the subscription ends and says so.

use futures_util::future::{try_join, try_join_all};

use super::super::lab::{Lab, Outcome, Stop, ensure};
use super::super::reader::Reader;
use super::super::stamp::{Tally, stamp, stamped};
use crate::transport::Item;

/// Reads until `done`, or the end; every frame must be the next one of its publisher. Says whether all came.
async fn read_all(reader: &mut Reader, done: impl Fn(&Tally) -> bool) -> Outcome<bool> {
    let mut tally = Tally::default();
    while !done(&tally) {
        match reader.item_or_end("a frame of many").await? {
            Ok(Item::Frame(frame)) => tally.meet(&frame)?,
            Ok(Item::Fenced(_)) => return Err(Stop::fail("a fence out of nowhere")),
            Err(_) => return Ok(false),
        }
    }
    Ok(true)
}

pub(super) async fn a_burst_loses_nothing_silently(lab: &Lab<'_>) -> Outcome {
    const PUBLISHERS: u32 = 20;
    const FRAMES: u32 = 1_000;
    let transport = lab.transport().await;
    let mut first = lab.subscribe(&*transport).await?;
    let mut second = lab.subscribe(&*lab.transport().await).await?;
    let checks = lab.checks.clone();
    let publishing = lab.spawn(async move {
        let publishers = (0..PUBLISHERS).map(|publisher| {
            let (checks, transport) = (&checks, &*transport);
            async move {
                for number in 0..FRAMES {
                    checks.publish(transport, stamp(publisher, number)).await?;
                }
                Outcome::Ok(())
            }
        });
        try_join_all(publishers).await.map(drop)
    });
    let all = |tally: &Tally| (0..PUBLISHERS).all(|publisher| tally.next(publisher) == FRAMES);
    try_join(read_all(&mut first, all), read_all(&mut second, all)).await?;
    publishing.join().await
}

pub(super) async fn a_slow_reader_loses_nothing_silently(lab: &Lab<'_>) -> Outcome {
    const TOTAL_BYTES: usize = 48 << 20;
    let transport = lab.transport().await;
    let len = transport.capabilities().max_frame_bytes.min(64 << 10);
    let frames = u32::try_from(TOTAL_BYTES / len).unwrap_or(u32::MAX);
    let mut slow = lab.subscribe(&*transport).await?;
    let quick_transport = lab.transport().await;
    let mut quick = lab.subscribe(&*quick_transport).await?;
    let publishing = async {
        for number in 0..frames {
            lab.publish(&*transport, stamped(0, number, len)).await?;
            quick.expect("a frame for the quick reader", &stamped(0, number, len)).await?;
        }
        Ok(())
    };
    publishing.await?;
    let complete = read_all(&mut slow, |tally| tally.next(0) == frames).await?;
    // Whatever became of the slow one, a new subscription works.
    drop(slow);
    let mut after = lab.subscribe(&*transport).await?;
    lab.publish(&*transport, stamp(1, 0)).await?;
    after.expect("a frame after the flood", &stamp(1, 0)).await?;
    let frame = quick.frame("a frame after the flood").await?;
    ensure(frame == stamp(1, 0), || {
        format!("the quick reader lost its place (slow one complete: {complete})")
    })
}
