//! What the broker does to us: it is reported, and over when it is over.

use bytes::Bytes;

use super::super::lab::{Lab, Outcome, Stop, ensure};
use super::super::reader::Reader;
use super::super::stamp::{read_stamp, stamp};

/// The subscription must end with an error that can be retried, after at most these frames.
async fn must_end(reader: &mut Reader, allowed: &[Bytes]) -> Outcome {
    let (frames, error) = reader.rest("the end of a broken subscription").await?;
    ensure(error.can_retry(), || format!("a broken connection is reported as final: {error}"))?;
    let orderly = allowed.len() >= frames.len() && allowed.iter().zip(&frames).all(|(a, f)| a == f);
    ensure(orderly, || "wrong frames before the end".to_owned())
}

/// What must work again after a fault: nothing from before, everything from now on.
async fn must_work_again(lab: &Lab<'_>) -> Outcome<Reader> {
    let transport = lab.transport().await;
    let mut reader = lab.subscribe_again(&*transport).await?;
    lab.publish_again(&*transport, stamp(7, 0)).await?;
    reader.expect("a frame after the fault", &stamp(7, 0)).await?;
    Ok(reader)
}

pub(super) async fn a_broken_subscription_ends_and_can_be_replaced(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    for round in 0..5 {
        let [read, late] = [stamp(0, round), stamp(1, round)];
        let mut reader = lab.subscribe_again(&*transport).await?;
        lab.publish_again(&*transport, read.clone()).await?;
        reader.expect("a frame before the break", &read).await?;
        let hook = lab.harness.break_subscriptions().await;
        lab.needs("break_subscriptions", hook)?;
        lab.publish_again(&*transport, late.clone()).await?;
        must_end(&mut reader, &[late]).await?;
        must_work_again(lab).await?;
    }
    Ok(())
}

pub(super) async fn a_restarted_broker_is_another_sequencer(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    let mut reader = lab.subscribe(&*transport).await?;
    let before = reader.sequencer();
    let hook = lab.harness.restart_broker().await;
    lab.needs("restart_broker", hook)?;
    must_end(&mut reader, &[]).await?;
    let after = must_work_again(lab).await?.sequencer();
    ensure(before.is_none() || before != after, || {
        format!("the broker was restarted and is still {before:?}")
    })
}

pub(super) async fn an_outage_is_reported_and_survived(lab: &Lab<'_>) -> Outcome {
    let transport = lab.transport().await;
    let mut reader = lab.subscribe(&*transport).await?;
    lab.publish(&*transport, stamp(0, 0)).await?;
    reader.expect("a frame before the outage", &stamp(0, 0)).await?;
    let hook = lab.harness.begin_outage().await;
    lab.needs("begin_outage", hook)?;
    let during = outage(lab, &mut reader).await;
    lab.harness.end_outage().await;
    during?;

    let mut reader = lab.subscribe_again(&*transport).await?;
    lab.publish_again(&*transport, stamp(2, 0)).await?;
    // What failed during the outage may still be accepted, once.
    let mut late = 0;
    while read_stamp(&reader.frame("a frame after the outage").await?)? != (2, 0) {
        late += 1;
        ensure(late <= 1, || "a publish that failed came twice".to_owned())?;
    }
    Ok(())
}

async fn outage(lab: &Lab<'_>, reader: &mut Reader) -> Outcome {
    must_end(reader, &[]).await?;
    let transport = lab.transport().await;
    let subscribing = lab.checks.refused("subscribing during an outage", transport.subscribe());
    let publishing = transport.publish(stamp(1, 0));
    let errors =
        [subscribing.await?, lab.checks.refused("publishing during an outage", publishing).await?];
    for error in errors {
        ensure(error.can_retry(), || format!("an outage is reported as final: {error}"))?;
    }
    Ok(())
}

pub(super) async fn a_misconfigured_transport_fails_without_showing_secrets(
    lab: &Lab<'_>,
) -> Outcome {
    let mut variant = 0;
    while let Some(transport) = lab.harness.misconfigured(variant).await {
        // The text of both errors is looked at on the way.
        lab.checks.refused("subscribing with a wrong configuration", transport.subscribe()).await?;
        lab.checks
            .refused("publishing with a wrong configuration", transport.publish(stamp(0, 0)))
            .await?;
        variant += 1;
    }
    if variant == 0 {
        return Err(Stop::Skip("the harness has no `misconfigured`".to_owned()));
    }
    Ok(())
}
