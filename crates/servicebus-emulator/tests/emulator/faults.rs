//! Every fault does what it says, and no more.

use std::time::Duration;

use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::types::definitions::SenderSettleMode;
use tokio::io::AsyncReadExt as _;
use unstale_servicebus_emulator::{Emulator, Message, Refusal};

use crate::client::*;

const AUTO: CreditMode = CreditMode::Auto(100);

/// A client that receives and one that sends, on connections of their own.
struct Pair {
    receiving: Client,
    receiver: fe2o3_amqp::Receiver,
    sending: Client,
    sender: fe2o3_amqp::Sender,
}

async fn pair(emulator: &Emulator) -> Pair {
    let mut receiving = Client::connect(emulator).await;
    let receiver = receiving.receiver("s", AUTO).await;
    let mut sending = Client::connect(emulator).await;
    let sender = sending.sender("t").await;
    sleep(Duration::from_secs(1)).await;
    Pair { receiving, receiver, sending, sender }
}

fn put(emulator: &Emulator, text: &str) {
    emulator.send_raw("t", Message::new(text.to_owned())).unwrap();
}

fn waiting(emulator: &Emulator) -> usize {
    emulator.subscription_info("t", "s").unwrap().waiting
}

#[tokio::test(start_paused = true)]
async fn connections_are_cut_by_what_is_on_them() {
    let emulator = emulator();
    let mut pair = pair(&emulator).await;
    emulator.cut_receivers("t", "other");
    emulator.cut_senders("other");
    send_all(&mut pair.sender, 1).await;
    assert_eq!(texts(&mut pair.receiver, 1).await, ["0"]);
    emulator.cut_receivers("T", "S");
    assert!(receive(&mut pair.receiver).await.is_err());
    assert!(pair.receiving.connection.on_close().await.is_err(), "without a close");
    send_all(&mut pair.sender, 1).await;
    assert_eq!(waiting(&emulator), 1);
    emulator.cut_senders("T");
    assert!(send_fails(&mut pair.sender, "x").await);
    let mut third = Client::connect(&emulator).await;
    emulator.cut_all();
    assert!(within(third.connection.on_close()).await.is_err());
    assert_eq!(waiting(&emulator), 1);
}

#[tokio::test(start_paused = true)]
async fn links_are_detached_for_a_reason() {
    let emulator = emulator();
    let mut pair = pair(&emulator).await;
    let reason = Refusal::new("amqp:link:detach-forced", "maintenance");
    emulator.detach_receivers("t", "s", &reason);
    let ended = receive(&mut pair.receiver).await.unwrap_err();
    assert_eq!(detachment(ended), "amqp:link:detach-forced");
    emulator.detach_senders("t", &reason);
    sleep(Duration::from_secs(1)).await;
    let error = send(&mut pair.sender, "x").await.unwrap_err();
    assert!(format!("{error:?}").contains("DetachForced"), "{error:?}");
    pair.receiving.renew_session().await;
    pair.receiver = pair.receiving.receiver("s", AUTO).await;
    put(&emulator, "y");
    assert_eq!(texts(&mut pair.receiver, 1).await, ["y"], "the connection lives");
}

