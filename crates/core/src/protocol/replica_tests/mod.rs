//! Single steps of one replica, told by hand.

mod attacks;
mod crowds;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::wire::{Body, Codec, Mark, Sync, Synced, digest};
use super::*;
use crate::node_id::NodeId;
use crate::target::Target;
use crate::time::Timestamp;
use crate::transport::SequencerId;

const OTHER: NodeId = NodeId::from_bytes([9; 16]);
const ASKER: NodeId = NodeId::from_bytes([8; 16]);

fn at(ms: u64) -> Timestamp {
    Timestamp::from_nanos((1_000 + ms) * 1_000_000)
}

fn codec() -> Codec {
    Codec::new("n".into(), None)
}

fn frame(origin: NodeId, number: u64, body: &Body) -> Bytes {
    let codec = codec();
    codec.frame(&codec.compared(Some((origin, number)), body), u32::from(number > 0))
}

fn outputs(replica: &mut Replica) -> Vec<Output> {
    std::iter::from_fn(|| replica.poll_output()).collect()
}

/// Frames that the replica publishes.
fn published(outputs: &[Output]) -> Vec<Body> {
    let frames = outputs.iter().filter_map(|output| match output {
        Output::Publish { frame, .. } => Some(frame),
        _ => None,
    });
    frames.map(|frame| codec().open(frame).unwrap().body.unwrap()).collect()
}

/// A replica that is subscribed to `one` and synced, alone on its channel.
fn synced() -> Replica {
    let config = Config::new("n".into(), Duration::from_millis(600));
    let outbox = Arc::new(config.outbox());
    let mut replica = Replica::new(config, outbox, 7, at(0));
    replica.handle_timeout(at(0));
    replica.subscribed(Some(SequencerId::new(b"one")), 9, at(1));
    // Its own `Sync` comes back, and nobody answers.
    for ms in 2..=1_100 {
        settle(&mut replica, at(ms));
        replica.handle_timeout(at(ms));
    }
    assert_eq!(replica.status().state, State::Live);
    settle(&mut replica, at(1_100));
    replica
}

