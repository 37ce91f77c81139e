//! Nothing that comes on a connection does harm: the emulator answers or ends the connection, and goes on.

use bytes::{BufMut as _, BytesMut};
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::types::definitions::{Handle, Role};
use fe2o3_amqp::types::messaging::{Source, Target};
use fe2o3_amqp::types::performatives::{Attach, Begin, Open, Transfer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::*;

const HEADER: &[u8] = b"AMQP\x00\x01\x00\x00";

/// A frame of AMQP on channel 0.
pub(crate) fn frame(performative: &impl serde::Serialize, payload: &[u8]) -> Vec<u8> {
    let mut bytes = serde_amqp::to_vec(performative).unwrap();
    bytes.extend(payload);
    let mut out = BytesMut::new();
    out.put_u32(u32::try_from(bytes.len() + 8).unwrap());
    out.put_slice(&[2, 0, 0, 0]);
    out.put_slice(&bytes);
    out.to_vec()
}

pub(crate) fn open() -> Open {
    Open {
        container_id: "hostile".to_owned(),
        hostname: None,
        max_frame_size: 1024.into(),
        channel_max: 9.into(),
        idle_time_out: None,
        outgoing_locales: None,
        incoming_locales: None,
        offered_capabilities: None,
        desired_capabilities: None,
        properties: None,
    }
}

pub(crate) fn begin() -> Begin {
    Begin {
        remote_channel: None,
        next_outgoing_id: 0,
        incoming_window: 10,
        outgoing_window: 10,
        handle_max: Handle(9),
        offered_capabilities: None,
        desired_capabilities: None,
        properties: None,
    }
}

/// What a client sends that opens a connection and a session, attaches a link to `$cbs` and sends a message there.
fn conversation() -> Vec<u8> {
    let open = Open { idle_time_out: Some(1_000), ..open() };
    let begin = begin();
    let attach = Attach {
        name: "link".to_owned(),
        handle: Handle(0),
        role: Role::Sender,
        snd_settle_mode: Default::default(),
        rcv_settle_mode: Default::default(),
        source: Some(Box::new(Source::from("here"))),
        target: Some(Box::new(Target::from("$cbs").into())),
        unsettled: None,
        incomplete_unsettled: false,
        initial_delivery_count: Some(0),
        max_message_size: None,
        offered_capabilities: None,
        desired_capabilities: None,
        properties: None,
    };
    let transfer = Transfer {
        handle: Handle(0),
        delivery_id: Some(0),
        delivery_tag: Some(vec![1].into()),
        message_format: Some(0),
        settled: Some(false),
        more: false,
        rcv_settle_mode: None,
        state: None,
        resume: false,
        aborted: false,
        batchable: false,
    };
    let message = [0, 0x53, 0x77, 0xa1, 2, b'h', b'i'];
    let target: Vec<u8> = frame(&attach, &[]);
    [HEADER, &frame(&open, &[]), &frame(&begin, &[]), &target, &frame(&transfer, &message)].concat()
}

/// Sends bytes, ends the stream, and reads what comes until the other side ends it as well.
async fn say(emulator: &unstale_servicebus_emulator::Emulator, bytes: &[u8]) -> Vec<u8> {
    let mut stream = stream(emulator);
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = within(stream.read_to_end(&mut answer)).await;
    answer
}

/// The emulator is as it was.
async fn works(emulator: &unstale_servicebus_emulator::Emulator) {
    let mut client = Client::connect(emulator).await;
    let mut sender = client.sender("t").await;
    send_all(&mut sender, 1).await;
    let mut receiver = client.receiver("s", CreditMode::Auto(10)).await;
    assert_eq!(texts(&mut receiver, 1).await, ["0"]);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_cut_anywhere_or_with_any_byte_changed() {
    let emulator = emulator();
    let whole = conversation();
    let answer = say(&emulator, &whole).await;
    assert!(answer.len() > 150, "the conversation is one: {}", answer.len());
    for end in 0..whole.len() {
        say(&emulator, &whole[..end]).await;
    }
    for place in 0..whole.len() {
        for change in [0x01, 0x40, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[place] ^= change;
            say(&emulator, &changed).await;
        }
    }
    works(&emulator).await;
}

#[tokio::test(start_paused = true)]
async fn lengths_that_lie_and_bytes_without_sense() {
    let emulator = emulator();
    let huge_frame = [HEADER, &[0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0]].concat();
    let huge_value =
        [HEADER, &[0, 0, 0, 17, 2, 0, 0, 0, 0, 0x53, 0x10, 0xd0, 0xff, 0xff, 0xff, 0xff, 0]]
            .concat();
    let small_frame = [HEADER, &[0, 0, 0, 4, 2, 0, 0, 0]].concat();
    let deep: Vec<u8> = [HEADER, &[0, 0, 0x40, 0, 2, 0, 0, 0], &[0; 0x4000][..]].concat();
    let mut noise = vec![0; 5_000];
    let mut state = 1u32;
    for byte in &mut noise {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    let framed_noise = [HEADER, &[0, 0, 0x10, 0, 2, 0, 0, 0], &noise[..]].concat();
    for bytes in [
        &huge_frame[..],
        &huge_value,
        &small_frame,
        &deep,
        &noise,
        &framed_noise,
        b"AMQP\x02\x01\x00\x00",
        b"AMQP\x03\x01\x00\x00\x00\x00\x00\x08\x02\x01\x00\x00",
        b"\x16\x03\x01\x00\x00",
        b"GET /$servicebus/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
        b"PUT /t HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /t/messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
        b"\0\0\0\0\0\0\0\0",
    ] {
        say(&emulator, bytes).await;
    }
    works(&emulator).await;
}

#[tokio::test(start_paused = true)]
async fn connections_are_bounded() {
    let mut options = options();
    options.quotas.connections = 3;
    let emulator = emulator_with(options);
    let kept: Vec<_> = (0..3).map(|_| stream(&emulator)).collect();
    tokio::task::yield_now().await;
    let mut refused = stream(&emulator);
    assert_eq!(refused.read(&mut [0; 8]).await.unwrap(), 0);
    drop(kept);
    sleep(std::time::Duration::from_secs(1)).await;
    Client::connect(&emulator).await;
}
