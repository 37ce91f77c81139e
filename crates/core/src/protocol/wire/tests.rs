//! Tests of the wire format.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::target::Target;
use crate::transport::SequencerId;

fn node_id() -> impl Strategy<Value = NodeId> {
    any::<[u8; 16]>().prop_map(NodeId::from_bytes)
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn text() -> impl Strategy<Value = std::sync::Arc<str>> {
    "[a-zé:]{0,12}".prop_map(Into::into)
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        Just(Target::Everything),
        text().prop_map(Target::Cache),
        text().prop_map(Target::Tag),
        (text(), 0..3_u64, bytes()).prop_map(|(cache, schema, key)| Target::Key {
            cache,
            schema,
            key
        }),
    ]
}

fn mark() -> impl Strategy<Value = Mark> {
    (node_id(), any::<u64>(), any::<u32>(), any::<u64>())
        .prop_map(|(origin, number, attempt, digest)| Mark { origin, number, attempt, digest })
}

fn replayed() -> impl Strategy<Value = Replayed> {
    prop_oneof![
        bytes().prop_map(Replayed::Frame),
        (node_id(), any::<u64>()).prop_map(Replayed::Met),
        (node_id(), any::<u64>()).prop_map(Replayed::Known),
    ]
}

fn vector() -> impl Strategy<Value = Vec<Numbered>> {
    vec((node_id(), any::<u64>()), 0..5)
}

fn body() -> impl Strategy<Value = Body> {
    let sequencer = proptest::option::of(vec(any::<u8>(), 1..40).prop_map(SequencerId::new));
    prop_oneof![
        vec(target(), 0..8).prop_map(|targets| Body::Targets(targets.into_iter().collect())),
        (any::<u16>(), vector()).prop_map(|(lanes, slice)| Body::Beacon { lanes, slice }),
        Just(Body::Goodbye),
        any::<u64>().prop_map(|token| Body::Fence { token }),
        (any::<u64>(), proptest::option::of(mark()), sequencer, any::<u16>(), any::<u64>())
            .prop_map(|(nonce, mark, sequencer, lanes, accepted)| {
                Body::Sync(Sync { nonce, mark, sequencer, lanes, accepted })
            }),
        (any::<u64>(), any::<u32>(), vec(replayed(), 0..5))
            .prop_map(|(answer, part, entries)| { Body::Replay(Replay { answer, part, entries }) }),
        (any::<(u64, u32, u16)>(), any::<bool>(), vec(any::<u64>(), 0..4), vector()).prop_map(
            |((answer, parts, lanes), witnessed, nonces, vector)| {
                Body::Synced(Synced { answer, parts, lanes, witnessed, nonces, vector })
            }
        ),
        vec((node_id(), any::<u64>(), any::<u64>()), 0..4).prop_map(Body::Request),
    ]
}

fn authentication() -> Authentication {
    Authentication::sign_with(7, b"a secret of enough bytes")
}

proptest! {
    #[test]
    fn frames_survive_the_wire(
        body in body(),
        origin in proptest::option::of((node_id(), any::<u64>())),
        attempt: u32,
        signed: bool,
    ) {
        let codec = Codec::new("shop".into(), signed.then(authentication));
        let compared = codec.compared(origin, &body);
        let frame = codec.frame(&compared, attempt);
        prop_assert!(frame.len() <= codec.overhead() + compared.len());
        let received = codec.open(&frame).unwrap();
        prop_assert_eq!(&received.header.origin, &origin);
        prop_assert_eq!(received.header.attempt, attempt);
        prop_assert_eq!(received.header.may_carry_targets, body.may_carry_targets());
        prop_assert_eq!(received.compared, compared);
        prop_assert_eq!(received.body, Ok(body));
    }

    #[test]
    fn estimated_lengths_are_upper_bounds(targets in vec(target(), 0..20)) {
        let codec = Codec::new("shop".into(), None);
        let mut estimate = codec.overhead() + 11;
        for (index, target) in targets.iter().enumerate() {
            let previous = index.checked_sub(1).map(|index| &targets[index]);
            estimate += target_len(target, previous);
        }
        let compared = codec.compared(None, &Body::Targets(targets.into_iter().collect()));
        prop_assert!(codec.frame(&compared, 1).len() <= estimate);
    }

    #[test]
    fn arbitrary_bytes_are_survived(data in vec(any::<u8>(), 0..300)) {
        decode_for_fuzzing(&data);
    }

    #[test]
    fn changed_frames_are_survived_and_never_believed_when_signed(
        body in body(), position: prop::sample::Index, flip in 1..=255_u8,
    ) {
        let codec = Codec::new("shop".into(), Some(authentication()));
        let frame = codec.frame(&codec.compared(None, &body), 3);
        let mut changed = frame.to_vec();
        let position = position.index(changed.len());
        changed[position] ^= flip;
        match codec.open(&changed.into()) {
            Err(_) => {}
            Ok(received) => {
                prop_assert!(matches!(received.body, Err(Unreadable::UnknownKey(_))));
                prop_assert_eq!(received.header.origin, None);
            }
        }
        // Cut off anywhere, it is ignored as well.
        prop_assert!(codec.open(&frame.slice(..position)).is_err());
    }
}

