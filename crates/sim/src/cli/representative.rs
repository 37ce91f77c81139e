//! What is run when nothing is asked for: some of everything, in about two minutes.

use super::batch::Batch;
use crate::plan::{Profile, Request};
use crate::tiers::{Tier, TransportKind};

pub(super) fn batches() -> Vec<Batch> {
    let storm = |seeds| Batch::new(Profile::Storm, seeds);
    let calm = |nodes, seeds| Batch {
        request: Request { profile: Profile::Calm, nodes: Some(nodes), ..Request::default() },
        ..Batch::new(Profile::Calm, seeds)
    };
    let real = |transport, batch| Batch { tier: Tier::One, transport, ..batch };
    let azure = |batch: Batch| {
        let request = Request { kept_subscriptions: true, ..batch.request };
        real(TransportKind::Azure, Batch { request, ..batch })
    };
    vec![
        real(TransportKind::Redis, storm(0..12)),
        real(TransportKind::Memory, storm(100..112)),
        azure(storm(200..212)),
        // Early: it takes one of the threads for long.
        calm(1_000, 0..1),
        real(TransportKind::Redis, Batch::new(Profile::Swarm, 0..4)),
        Batch { tier: Tier::Three, ..calm(48, 0..1) },
        Batch::new(Profile::Swarm, 0..100),
        storm(0..1_000),
    ]
}