/// Confirms the outstanding fence, and every publish.
fn settle(replica: &mut Replica, now: Timestamp) {
    loop {
        let outputs = outputs(replica);
        if outputs.is_empty() {
            return;
        }
        for output in outputs {
            match output {
                Output::Fence(token) => replica.fenced(token, now),
                Output::Publish { id, frame } => {
                    replica.published(id, Ok(()), now);
                    replica.frame(&frame, now);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn the_horizon_moves_to_the_moment_a_fence_was_sent() {
    let mut replica = synced();
    replica.wake(true, at(2_000));
    let token = outputs(&mut replica).into_iter().find_map(|output| match output {
        Output::Fence(token) => Some(token),
        _ => None,
    });
    replica.fenced(token.unwrap(), at(2_300));
    assert!(outputs(&mut replica).contains(&Output::AdvanceHorizon(at(2_000))));
    // Once only.
    replica.fenced(token.unwrap(), at(2_400));
    let again = outputs(&mut replica);
    assert!(!again.iter().any(|output| matches!(output, Output::AdvanceHorizon(_))), "{again:?}");
}

#[test]
fn a_fence_that_does_not_return_is_told_of_before_it_ends_the_subscription() {
    let mut replica = synced();
    replica.wake(true, at(2_000));
    assert!(outputs(&mut replica).iter().any(|output| matches!(output, Output::Fence(_))));
    let mut told = Vec::new();
    for ms in 2_001..3_010 {
        // Only when it asks for it: being late is a deadline of its own.
        if replica.next_deadline().is_some_and(|due| due <= at(ms)) {
            replica.handle_timeout(at(ms));
        }
        // Nothing is answered.
        outputs(&mut replica);
        let Status { state, reason, .. } = replica.status();
        if told.last().is_none_or(|(_, before, _)| before != state) {
            told.push((ms, *state, reason.clone()));
        }
    }
    let expected = [
        (2_001, State::Live, None),
        (2_500, State::Suspect, Some(Reason::FenceLate)),
        (3_000, State::Disconnected, Some(Reason::FenceTimeout)),
    ];
    assert_eq!(told, expected);
}

#[test]
fn only_a_node_that_hears_the_same_server_witnesses() {
    for (sequencer, witnessed) in [("one", true), ("two", false)] {
        let mut replica = synced();
        let targets = Body::Targets([Target::Everything].into_iter().collect());
        let marked = frame(OTHER, 1, &targets);
        replica.frame(&marked, at(1_200));
        replica.frame(&frame(OTHER, 2, &targets), at(1_201));
        let digest = digest(&codec().open(&marked).unwrap().compared);
        let sync = Sync {
            nonce: 5,
            mark: Some(Mark { origin: OTHER, number: 1, attempt: 1, digest }),
            sequencer: Some(SequencerId::new(sequencer)),
            lanes: 1,
            accepted: 0,
        };
        replica.frame(&frame(ASKER, 0, &Body::Sync(sync)), at(1_202));
        let mut bodies = Vec::new();
        for ms in 1_203..1_800 {
            replica.wake(false, at(ms));
            let outputs = outputs(&mut replica);
            bodies.extend(published(&outputs));
            for output in outputs {
                if let Output::Publish { id, .. } = output {
                    replica.published(id, Ok(()), at(ms));
                }
            }
        }
        let synced = bodies.iter().find_map(|body| match body {
            Body::Synced(synced) => Some(synced),
            _ => None,
        });
        let synced = synced.expect("an answer");
        assert_eq!((synced.witnessed, &synced.nonces[..]), (witnessed, &[5][..]));
        assert_eq!(synced.parts, u32::from(witnessed), "the frame after the mark");
    }
}

#[test]
fn a_frame_under_our_identity_that_we_did_not_seal_makes_us_another_node() {
    let mut replica = synced();
    let before = replica.id();
    let forged = Body::Targets([Target::Tag("t".into())].into_iter().collect());
    replica.frame(&frame(before, 1_000, &forged), at(1_200));
    assert_ne!(replica.id(), before);
    let outputs = outputs(&mut replica);
    let applied = Output::Apply { targets: Target::Tag("t".into()).into(), origin: None };
    assert!(outputs.contains(&applied) && outputs.contains(&Output::DropBefore(at(1_200))));
    assert!(replica.status().warnings.contains(&Warning::ClonedIdentity));
}

#[test]
fn another_number_of_lanes_stops_serving_until_it_is_no_longer_seen() {
    let mut replica = synced();
    let beacon = Body::Beacon { lanes: 2, slice: Vec::new() };
    replica.frame(&frame(OTHER, 1, &beacon), at(1_200));
    assert!(outputs(&mut replica).contains(&Output::Serve(false)));
    assert_eq!(replica.status().reason, Some(Reason::LaneMismatch { ours: 1, theirs: 2 }));
    replica.handle_timeout(at(60_000));
    assert!(outputs(&mut replica).contains(&Output::Serve(true)));
}

#[test]
fn the_largest_numbers_and_ranges_are_survived() {
    let mut replica = synced();
    let targets = Body::Targets([Target::Everything].into_iter().collect());
    for number in [u64::MAX, u64::MAX - 1, 1] {
        replica.frame(&frame(OTHER, number, &targets), at(1_200));
    }
    let ranges = vec![(OTHER, 0, u64::MAX), (replica.id(), u64::MAX - 3, u64::MAX), (OTHER, 9, 2)];
    replica.frame(&frame(ASKER, 0, &Body::Request(ranges)), at(1_201));
    for ms in 1_202..3_000 {
        replica.handle_timeout(at(ms));
        settle(&mut replica, at(ms));
    }
    assert_eq!(replica.counters().gaps_dropped, 1);
    assert_eq!(replica.status().state, State::Live);
}

/// A demoted primary hands on what its successor accepts, but not all of it: a witness at the successor could
/// not vouch for what came before a mark that was met there.
#[test]
fn a_mark_counts_only_in_the_order_that_it_was_met_in() {
    for (successor, marked) in [("one", true), ("two", false)] {
        let mut replica = synced();
        let targets = Body::Targets([Target::Everything].into_iter().collect());
        replica.frame(&frame(OTHER, 1, &targets), at(1_200));
        settle(&mut replica, at(1_200));
        let error = crate::transport::TransportErrorKind::Demoted.error("demoted");
        replica.subscription_ended(&error, at(1_201));
        replica.handle_timeout(at(3_000));
        outputs(&mut replica);
        replica.subscribed(Some(SequencerId::new(successor)), 9, at(3_001));
        let bodies = published(&outputs(&mut replica));
        let marks = bodies.iter().find_map(|body| match body {
            Body::Sync(sync) => Some(sync.mark.is_some()),
            _ => None,
        });
        assert_eq!(marks, Some(marked));
    }
}
