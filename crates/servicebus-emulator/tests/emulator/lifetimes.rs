//! What time does: messages, subscriptions, tokens and connections that end.

use std::time::Duration;

use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::types::definitions::SenderSettleMode;
use fe2o3_amqp::types::messaging::{Header, Message};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use unstale_servicebus_emulator::{
    BearerToken, Policy, Rights, Scope, SubscriptionDescription, TopicDescription, sign,
};

use crate::client::*;

const AUTO: CreditMode = CreditMode::Auto(100);

async fn send_for(sender: &mut fe2o3_amqp::Sender, text: &str, ttl_ms: u32) {
    let header = Header { ttl: Some(ttl_ms), ..Header::default() };
    let message = Message::builder().header(header).data(text.as_bytes().to_vec()).build();
    assert!(sender.send(message).await.unwrap().is_accepted());
}

#[tokio::test(start_paused = true)]
async fn the_shortest_life_counts() {
    let emulator = emulator_with(options());
    let topic = TopicDescription {
        default_message_time_to_live: Some(Duration::from_secs(30)),
        ..TopicDescription::new("short")
    };
    emulator.create_topic_with(topic).unwrap();
    subscribe(&emulator, "ten", |its| {
        its.default_message_time_to_live = Some(Duration::from_secs(10));
        its.dead_lettering_on_message_expiration = true;
    });
    emulator.create_subscription("short", "s").unwrap();
    let mut client = Client::connect(&emulator).await;
    let mut sender = client.sender("t").await;
    let mut short = client.sender("short").await;
    send_for(&mut sender, "5 s", 5_000).await;
    send_for(&mut sender, "60 s", 60_000).await;
    send_all(&mut short, 1).await;
    let waiting =
        |topic: &str, name: &str| emulator.subscription_info(topic, name).unwrap().waiting;
    assert_eq!((waiting("t", "ten"), waiting("t", "s"), waiting("short", "s")), (2, 2, 1));
    sleep(Duration::from_secs(6)).await;
    assert_eq!((waiting("t", "ten"), waiting("t", "s")), (1, 1), "the message's");
    sleep(Duration::from_secs(5)).await;
    assert_eq!((waiting("t", "ten"), waiting("t", "s")), (0, 1), "the subscription's");
    sleep(Duration::from_secs(20)).await;
    assert_eq!(waiting("short", "s"), 0, "the topic's");
    assert_eq!(emulator.subscription_info("t", "ten").unwrap().dead_lettered, 2);
    assert_eq!(emulator.subscription_info("t", "s").unwrap().dead_lettered, 0);
    let mut receiver = client.receiver("s", AUTO).await;
    assert_eq!(sequence(&take(&mut receiver).await), 2, "what expires leaves a gap");
}

#[tokio::test(start_paused = true)]
async fn an_idle_subscription_is_deleted_and_a_used_one_is_not() {
    let emulator = emulator();
    let idle = |seconds| SubscriptionDescription {
        auto_delete_on_idle: Some(Duration::from_secs(seconds)),
        ..SubscriptionDescription::new("idle")
    };
    let rule = unstale_servicebus_emulator::Rule::default_rule;
    let refused = emulator.create_subscription_with("t", idle(299), rule()).unwrap_err();
    assert!(refused.description.contains("AutoDeleteOnIdle"));
    emulator.create_subscription_with("t", idle(300), rule()).unwrap();
    let mut client = Client::connect(&emulator).await;
    let receiver = client.receiver("idle", AUTO).await;
    sleep(Duration::from_secs(1_000)).await;
    assert_eq!(emulator.subscriptions("t"), ["idle", "s"]);
    receiver.close().await.unwrap();
    sleep(Duration::from_secs(299)).await;
    assert!(emulator.subscription_info("t", "idle").is_some());
    sleep(Duration::from_secs(2)).await;
    assert_eq!(emulator.subscriptions("t"), ["s"]);
    let refused =
        client.try_receiver("t/Subscriptions/idle", SenderSettleMode::Settled, AUTO).await;
    assert_eq!(attach_refusal(refused.unwrap_err()), "amqp:not-found");
}

#[tokio::test(start_paused = true)]
async fn without_a_valid_token_nothing_is_attached() {
    let emulator = emulator();
    let mut client = Client::connect_without_token(&emulator).await;
    let refused = client.try_sender("t").await.unwrap_err();
    assert_eq!(send_attach_refusal(refused), "amqp:unauthorized-access");
    client.renew_session().await;
    for wrong in [
        sign("sb://emulator/", EPOCH + 100, POLICY, "wrong"),
        sign("sb://emulator/", EPOCH + 100, "nobody", KEY),
        sign("sb://emulator/", EPOCH - 1, POLICY, KEY),
        "SharedAccessSignature nonsense".to_owned(),
        "ey.jwt".to_owned(),
    ] {
        let answer = client.put_token(&wrong).await.unwrap_err();
        assert!(answer.contains("401"), "{wrong}: {answer}");
    }
    // A token for another topic.
    client.put_token(&sign("sb://emulator/other", EPOCH + 100, POLICY, KEY)).await.unwrap();
    let refused = client.try_sender("t").await.unwrap_err();
    assert_eq!(send_attach_refusal(refused), "amqp:unauthorized-access");
    client.renew_session().await;
    client.put_token(&sign("sb://emulator/t", EPOCH + 100, POLICY, KEY)).await.unwrap();
    client.sender("t").await;
    client.receiver("s", AUTO).await;
}