#[test]
fn attempts_differ_only_before_the_compared_bytes() {
    let codec = Codec::new("shop".into(), Some(authentication()));
    let compared = codec.compared(Some((NodeId::from_bytes([1; 16]), 5)), &Body::Goodbye);
    let (first, second) = (codec.frame(&compared, 1), codec.frame(&compared, 2));
    assert_ne!(first, second);
    let (first, second) = (codec.open(&first).unwrap(), codec.open(&second).unwrap());
    assert_eq!(first.compared, second.compared);
    assert_eq!((first.header.attempt, second.header.attempt), (1, 2));
}

#[test]
fn what_is_not_ours_is_ignored_for_the_right_reason() {
    let compared = Codec::new("shop".into(), None).compared(None, &Body::Goodbye);
    let unsigned = Codec::new("shop".into(), None);
    let signed = Codec::new("shop".into(), Some(authentication()));
    let other_secret =
        Codec::new("shop".into(), Some(Authentication::sign_with(7, b"some other long secret")));
    let other_key =
        Codec::new("shop".into(), Some(Authentication::sign_with(8, b"some other long secret")));
    let tolerant = Codec::new("shop".into(), Some(authentication().accept_unsigned()));

    let ignored = |codec: &Codec, frame: &Bytes| codec.open(frame).map(|_| ()).unwrap_err();
    assert_eq!(ignored(&unsigned, &Bytes::from_static(b"hello")), Ignored::NotOurs);
    assert_eq!(ignored(&unsigned, &Bytes::new()), Ignored::NotOurs);
    let foreign = Codec::new("bank".into(), None).frame(&compared, 0);
    assert_eq!(ignored(&unsigned, &foreign), Ignored::ForeignNamespace);
    assert_eq!(ignored(&signed, &other_secret.frame(&compared, 0)), Ignored::BadMac);
    assert_eq!(ignored(&signed, &unsigned.frame(&compared, 0)), Ignored::Unsigned);
    assert!(tolerant.open(&unsigned.frame(&compared, 0)).is_ok());
    let unknown = signed.open(&other_key.frame(&compared, 0)).unwrap();
    assert_eq!(unknown.body, Err(Unreadable::UnknownKey(8)));
    let unknown = unsigned.open(&signed.frame(&compared, 0)).unwrap();
    assert_eq!(unknown.body, Err(Unreadable::UnknownKey(7)));
}

#[test]
fn a_rotated_key_still_verifies() {
    let old = Codec::new("shop".into(), Some(authentication()));
    let rotated = Authentication::sign_with(8, b"the next secret, also long")
        .also_verify(7, b"a secret of enough bytes");
    let new = Codec::new("shop".into(), Some(rotated));
    let frame = old.frame(&old.compared(None, &Body::Goodbye), 0);
    assert_eq!(new.open(&frame).unwrap().body, Ok(Body::Goodbye));
}

#[test]
fn a_newer_version_keeps_its_number() {
    let codec = Codec::new("shop".into(), None);
    let origin = Some((NodeId::from_bytes([1; 16]), 5));
    let mut compared =
        codec.compared(origin, &Body::Targets([Target::Everything].into_iter().collect())).to_vec();
    compared[0] = 9;
    let received = codec.open(&codec.frame(&compared, 1)).unwrap();
    assert_eq!(received.header.origin, origin);
    assert!(received.header.may_carry_targets);
    assert_eq!(received.body, Err(Unreadable::Version(9)));
}

