//! Frames by hand: what no well-behaved client does, and what clients do not show.

use bytes::{Buf as _, BytesMut};
use fe2o3_amqp::types::definitions::{Handle, ReceiverSettleMode, Role, SenderSettleMode};
use fe2o3_amqp::types::messaging::{Accepted, DeliveryState, Source, Target};
use fe2o3_amqp::types::performatives::{
    Attach, Begin, Disposition, Flow, Open, Performative, Transfer,
};
use fe2o3_amqp::types::sasl::SaslInit;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use unstale_servicebus_emulator::{Emulator, Message};

use crate::client::*;
use crate::hostile::{begin, frame, open};

/// A connection with a session on channel 0, allowed everything.
struct Raw {
    stream: DuplexStream,
    inbox: BytesMut,
}

impl Raw {
    async fn connect(emulator: &Emulator, incoming_window: u32) -> Self {
        let mut raw = Self { stream: stream(emulator), inbox: BytesMut::new() };
        let init = SaslInit {
            mechanism: "PLAIN".into(),
            initial_response: Some(format!("\0{POLICY}\0{KEY}").into_bytes().into()),
            hostname: None,
        };
        let mut sasl = frame(&init, &[]);
        sasl[5] = 1;
        let begin = Begin { incoming_window, ..begin() };
        let headers = [&b"AMQP\x03\x01\x00\x00"[..], &sasl, b"AMQP\x00\x01\x00\x00"].concat();
        raw.stream.write_all(&headers).await.unwrap();
        raw.stream.write_all(&frame(&open(), &[])).await.unwrap();
        raw.stream.write_all(&frame(&begin, &[])).await.unwrap();
        raw.skip(8).await;
        raw.skip_frame().await;
        raw.skip_frame().await;
        raw.skip(8).await;
        let Open { .. } = as_open(raw.next().await.unwrap());
        assert!(matches!(raw.next().await, Some(Performative::Begin(_))));
        raw
    }

    async fn fill(&mut self, count: usize) -> bool {
        let reading = async {
            while self.inbox.len() < count {
                if self.stream.read_buf(&mut self.inbox).await.unwrap() == 0 {
                    return false;
                }
            }
            true
        };
        let silence = std::time::Duration::from_millis(100);
        tokio::time::timeout(silence, reading).await.unwrap_or(false)
    }

    async fn skip(&mut self, count: usize) {
        assert!(self.fill(count).await);
        self.inbox.advance(count);
    }

    async fn size(&mut self) -> Option<usize> {
        if !self.fill(4).await {
            return None;
        }
        Some(u32::from_be_bytes(*self.inbox.first_chunk().unwrap()) as usize)
    }

    async fn skip_frame(&mut self) {
        let size = self.size().await.unwrap();
        self.skip(size).await;
    }

    /// What comes next; `None` if nothing comes.
    async fn next(&mut self) -> Option<Performative> {
        let size = self.size().await?;
        assert!(self.fill(size).await);
        let frame = self.inbox.split_to(size);
        let mut reader = std::io::Cursor::new(&frame[8..]);
        Some(serde_amqp::from_reader(&mut reader).unwrap())
    }

    async fn say(&mut self, performative: &impl serde::Serialize, payload: &[u8]) {
        self.stream.write_all(&frame(performative, payload)).await.unwrap();
    }

    /// How many transfers come before there is silence.
    async fn transfers(&mut self) -> usize {
        let mut count = 0;
        while let Some(performative) = self.next().await {
            count += usize::from(matches!(performative, Performative::Transfer(_)));
        }
        count
    }

