//! What becomes of messages that are peeked, and of those that are deleted when they are sent.

use std::time::Duration;

use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::types::primitives::Value;

use crate::client::*;

const AUTO: CreditMode = CreditMode::Auto(100);

fn delivery_count(delivery: &Received) -> u32 {
    delivery.message().header.as_ref().unwrap().delivery_count
}

#[tokio::test(start_paused = true)]
async fn what_is_accepted_is_gone() {
    let emulator = emulator();
    let mut client = Client::connect(&emulator).await;
    let mut sender = client.sender("t").await;
    send_all(&mut sender, 2).await;
    let mut peeker = client.peeker("s", AUTO).await;
    let first = receive(&mut peeker).await.unwrap();
    assert!(matches!(annotation(&first, "x-opt-locked-until"), Some(Value::Timestamp(_))));
    let info = emulator.subscription_info("t", "s").unwrap();
    assert_eq!((info.waiting, info.locked), (0, 2));
    peeker.accept(&first).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(emulator.subscription_info("t", "s").unwrap().locked, 1);
    // The lock of the other one ends.
    sleep(Duration::from_secs(60)).await;
    let second = receive(&mut peeker).await.unwrap();
    let again = receive(&mut peeker).await.unwrap();
    assert_eq!((text(&second), text(&again)), ("1".to_owned(), "1".to_owned()));
    assert_eq!((delivery_count(&second), delivery_count(&again)), (0, 1));
    assert_eq!((sequence(&second), sequence(&again)), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn what_is_released_comes_again_at_its_place() {
    let emulator = emulator();
    let mut client = Client::connect(&emulator).await;
    let mut sender = client.sender("t").await;
    send_all(&mut sender, 3).await;
    let mut peeker = client.peeker("s", CreditMode::Manual).await;
    peeker.set_credit(1).await.unwrap();
    let first = receive(&mut peeker).await.unwrap();
    peeker.release(&first).await.unwrap();
    peeker.set_credit(2).await.unwrap();
    let first = receive(&mut peeker).await.unwrap();
    assert_eq!((text(&first), delivery_count(&first)), ("0".to_owned(), 1));
    let second = receive(&mut peeker).await.unwrap();
    assert_eq!(text(&second), "1");
}

#[tokio::test(start_paused = true)]
async fn what_is_rejected_or_released_too_often_becomes_a_dead_letter() {
    let emulator = emulator();
    subscribe(&emulator, "twice", |its| its.max_delivery_count = 2);
    let mut client = Client::connect(&emulator).await;
    let mut sender = client.sender("t").await;
    send_all(&mut sender, 2).await;
    let mut peeker = client.peeker("twice", AUTO).await;
    let first = receive(&mut peeker).await.unwrap();
    peeker.reject(&first, None).await.unwrap();
    let second = receive(&mut peeker).await.unwrap();
    peeker.release(&second).await.unwrap();
    let second = receive(&mut peeker).await.unwrap();
    peeker.release(&second).await.unwrap();
    assert!(silent(&mut peeker).await);
    let info = emulator.subscription_info("t", "twice").unwrap();
    assert_eq!((info.waiting, info.locked, info.dead_lettered, info.bytes), (0, 0, 2, 0));
    let letters = emulator.dead_letters("t", "twice");
    assert_eq!(letters[1].body().as_deref(), Some(&b"1"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_lock_outlives_its_link() {
    let emulator = emulator();
    let mut client = Client::connect(&emulator).await;
    let mut sender = client.sender("t").await;
    send_all(&mut sender, 1).await;
    let mut peeker = client.peeker("s", AUTO).await;
    receive(&mut peeker).await.unwrap();
    peeker.close().await.unwrap();
    let mut peeker = client.peeker("s", AUTO).await;
    assert!(silent(&mut peeker).await);
    let again = receive(&mut peeker).await.unwrap();
    assert_eq!(delivery_count(&again), 1, "when the lock has ended");
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_has_ended_settles_nothing() {
    let emulator = emulator();
    let mut client = Client::connect(&emulator).await;
    let mut sender = client.sender("t").await;
    send_all(&mut sender, 1).await;
    let mut peeker = client.peeker("s", CreditMode::Manual).await;
    peeker.set_credit(1).await.unwrap();
    let late = receive(&mut peeker).await.unwrap();
    sleep(Duration::from_secs(61)).await;
    peeker.accept(&late).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(emulator.subscription_info("t", "s").unwrap().waiting, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_onto_a_dead_link_that_deletes_is_lost() {
    let emulator = emulator();
    let mut client = Client::connect(&emulator).await;
    let mut sender = client.sender("t").await;
    let mut other = Client::connect(&emulator).await;
    let mut dead = other.receiver("s", AUTO).await;
    send_all(&mut sender, 1).await;
    assert_eq!(texts(&mut dead, 1).await, ["0"]);
    // The broker does not know yet.
    send_all(&mut sender, 2).await;
    other.cut();
    sleep(Duration::from_secs(1)).await;
    let mut receiver = client.receiver("s", AUTO).await;
    assert!(silent(&mut receiver).await);
    send_all(&mut sender, 1).await;
    assert_eq!(sequence(&take(&mut receiver).await), 4, "the gap shows");
}