const DOCUMENT: &str = include_str!("../../../../../docs/wire-format.md");

/// The blocks of docs/wire-format.md that are marked `hex`, without their comments.
fn documented_frames() -> Vec<Bytes> {
    let byte = |digits| u8::from_str_radix(digits, 16).unwrap();
    let bytes = |line: &'static str| {
        line.split('#').next().unwrap_or_default().split_whitespace().map(byte)
    };
    let blocks = DOCUMENT.split("```hex\n").skip(1);
    let block = |text: &'static str| text.split("```").next().unwrap_or_default();
    blocks.map(|text| block(text).lines().flat_map(bytes).collect()).collect()
}

#[test]
fn the_documented_frames_are_these_bytes() {
    let key = |key: u64| Target::Key {
        cache: "products".into(),
        schema: crate::cache::key::fingerprint::<u64>(""),
        key: crate::cache::key::encode(&key).unwrap(),
    };
    let unsigned = Codec::new("shop".into(), None);
    let anonymous = |target| {
        let compared = unsigned.compared(None, &Body::Targets([target].into_iter().collect()));
        unsigned.frame(&compared, 0)
    };
    let origin: [u8; 16] = std::array::from_fn(|place| place as u8);
    let secret = Authentication::sign_with(1, b"a secret of enough bytes");
    let signed = Codec::new("shop".into(), Some(secret));
    let keys = Body::Targets([key(7), key(300)].into_iter().collect());
    let compared = signed.compared(Some((NodeId::from_bytes(origin), 5)), &keys);
    let expected = [
        anonymous(Target::Cache("products".into())),
        anonymous(Target::Tag("category:7".into())),
        signed.frame(&compared, 1),
    ];
    assert_eq!(documented_frames(), expected);
}

#[test]
fn the_documented_fingerprints_are_right() {
    use crate::cache::key::fingerprint;
    let row = |name: &str, text: &str, fingerprint: u64| {
        let bytes: Vec<_> =
            fingerprint.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("| `{name}` | `{text}\\0` | `{fingerprint:016x}` | `{}` |", bytes.join(" "))
    };
    let rows = [
        row("u32", "u32;", fingerprint::<u32>("")),
        row("u64", "u64;", fingerprint::<u64>("")),
        row("i64", "i64;", fingerprint::<i64>("")),
        row("String", "string;", fingerprint::<String>("")),
        row("(u32, String)", "tuple2(u32;string;)", fingerprint::<(u32, String)>("")),
    ];
    assert!(DOCUMENT.contains(&rows.join("\n")), "expected:\n{}", rows.join("\n"));
}

#[test]
fn the_documented_commands_publish_these_frames() {
    let unescaped = |line: &str| {
        let text = line.strip_prefix("printf '")?.split('\'').next()?;
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, after @ ..] = rest {
            (bytes, rest) = match first {
                b'\\' => {
                    let octal = std::str::from_utf8(after.get(..3)?).ok()?;
                    bytes.push(u8::from_str_radix(octal, 8).ok()?);
                    (bytes, &after[3..])
                }
                byte => {
                    bytes.push(*byte);
                    (bytes, after)
                }
            };
        }
        Some(Bytes::from(bytes))
    };
    let commands: Vec<_> = DOCUMENT.lines().filter_map(unescaped).collect();
    assert_eq!(commands, documented_frames()[..2]);
}

#[test]
fn secrets_stay_out_of_debug() {
    let shown = format!("{:?}", authentication());
    assert!(shown.contains('7') && !shown.contains("secret"), "{shown}");
}

#[test]
fn bad_secrets_are_complained_about_without_showing_them() {
    let short = Authentication::sign_with(1, b"hunter2");
    assert_eq!(short.problem(), Some("the secret of key id 1 has 7 bytes; use at least 16"));
    assert!(Authentication::sign_with(0, b"long enough for a secret").problem().is_some());
    assert!(authentication().also_verify(7, b"long enough for a secret").problem().is_some());
    assert!(authentication().problem().is_none());
}
