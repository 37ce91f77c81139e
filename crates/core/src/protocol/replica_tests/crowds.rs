//! Who speaks where many could.

use super::*;

const ASKERS: u64 = 64;

/// A live node, which has met frames of so many others.
fn node_among(others: u64) -> Replica {
    let mut replica = synced();
    for other in 0..others {
        let beacon = Body::Beacon { lanes: 1, slice: Vec::new() };
        replica.frame(&frame(id(other), 1, &beacon), at(1_200));
    }
    settle(&mut replica, at(1_200));
    replica
}

fn id(n: u64) -> NodeId {
    NodeId::from_bytes(u128::from(n + 1_000).to_le_bytes())
}

/// Somebody asks, without a mark.
fn ask(replica: &mut Replica, asker: u64, now: Timestamp) {
    let sync = Sync { nonce: asker, mark: None, sequencer: None, lanes: 1, accepted: 0 };
    replica.frame(&frame(id(asker), 0, &Body::Sync(sync)), now);
}

/// What the node asks for until `to_ms`, and when. No fence returns; everything else happens at once.
#[derive(Debug, Default)]
struct Said {
    fences: Vec<(u64, u64)>,
    answers: Vec<u64>,
    replies: Vec<u64>,
}

fn said(replica: &mut Replica, from_ms: u64, to_ms: u64) -> Said {
    let mut said = Said::default();
    for ms in from_ms..to_ms {
        if replica.next_deadline().is_some_and(|due| due <= at(ms)) {
            replica.handle_timeout(at(ms));
        }
        loop {
            let outputs = outputs(replica);
            if outputs.is_empty() {
                break;
            }
            for output in outputs {
                match output {
                    Output::Fence(token) => said.fences.push((ms, token)),
                    Output::Publish { id, frame } => {
                        match codec().open(&frame).unwrap().body {
                            Ok(Body::Synced(_)) => said.answers.push(ms),
                            Ok(Body::Replay(_)) => said.replies.push(ms),
                            _ => {}
                        }
                        replica.published(id, Ok(()), at(ms));
                        replica.frame(&frame, at(ms));
                    }
                    _ => {}
                }
            }
        }
    }
    said
}

#[test]
fn among_few_a_node_answers_when_its_turn_comes() {
    let mut replica = node_among(ASKERS - 2);
    ask(&mut replica, 0, at(1_300));
    assert_eq!(said(&mut replica, 1_300, 1_600).answers.len(), 1);
}

#[test]
fn in_a_crowd_a_node_listens_before_it_answers() {
    let mut replica = node_among(ASKERS);
    // So that no fence is due for a while.
    replica.wake(true, at(1_300));
    settle(&mut replica, at(1_300));
    ask(&mut replica, 0, at(1_300));
    let Said { fences, answers, .. } = said(&mut replica, 1_300, 1_341);
    assert_eq!((fences.len(), &*answers), (1, &[][..]), "its turn comes within 40 ms");
    let (sent, token) = fences[0];
    replica.fenced(token, at(sent + 1));
    assert_eq!(said(&mut replica, 1_341, 1_342).answers, [1_341]);
}

#[test]
fn who_is_answered_while_a_node_listens_is_not_answered_again() {
    let mut replica = node_among(ASKERS);
    ask(&mut replica, 0, at(1_399));
    let fences = said(&mut replica, 1_399, 1_700).fences;
    let synced = Synced {
        answer: 1,
        parts: 0,
        lanes: 1,
        witnessed: false,
        nonces: vec![0],
        vector: Vec::new(),
    };
    replica.frame(&frame(OTHER, 0, &Body::Synced(synced)), at(1_700));
    replica.fenced(fences[0].1, at(1_701));
    assert_eq!(said(&mut replica, 1_701, 2_500).answers, []);
}

