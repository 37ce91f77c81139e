//! Sending and receiving, as a client that is not Microsoft's sees it.

use std::time::Duration;

use crate::client::*;
use fe2o3_amqp::Sendable;
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::types::definitions::SenderSettleMode;
use fe2o3_amqp::types::messaging::{
    AmqpValue, ApplicationProperties, Batch, Body, Data, Header, Message, Properties,
};
use fe2o3_amqp::types::primitives::{Binary, SimpleValue, Value};

const AUTO: CreditMode = CreditMode::Auto(100);

#[tokio::test(start_paused = true)]
async fn messages_come_in_order_with_numbers_and_times() {
    let emulator = emulator();
    let mut client = Client::connect(&emulator).await;
    let mut sender = client.sender("t").await;
    send_all(&mut sender, 3).await;
    emulator.create_subscription("t", "late").unwrap();
    send_all(&mut sender, 1_000).await;
    let mut receiver = client.receiver("s", AUTO).await;
    for n in 1..=1_003 {
        let delivery = take(&mut receiver).await;
        assert_eq!(sequence(&delivery), n);
        let topic_number = annotation(&delivery, "x-opt-enqueued-sequence-number");
        assert_eq!(topic_number, Some(Value::Long(n)));
        let time = annotation(&delivery, "x-opt-enqueued-time");
        assert!(
            matches!(time, Some(Value::Timestamp(t)) if t.milliseconds() >= EPOCH as i64 * 1000)
        );
    }
    let mut late = client.receiver("late", AUTO).await;
    let delivery = receive(&mut late).await.unwrap();
    assert_eq!(sequence(&delivery), 1, "every subscription counts for itself");
    let topic_number = annotation(&delivery, "x-opt-enqueued-sequence-number");
    assert_eq!(topic_number, Some(Value::Long(4)), "the topic counts for all");
    let billed = emulator.operations();
    assert_eq!((billed.sends, billed.deliveries), (1_003, 1_003 + 100), "all that is credited");
}

#[tokio::test(start_paused = true)]
async fn every_section_is_passed_on() {
    let emulator = emulator();
    let mut client = Client::connect(&emulator).await;
    let mut sender = client.sender("t").await;
    let properties = Properties::builder().message_id(7u64).subject("s").to("x").build();
    let application = ApplicationProperties::builder().insert("n", 5i32).insert("u", "ü").build();
    let value = Value::List(vec![Value::Null, Value::Uint(3), Value::String("x".to_owned())]);
    let message = Message::builder()
        .header(Header { durable: true, priority: 9.into(), ..Header::default() })
        .properties(properties.clone())
        .application_properties(application.clone())
        .value(value.clone())
        .build();
    sender.send(message).await.unwrap();
    let sections = vec![Data(Binary::from(vec![1])), Data(Binary::from(vec![0; 100_000]))];
    let large = Message::builder().data_batch(Batch::new(sections.clone())).build();
    sender.send(large).await.unwrap();

    let mut receiver = client.receiver("s", AUTO).await;
    let first = receive(&mut receiver).await.unwrap();
    let got = first.message();
    assert!(got.header.as_ref().unwrap().durable);
    assert_eq!(got.header.as_ref().unwrap().priority, 9.into());
    assert_eq!(got.properties.as_ref(), Some(&properties));
    assert_eq!(got.application_properties.as_ref(), Some(&application));
    assert_eq!(got.body, Body::Value(AmqpValue(value)));
    assert_eq!(property(&first, "n"), Some(SimpleValue::Int(5)));
    let second = receive(&mut receiver).await.unwrap();
    assert_eq!(second.message().body, Body::Data(Batch::new(sections)), "in several frames");
}