#[tokio::test(start_paused = true)]
async fn deliveries_are_delayed() {
    let emulator = emulator();
    let mut pair = pair(&emulator).await;
    for all in [false, true] {
        let set = |delay| match all {
            true => emulator.delay_all_deliveries(delay),
            false => emulator.delay_deliveries("t", "s", delay),
        };
        set(Duration::from_secs(7));
        put(&emulator, "late");
        set(Duration::ZERO);
        put(&emulator, "behind it");
        let start = tokio::time::Instant::now();
        assert_eq!(texts(&mut pair.receiver, 2).await, ["late", "behind it"]);
        let took = start.elapsed().as_millis();
        assert!((7_000..7_100).contains(&took), "{took} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn deliveries_stop_in_silence_and_resume() {
    let emulator = emulator();
    let mut pair = pair(&emulator).await;
    for all in [false, true] {
        let stop = |stop| match all {
            true => emulator.stop_all_deliveries(stop),
            false => emulator.stop_deliveries("t", "s", stop),
        };
        stop(true);
        send_all(&mut pair.sender, 2).await;
        assert!(silent(&mut pair.receiver).await);
        assert_eq!(waiting(&emulator), 2);
        stop(false);
        assert_eq!(texts(&mut pair.receiver, 2).await, numbers(2));
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_refuses_what_is_new() {
    let emulator = emulator();
    let mut pair = pair(&emulator).await;
    send_all(&mut pair.sender, 1).await;
    emulator.throttle(true);
    let outcome = send(&mut pair.sender, "x").await.unwrap();
    assert_eq!(rejection(outcome), "com.microsoft:server-busy");
    assert_eq!(texts(&mut pair.receiver, 1).await, ["0"], "deliveries go on");
    let refused = pair.receiving.try_sender("t").await.unwrap_err();
    assert_eq!(send_attach_refusal(refused), "com.microsoft:server-busy");
    pair.sending.renew_session().await;
    let address = "t/Subscriptions/s";
    let refused = pair.sending.try_receiver(address, SenderSettleMode::Settled, AUTO).await;
    assert_eq!(attach_refusal(refused.unwrap_err()), "com.microsoft:server-busy");
    emulator.throttle(false);
    pair.sending.renew_session().await;
    let mut sender = pair.sending.sender("t").await;
    send_all(&mut sender, 1).await;
}

#[tokio::test(start_paused = true)]
async fn sends_are_refused_so_often() {
    let emulator = emulator();
    let mut pair = pair(&emulator).await;
    emulator.refuse_sends("t", Refusal::new("amqp:internal-error", "no"), 2);
    for _ in 0..2 {
        let outcome = send(&mut pair.sender, "x").await.unwrap();
        assert_eq!(rejection(outcome), "amqp:internal-error");
    }
    send_all(&mut pair.sender, 1).await;
    assert_eq!(emulator.operations().sends, 1);
}

#[tokio::test(start_paused = true)]
async fn a_publish_can_be_ambiguous() {
    let emulator = emulator();
    let mut pair = pair(&emulator).await;
    emulator.cut_after_accept("t", 1);
    assert!(send_fails(&mut pair.sender, "sent").await);
    assert_eq!(texts(&mut pair.receiver, 1).await, ["sent"]);
    let mut client = Client::connect(&emulator).await;
    let mut sender = client.sender("t").await;
    send_all(&mut sender, 1).await;
}

#[tokio::test(start_paused = true)]
async fn copies_are_lost_with_a_gap_and_without() {
    let emulator = emulator();
    emulator.create_subscription("t", "other").unwrap();
    let mut pair = pair(&emulator).await;
    emulator.swallow_copies("t", "s", 1);
    send_all(&mut pair.sender, 2).await;
    let got = take(&mut pair.receiver).await;
    assert_eq!((text(&got), sequence(&got)), ("1".to_owned(), 1), "no gap");
    emulator.lose_copies("t", "s", 2);
    send_all(&mut pair.sender, 3).await;
    let got = take(&mut pair.receiver).await;
    assert_eq!((text(&got), sequence(&got)), ("2".to_owned(), 4), "a gap");
    let mut other = pair.receiving.receiver("other", AUTO).await;
    assert_eq!(texts(&mut other, 5).await, ["0", "1", "0", "1", "2"], "nothing of it elsewhere");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_made_twice() {
    let emulator = emulator();
    let mut pair = pair(&emulator).await;
    emulator.duplicate_deliveries("t", "s", 1);
    send_all(&mut pair.sender, 2).await;
    let mut got = Vec::new();
    for _ in 0..3 {
        got.push(sequence(&take(&mut pair.receiver).await));
    }
    assert_eq!(got, [1, 1, 2]);
    assert!(silent(&mut pair.receiver).await);
    assert_eq!(emulator.subscription_info("t", "s").unwrap().bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_goes_under_its_receivers() {
    let emulator = emulator();
    let mut pair = pair(&emulator).await;
    emulator.delete_subscription("t", "s").unwrap();
    let ended = receive(&mut pair.receiver).await.unwrap_err();
    assert_eq!(detachment(ended), "amqp:not-found");
    send_all(&mut pair.sender, 1).await;
    emulator.create_subscription("t", "s").unwrap();
    assert_eq!(emulator.subscription_info("t", "s").unwrap().next_sequence_number, 1);
}

#[tokio::test(start_paused = true)]
async fn tokens_expire_at_a_command() {
    let emulator = emulator();
    let mut pair = pair(&emulator).await;
    emulator.expire_tokens();
    let ended = receive(&mut pair.receiver).await.unwrap_err();
    assert_eq!(detachment(ended), "amqp:unauthorized-access");
    assert!(send_fails(&mut pair.sender, "x").await);
    pair.receiving.renew_session().await;
    pair.receiving.put_token(&token()).await.unwrap();
    pair.receiving.receiver("s", AUTO).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_keeps_all_or_only_the_topics() {
    let emulator = emulator();
    let mut first = pair(&emulator).await;
    emulator.stop_deliveries("t", "s", true);
    send_all(&mut first.sender, 3).await;
    emulator.restart();
    assert!(receive(&mut first.receiver).await.is_err());
    assert!(send_fails(&mut first.sender, "x").await);
    emulator.stop_deliveries("t", "s", false);
    let mut second = pair(&emulator).await;
    assert_eq!(texts(&mut second.receiver, 3).await, numbers(3));
    let billed = emulator.operations();

    emulator.restart_empty();
    assert!(receive(&mut second.receiver).await.is_err());
    assert_eq!((emulator.topics().len(), emulator.subscriptions("t").len()), (1, 0));
    emulator.create_subscription("t", "s").unwrap();
    let mut third = pair(&emulator).await;
    send_all(&mut third.sender, 1).await;
    let first = take(&mut third.receiver).await;
    assert_eq!(sequence(&first), 1);
    let topic_number = annotation(&first, "x-opt-enqueued-sequence-number");
    assert_eq!(topic_number, Some(fe2o3_amqp::types::primitives::Value::Long(1)));
    assert_eq!(emulator.operations().total(), billed.total() + 2, "the bill goes on");
}

#[tokio::test(start_paused = true)]
async fn an_outage_lets_nobody_in() {
    let emulator = emulator();
    let mut pair = pair(&emulator).await;
    emulator.refuse_connections(true);
    send_all(&mut pair.sender, 1).await;
    let mut refused = stream(&emulator);
    assert_eq!(refused.read(&mut [0; 8]).await.unwrap(), 0);
    emulator.cut_all();
    assert!(send_fails(&mut pair.sender, "x").await);
    emulator.refuse_connections(false);
    Client::connect(&emulator).await;
}

/// If an engine that nobody answers spun, paused time would not move.
#[tokio::test(start_paused = true)]
async fn no_engine_spins_when_its_peer_vanishes() {
    let emulator = emulator();
    let pair = pair(&emulator).await;
    emulator.cut_all();
    pair.sending.cut();
    pair.receiving.cut();
    let gone = (pair.sender, pair.receiver);
    drop(gone);
    within(sleep(Duration::from_secs(300))).await;
    assert_eq!(emulator.subscription_info("t", "s").unwrap().receivers, 0);
}
