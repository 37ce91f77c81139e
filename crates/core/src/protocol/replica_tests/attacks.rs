//! Executions that once broke a guarantee, or the peace of a whole farm.

use super::*;

const NS: &str = "n";

/// A replica with what it asked for and has not got yet.
struct Told {
    replica: Replica,
    outbox: Arc<Outbox>,
    fences: Vec<u64>,
    publishes: Vec<(PublishId, Bytes)>,
}

impl Told {
    fn new(seed: u64) -> Self {
        let config = Config::new(NS.into(), Duration::from_secs(5));
        let outbox = Arc::new(config.outbox());
        let replica = Replica::new(config, outbox.clone(), seed, at(0));
        Self { replica, outbox, fences: Vec::new(), publishes: Vec::new() }
    }

    /// Synced and alone.
    fn live(seed: u64) -> Self {
        let mut told = Self::new(seed);
        told.run(0, 3_000);
        assert_eq!(told.replica.status().state, State::Live);
        told
    }

    fn drain(&mut self, now: Timestamp) {
        while let Some(output) = self.replica.poll_output() {
            match output {
                Output::Subscribe => {
                    self.replica.subscribed(Some(SequencerId::new(b"one")), 3, now);
                }
                Output::Fence(token) => self.fences.push(token),
                Output::Publish { id, frame } => self.publishes.push((id, frame)),
                Output::CancelPublish(id) => self.publishes.retain(|(other, _)| *other != id),
                _ => {}
            }
        }
    }

    /// Accepts and echoes all that is published, answers fences, handles what is due.
    fn run(&mut self, from_ms: u64, to_ms: u64) {
        for now in (from_ms..to_ms).map(at) {
            self.due(now);
            while !self.publishes.is_empty() || !self.fences.is_empty() {
                for (id, frame) in std::mem::take(&mut self.publishes) {
                    self.replica.frame(&frame, now);
                    self.replica.published(id, Ok(()), now);
                }
                for token in std::mem::take(&mut self.fences) {
                    self.replica.fenced(token, now);
                }
                self.drain(now);
            }
        }
    }

    fn due(&mut self, now: Timestamp) {
        if self.replica.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.replica.handle_timeout(now);
        }
        self.drain(now);
    }

    fn push(&mut self, target: Target, now: Timestamp) {
        self.outbox.push([target]);
        self.replica.wake(false, now);
        self.drain(now);
    }
}

fn large_key(n: u8) -> Target {
    Target::Key { cache: "c".into(), schema: 0, key: vec![n; 900_000].into() }
}

#[test]
fn late_echoes_of_a_bulk_invalidation_are_still_our_own() {
    let mut told = Told::live(1);
    let id = told.replica.id();
    // Seven large frames are accepted before the first of their echoes is read.
    let mut echoes = Vec::new();
    for n in 0..7 {
        told.push(large_key(n), at(3_000));
        for (publish, frame) in std::mem::take(&mut told.publishes) {
            echoes.push(frame);
            told.replica.published(publish, Ok(()), at(3_000));
        }
        told.drain(at(3_000));
    }
    for echo in echoes {
        told.replica.frame(&echo, at(3_001));
    }
    assert_eq!(told.replica.id(), id);
    assert_eq!(told.replica.counters().clears, 0);
}

#[test]
fn a_node_that_never_stops_publishing_sends_its_beacons_all_the_same() {
    let mut told = Told::live(1);
    let before = told.replica.counters().beacons_published;
    for ms in (3_000..63_000).step_by(200) {
        told.push(Target::Cache("c".into()), at(ms));
        told.run(ms, ms + 200);
    }
    let beacons = told.replica.counters().beacons_published - before;
    assert!((3..=8).contains(&beacons), "{beacons} in a minute");
}

#[test]
fn twins_part() {
    let (mut a, mut b) = (Told::live(1), Told::live(1));
    let old = a.replica.id();
    assert_eq!(old, b.replica.id(), "a forked process");
    a.push(Target::Cache("a".into()), at(3_001));
    b.push(Target::Cache("b".into()), at(3_001));
    let frames = [a.publishes[0].1.clone(), b.publishes[0].1.clone()];
    for twin in [&mut a, &mut b] {
        for frame in &frames {
            twin.replica.frame(frame, at(3_002));
        }
    }
    assert!(a.replica.id() != old && b.replica.id() != old && a.replica.id() != b.replica.id());
}