#[tokio::test(start_paused = true)]
async fn addresses_are_compared_as_azure_does() {
    let emulator = emulator();
    let mut client = Client::connect(&emulator).await;
    let mut sender = client.sender("amqps://emulator:5671/T").await;
    send_all(&mut sender, 1).await;
    let address = "amqps://emulator:5671/T/subscriptions/S";
    let mut receiver = client.try_receiver(address, SenderSettleMode::Settled, AUTO).await.unwrap();
    assert_eq!(texts(&mut receiver, 1).await, ["0"]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_not_found() {
    let emulator = emulator();
    let mut client = Client::connect(&emulator).await;
    let refused = client.try_sender("nothing").await.unwrap_err();
    assert_eq!(send_attach_refusal(refused), "amqp:not-found");
    for address in ["t/Subscriptions/none", "none/Subscriptions/s", "t", "", "a/b/c"] {
        client.renew_session().await;
        let refused = client.try_receiver(address, SenderSettleMode::Settled, AUTO).await;
        assert_eq!(attach_refusal(refused.unwrap_err()), "amqp:not-found", "{address}");
    }
    client.renew_session().await;
    let mut sender = client.sender("t").await;
    send_all(&mut sender, 1).await;
}

#[tokio::test(start_paused = true)]
async fn receivers_compete_and_take_turns() {
    let emulator = emulator();
    let mut client = Client::connect(&emulator).await;
    let mut other = Client::connect(&emulator).await;
    let mut first = client.receiver("s", AUTO).await;
    let mut second = other.receiver("s", AUTO).await;
    // Credit arrives some time after the attach.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(emulator.subscription_info("t", "s").unwrap().receivers, 2);
    let mut sender = client.sender("t").await;
    send_all(&mut sender, 6).await;
    assert_eq!(texts(&mut first, 3).await, ["0", "2", "4"]);
    assert_eq!(texts(&mut second, 3).await, ["1", "3", "5"]);
    other.cut();
    sleep(Duration::from_secs(1)).await;
    send_all(&mut sender, 2).await;
    assert_eq!(texts(&mut first, 2).await, ["0", "1"]);
}

#[tokio::test(start_paused = true)]
async fn credit_is_respected() {
    let emulator = emulator();
    let mut client = Client::connect(&emulator).await;
    let mut sender = client.sender("t").await;
    send_all(&mut sender, 5).await;
    let mut receiver = client.receiver("s", CreditMode::Manual).await;
    assert!(silent(&mut receiver).await);
    assert_eq!(emulator.subscription_info("t", "s").unwrap().waiting, 5);
    receiver.set_credit(2).await.unwrap();
    assert_eq!(texts(&mut receiver, 2).await, ["0", "1"]);
    assert!(silent(&mut receiver).await);
    assert_eq!(emulator.subscription_info("t", "s").unwrap().waiting, 3);
    // Draining: what there is comes, and the rest of the credit is used up.
    receiver.set_credit(10).await.unwrap();
    receiver.drain().await.unwrap();
    assert_eq!(texts(&mut receiver, 3).await, ["2", "3", "4"]);
    sleep(Duration::from_secs(1)).await;
    send_all(&mut sender, 1).await;
    assert!(silent(&mut receiver).await, "nothing is left of the credit");
    receiver.set_credit(1).await.unwrap();
    assert_eq!(texts(&mut receiver, 1).await, ["0"]);
}

#[tokio::test(start_paused = true)]
async fn sessions_and_links_are_many() {
    let emulator = emulator();
    emulator.create_subscription("t", "s2").unwrap();
    let mut client = Client::connect(&emulator).await;
    let mut first = client.receiver("s", AUTO).await;
    let mut sender = client.sender("t").await;
    let _first_session = client.renew_session().await;
    let mut second = client.receiver("s2", AUTO).await;
    let mut other_sender = client.sender("t").await;
    send_all(&mut sender, 1).await;
    send_all(&mut other_sender, 1).await;
    for receiver in [&mut first, &mut second] {
        assert_eq!(texts(receiver, 2).await, ["0", "0"]);
    }
    second.close().await.unwrap();
    let mut again = client.receiver("s2", AUTO).await;
    send_all(&mut sender, 1).await;
    assert_eq!(texts(&mut again, 1).await, ["0"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_becomes_messages() {
    let emulator = emulator();
    let mut client = Client::connect(&emulator).await;
    let mut sender = client.sender("t").await;
    let encoded = |n: usize| {
        let message = Message::builder().data(n.to_string().into_bytes()).build();
        let bytes = serde_amqp::to_vec(
            &fe2o3_amqp_types::messaging::message::__private::Serializable(message),
        );
        Data(Binary::from(bytes.unwrap()))
    };
    let batch = Message::builder().data_batch((0..10).map(encoded).collect::<Batch<_>>()).build();
    let sendable = Sendable::builder().message(batch).message_format(0x8001_3700u32).build();
    assert!(sender.send(sendable).await.unwrap().is_accepted());
    let mut receiver = client.receiver("s", AUTO).await;
    assert_eq!(texts(&mut receiver, 10).await, numbers(10));
    assert_eq!(emulator.operations().sends, 10);
}

#[tokio::test(start_paused = true)]
async fn a_large_message_detaches_its_sender_and_a_full_topic_refuses() {
    let mut options = options();
    options.quotas.message_bytes = 200_000;
    options.quotas.subscription_messages = 2;
    let emulator = emulator_with(options);
    let mut client = Client::connect(&emulator).await;
    let mut sender = client.sender("t").await;
    assert_eq!(sender.max_message_size(), Some(200_000));
    send_all(&mut sender, 2).await;
    let outcome = send(&mut sender, "x").await.unwrap();
    assert_eq!(rejection(outcome), "amqp:resource-limit-exceeded");
    let raw = unstale_servicebus_emulator::Message::new(vec![0; 200_001]);
    let refusal = emulator.send_raw("t", raw).unwrap_err();
    assert_eq!(refusal.condition, "amqp:link:message-size-exceeded");
    let info = emulator.subscription_info("t", "s").unwrap();
    assert_eq!((info.waiting, info.next_sequence_number), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_topic_may_be_full_of_bytes() {
    let mut options = options();
    options.quotas.topic_bytes = 1_000;
    let emulator = emulator_with(options);
    emulator.create_subscription("t", "other").unwrap();
    let message = || unstale_servicebus_emulator::Message::new(vec![0; 300]);
    emulator.send_raw("t", message()).unwrap();
    let refusal = emulator.send_raw("t", message()).unwrap_err();
    assert_eq!(refusal.condition, "amqp:resource-limit-exceeded", "every copy counts");
}