    async fn attach(&mut self, role: Role, address: &str, mode: ReceiverSettleMode) -> Attach {
        let (source, target) = match role {
            Role::Receiver => (Source::from(address), Target::from("here")),
            Role::Sender => (Source::from("here"), Target::from(address)),
        };
        let attach = Attach {
            name: "link".to_owned(),
            handle: Handle(0),
            role,
            snd_settle_mode: SenderSettleMode::Unsettled,
            rcv_settle_mode: mode,
            source: Some(Box::new(source)),
            target: Some(Box::new(target.into())),
            unsettled: None,
            incomplete_unsettled: false,
            initial_delivery_count: Some(0),
            max_message_size: None,
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
        };
        self.say(&attach, &[]).await;
        match self.next().await {
            Some(Performative::Attach(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }

    /// Gives credit, having seen so many transfers in the session and on the link.
    async fn flow(&mut self, seen: u32, window: u32, seen_on_link: u32, credit: u32) {
        let flow = Flow {
            next_incoming_id: Some(1 + seen),
            incoming_window: window,
            next_outgoing_id: 0,
            outgoing_window: 9,
            handle: Some(Handle(0)),
            delivery_count: Some(seen_on_link),
            link_credit: Some(credit),
            available: None,
            drain: false,
            echo: false,
            properties: None,
        };
        self.say(&flow, &[]).await;
    }
}

fn as_open(performative: Performative) -> Open {
    match performative {
        Performative::Open(open) => open,
        other => panic!("{other:?}"),
    }
}

fn filled(count: usize) -> Emulator {
    let emulator = emulator();
    for n in 0..count {
        emulator.send_raw("t", Message::new(n.to_string())).unwrap();
    }
    emulator
}

#[tokio::test(start_paused = true)]
async fn a_session_window_is_respected() {
    let emulator = filled(10);
    let mut raw = Raw::connect(&emulator, 2).await;
    raw.attach(Role::Receiver, "t/subscriptions/s", ReceiverSettleMode::First).await;
    raw.flow(0, 2, 0, 10).await;
    assert_eq!(raw.transfers().await, 2);
    raw.flow(2, 3, 2, 8).await;
    assert_eq!(raw.transfers().await, 3);
    raw.flow(4, 2, 4, 6).await;
    assert_eq!(raw.transfers().await, 1, "one of them is on its way");
}

#[tokio::test(start_paused = true)]
async fn credit_counts_from_what_the_receiver_has_seen() {
    let emulator = filled(10);
    let mut raw = Raw::connect(&emulator, 100).await;
    raw.attach(Role::Receiver, "t/subscriptions/s", ReceiverSettleMode::First).await;
    raw.flow(0, 100, 0, 2).await;
    assert_eq!(raw.transfers().await, 2);
    raw.flow(1, 100, 1, 2).await;
    assert_eq!(raw.transfers().await, 1);
    // A receiver that counts wrongly is believed.
    raw.flow(3, 100, 8, 1).await;
    assert_eq!(raw.transfers().await, 1);
    raw.flow(3, 100, 8, 1).await;
    assert_eq!(raw.transfers().await, 0);
}

#[tokio::test(start_paused = true)]
async fn senders_are_told_first_and_large_messages_detach_them() {
    let emulator = emulator();
    let mut raw = Raw::connect(&emulator, 100).await;
    let answer = raw.attach(Role::Sender, "t", ReceiverSettleMode::Second).await;
    assert_eq!(answer.rcv_settle_mode, ReceiverSettleMode::First);
    assert!(matches!(raw.next().await, Some(Performative::Flow(_))), "credit");
    let transfer = Transfer {
        handle: Handle(0),
        delivery_id: Some(0),
        delivery_tag: Some(vec![1].into()),
        message_format: Some(0),
        settled: Some(false),
        more: true,
        rcv_settle_mode: None,
        state: None,
        resume: false,
        aborted: false,
        batchable: false,
    };
    for _ in 0..5 {
        raw.say(&transfer, &[0; 60_000]).await;
    }
    match raw.next().await {
        Some(Performative::Detach(detach)) => {
            assert!(detach.closed);
            let error = detach.error.unwrap();
            assert_eq!(condition(&error), "amqp:link:message-size-exceeded");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_settle_hears_what_became_of_it() {
    let emulator = filled(2);
    let mut raw = Raw::connect(&emulator, 100).await;
    raw.attach(Role::Receiver, "t/subscriptions/s", ReceiverSettleMode::Second).await;
    raw.flow(0, 100, 0, 2).await;
    assert_eq!(raw.transfers().await, 2);
    let decide = |id| Disposition {
        role: Role::Receiver,
        first: id,
        last: None,
        settled: false,
        state: Some(DeliveryState::Accepted(Accepted {})),
        batchable: false,
    };
    raw.say(&decide(0), &[]).await;
    match raw.next().await {
        Some(Performative::Disposition(answer)) => {
            assert_eq!((answer.role, answer.first, answer.settled), (Role::Sender, 0, true));
            assert!(answer.state.unwrap().is_accepted());
        }
        other => panic!("{other:?}"),
    }
    sleep(std::time::Duration::from_secs(61)).await;
    raw.say(&decide(1), &[]).await;
    match raw.next().await {
        Some(Performative::Disposition(answer)) => match answer.state {
            Some(DeliveryState::Rejected(rejected)) => {
                let error = rejected.error.unwrap();
                assert_eq!(condition(&error), "com.microsoft:message-lock-lost");
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}