#[tokio::test(start_paused = true)]
async fn rights_are_those_of_the_policy() {
    let mut options = options();
    options.policies.push(Policy {
        name: "listen".to_owned(),
        key: "k".to_owned(),
        rights: Rights::LISTEN,
        scope: Scope::Topic("T".to_owned()),
    });
    options.policies.push(Policy {
        name: "send".to_owned(),
        key: "k".to_owned(),
        rights: Rights::SEND,
        scope: Scope::Namespace,
    });
    let emulator = emulator_with(options);
    let mut client = Client::connect_without_token(&emulator).await;
    client.put_token(&sign("sb://emulator/", EPOCH + 100, "listen", "k")).await.unwrap();
    client.receiver("s", AUTO).await;
    let refused = client.try_sender("t").await.unwrap_err();
    assert_eq!(send_attach_refusal(refused), "amqp:unauthorized-access");
    let mut client = Client::connect_without_token(&emulator).await;
    client.put_token(&sign("sb://emulator/", EPOCH + 100, "send", "k")).await.unwrap();
    client.sender("t").await;
    let address = "t/Subscriptions/s";
    let refused = client.try_receiver(address, SenderSettleMode::Settled, AUTO).await;
    assert_eq!(attach_refusal(refused.unwrap_err()), "amqp:unauthorized-access");
}

#[tokio::test(start_paused = true)]
async fn a_key_will_do_instead_of_a_token() {
    let emulator = emulator();
    assert!(Client::try_plain(&emulator, POLICY, "wrong").await.is_none());
    assert!(Client::try_plain(&emulator, "nobody", KEY).await.is_none());
    let mut client = Client::try_plain(&emulator, POLICY, KEY).await.unwrap();
    client.sender("t").await;
}

#[tokio::test(start_paused = true)]
async fn links_end_with_their_token_unless_it_is_renewed() {
    let emulator = emulator();
    let mut client = Client::connect_without_token(&emulator).await;
    let short = |seconds: u64| sign("sb://emulator/", EPOCH + seconds, POLICY, KEY);
    client.put_token(&short(100)).await.unwrap();
    let mut receiver = client.receiver("s", AUTO).await;
    let mut sender = client.sender("t").await;
    sleep(Duration::from_secs(90)).await;
    client.put_token(&short(200)).await.unwrap();
    sleep(Duration::from_secs(90)).await;
    send_all(&mut sender, 1).await;
    assert_eq!(texts(&mut receiver, 1).await, ["0"]);
    let ended = receive(&mut receiver).await.unwrap_err();
    assert_eq!(detachment(ended), "amqp:unauthorized-access");
    assert!(send_fails(&mut sender, "x").await);
    assert_eq!(emulator.subscription_info("t", "s").unwrap().receivers, 0);
}

#[tokio::test(start_paused = true)]
async fn bearer_tokens_are_those_that_were_configured() {
    let emulator = emulator();
    emulator.accept_bearer(BearerToken {
        token: "ey.jwt".to_owned(),
        rights: Rights::LISTEN,
        scope: Scope::Namespace,
        expires_at: std::time::UNIX_EPOCH + Duration::from_secs(EPOCH + 50),
    });
    let mut client = Client::connect_without_token(&emulator).await;
    client.put_token("ey.jwt").await.unwrap();
    let mut receiver = client.receiver("s", AUTO).await;
    let ended = receive(&mut receiver).await.unwrap_err();
    assert_eq!(detachment(ended), "amqp:unauthorized-access");
    assert!(client.put_token("ey.jwt").await.unwrap_err().contains("401"));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_silent_is_cut_and_whoever_lives_is_not() {
    let emulator = emulator();
    let mut alive = Client::connect(&emulator).await;
    let mut receiver = alive.receiver("s", AUTO).await;
    for silent in [&b""[..], b"AM", b"AMQP\x00\x01\x00\x00", b"GET / HTTP/1.1\r\n"] {
        let mut stream = stream(&emulator);
        stream.write_all(silent).await.unwrap();
        let mut rest = Vec::new();
        let _ = within(stream.read_to_end(&mut rest)).await;
    }
    sleep(Duration::from_secs(3_600)).await;
    emulator.send_raw("t", unstale_servicebus_emulator::Message::new("x")).unwrap();
    assert_eq!(texts(&mut receiver, 1).await, ["x"]);
}