/// A witness that has met eight large frames of another node, and the mark that each makes.
fn witness() -> (Told, Vec<Mark>) {
    let mut told = Told::live(1);
    let mut marks = Vec::new();
    for number in 1..=8 {
        let body = Body::Targets([large_key(number as u8)].into_iter().collect());
        let compared = codec().compared(Some((OTHER, number)), &body);
        marks.push(Mark { origin: OTHER, number, attempt: 1, digest: digest(&compared) });
        told.replica.frame(&codec().frame(&compared, 1), at(3_000));
    }
    told.drain(at(3_000));
    (told, marks)
}

fn sync(asker: u8, nonce: u64, mark: Mark) -> Bytes {
    let sequencer = Some(SequencerId::new(b"one"));
    let sync = Sync { nonce, mark: Some(mark), sequencer, lanes: 1, accepted: 0 };
    frame(NodeId::from_bytes([asker; 16]), 0, &Body::Sync(sync))
}

/// Lets the witness answer; the ends of its answers.
fn answers(told: &mut Told, from_ms: u64, to_ms: u64) -> Vec<(bool, Vec<u64>)> {
    let mut seen = Vec::new();
    for now in (from_ms..to_ms).map(at) {
        told.due(now);
        for (id, frame) in std::mem::take(&mut told.publishes) {
            if let Ok(Body::Synced(synced)) = codec().open(&frame).unwrap().body {
                seen.push((synced.witnessed, synced.nonces));
            }
            told.replica.published(id, Ok(()), now);
        }
        told.drain(now);
    }
    seen
}

#[test]
fn one_asker_that_is_too_far_back_does_not_spoil_the_others() {
    let (mut told, marks) = witness();
    told.replica.frame(&sync(21, 111, marks[0]), at(3_000));
    told.replica.frame(&sync(22, 222, marks[7]), at(3_000));
    let mut seen = answers(&mut told, 3_000, 3_400);
    seen.sort();
    assert_eq!(seen, [(false, vec![111]), (true, vec![222])]);
}

#[test]
fn one_nonce_asked_with_two_marks_is_served_from_the_earlier() {
    let (mut told, marks) = witness();
    told.replica.frame(&sync(21, 5, marks[6]), at(3_000));
    told.replica.frame(&sync(21, 5, marks[7]), at(3_000));
    for now in (3_000..3_100).map(at) {
        told.due(now);
    }
    let bodies: Vec<_> =
        told.publishes.iter().map(|(_, frame)| codec().open(frame).unwrap().body).collect();
    let serves =
        |body: &Result<Body, _>| matches!(body, Ok(Body::Replay(it)) if it.entries.len() == 1);
    assert!(bodies.iter().any(serves), "{bodies:?}");
}

#[test]
fn answers_that_cannot_be_published_do_not_pile_up() {
    let (mut told, marks) = witness();
    for round in 0..60 {
        let ms = 3_000 + round * 30;
        told.replica.frame(&sync(23, 1_000 + round, marks[4]), at(ms));
        told.due(at(ms + 29));
    }
    let most = 2 * Config::new(NS.into(), Duration::from_secs(5)).max_answer_bytes;
    assert!(told.replica.control_bytes() <= most, "{}", told.replica.control_bytes());
}

#[test]
fn the_dead_are_not_taught_for_ever() {
    // A young node heard of a dead origin from a baseline only, and says nothing of it in its beacons.
    let mut told = Told::new(1);
    told.due(at(0));
    let nonce =
        told.publishes.iter().find_map(|(_, frame)| match codec().open(frame).unwrap().body {
            Ok(Body::Sync(sync)) => Some(sync.nonce),
            _ => None,
        });
    for (id, frame) in std::mem::take(&mut told.publishes) {
        told.replica.frame(&frame, at(1));
        told.replica.published(id, Ok(()), at(1));
    }
    let dead = NodeId::from_bytes([66; 16]);
    let synced = super::super::wire::Synced {
        answer: 1,
        parts: 0,
        lanes: 1,
        witnessed: false,
        nonces: vec![nonce.unwrap()],
        vector: vec![(dead, 57)],
    };
    told.replica.frame(&frame(OTHER, 0, &Body::Synced(synced)), at(2));
    assert_eq!(told.replica.counters().syncs_adopted, 1);
    told.drain(at(2));
    let mut beacons = 0;
    for now in (3..25_000).map(at) {
        told.due(now);
        for token in std::mem::take(&mut told.fences) {
            told.replica.fenced(token, now);
        }
        for (id, frame) in std::mem::take(&mut told.publishes) {
            if let Ok(Body::Beacon { slice, .. }) = codec().open(&frame).unwrap().body {
                assert_eq!(slice, []);
                beacons += 1;
            }
            told.replica.frame(&frame, now);
            told.replica.published(id, Ok(()), now);
        }
    }
    assert!(beacons > 1);
}