#[test]
fn a_turn_that_came_before_others_could_be_heard_is_drawn_again() {
    let mut replica = node_among(ASKERS);
    ask(&mut replica, 0, at(1_310));
    // Its turn has come within 40 ms; what it hears is 500 ms old.
    let fences = said(&mut replica, 1_310, 1_900).fences;
    replica.fenced(fences[0].1, at(1_900));
    let Said { fences, answers, .. } = said(&mut replica, 1_900, 2_400);
    replica.fenced(fences[0].1, at(2_400));
    assert_eq!(answers, []);
    assert_eq!(said(&mut replica, 2_400, 2_410).answers, [], "at once, with all others");
}

#[test]
fn an_origin_replies_at_once_unless_many_are_asked() {
    for (origins, at_once) in [(4, true), (5, false)] {
        let mut replica = node_among(10);
        // Its first beacon is number one.
        said(&mut replica, 1_200, 1_500);
        let own = (replica.id(), 1, 1);
        let missing = (1..origins).map(|other| (id(other), 1, 1)).chain([own]).collect();
        replica.frame(&frame(OTHER, 0, &Body::Request(missing)), at(1_500));
        let replied = said(&mut replica, 1_500, 1_501).replies.len();
        assert_eq!(replied, usize::from(at_once), "{origins} origins");
    }
}

#[test]
fn who_waits_no_more_gets_no_reply() {
    for (listens_first_ms, replies) in [(50, 1), (1_000, 0)] {
        let mut replica = node_among(ASKERS);
        replica.wake(true, at(1_300));
        settle(&mut replica, at(1_300));
        let missing = [(id(0), 1, 1)].into_iter().collect();
        replica.frame(&frame(OTHER, 0, &Body::Request(missing)), at(1_300));
        // Its turn comes, and it listens for so long. Others are heard meanwhile: the subscription lives.
        let (mut listening, mut listens_ms, mut replied) = (None, listens_first_ms, 0);
        for ms in 1_301..3_500 {
            replica.frame(&Bytes::from_static(b"another's"), at(ms));
            let said = said(&mut replica, ms, ms + 1);
            replied += said.replies.len();
            listening = listening.or(said.fences.first().copied());
            if let Some((_, token)) = listening.take_if(|(sent, _)| ms >= *sent + listens_ms) {
                replica.fenced(token, at(ms));
                listens_ms = 1;
            }
        }
        assert_eq!(replied, replies, "after {listens_first_ms} ms");
    }
}

#[test]
fn who_has_just_started_sees_the_crowd_by_who_asks() {
    let mut replica = synced();
    for asker in 0..ASKERS {
        ask(&mut replica, asker, at(1_200));
    }
    assert!(replica.is_in_crowd(at(1_200)) && replica.is_in_crowd(at(11_200)));
    assert!(!replica.is_in_crowd(at(21_200)));
}

#[test]
fn all_of_a_crowd_do_not_announce_themselves_at_the_same_moment() {
    let first = |seed| {
        let config = Config::new("n".into(), Duration::from_millis(600));
        let outbox = Arc::new(config.outbox());
        let mut replica = Replica::new(config, outbox, seed, at(0));
        replica.handle_timeout(at(0));
        replica.subscribed(Some(SequencerId::new(b"one")), 9, at(1));
        for asker in 0..ASKERS {
            ask(&mut replica, asker, at(2));
        }
        let mut beacon = None;
        for ms in 3..3_000 {
            replica.handle_timeout(at(ms));
            for output in outputs(&mut replica) {
                match output {
                    Output::Fence(token) => replica.fenced(token, at(ms)),
                    Output::Publish { id, frame } => {
                        let body = codec().open(&frame).unwrap().body;
                        if matches!(body, Ok(Body::Beacon { .. })) {
                            beacon = beacon.or(Some(ms));
                        }
                        replica.published(id, Ok(()), at(ms));
                        replica.frame(&frame, at(ms));
                    }
                    _ => {}
                }
            }
        }
        beacon.unwrap()
    };
    let mut moments: Vec<_> = (0..20).map(first).collect();
    moments.sort_unstable();
    assert!(moments[19] - moments[0] >= 300, "{moments:?}");
}
