//! Sending and receiving by HTTP.

use std::time::Duration;

use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::types::primitives::SimpleValue;
use unstale_servicebus_emulator::{Message, sign};

use crate::client::*;
use crate::web::*;

const HEAD: &str = "/t/subscriptions/s/messages/head?timeout=5";

#[tokio::test(start_paused = true)]
async fn what_is_sent_by_http_comes_by_http() {
    let emulator = emulator();
    let mut web = Web::connect(&emulator).await;
    let headers = [
        ("BrokerProperties", r#"{"MessageId":"m","Label":"l","TimeToLive":60,"Unknown":1}"#),
        ("Content-Type", "text/plain"),
        ("Kind", "\"fence\""),
        ("Count", "7"),
    ];
    let sent = web.ask_with("POST", "/T/messages", &headers, "hello ü").await;
    assert_eq!((sent.status, sent.body.as_str()), (201, ""));

    let got = web.ask("POST", HEAD).await;
    assert_eq!((got.status, got.body.as_str()), (201, "hello ü"));
    assert_eq!(got.header("Content-Type"), "text/plain");
    assert_eq!((got.header("kind"), got.header("count")), ("\"fence\"", "7"));
    let told = got.told();
    assert_eq!(told["MessageId"], "m");
    assert_eq!(told["Label"], "l");
    assert_eq!(told["SequenceNumber"], 1);
    assert_eq!(told["EnqueuedSequenceNumber"], 1);
    assert_eq!(told["DeliveryCount"], 1);
    assert_eq!(told["State"], "Active");
    assert_eq!(told["TimeToLive"], 60.0);
    assert_eq!(told["EnqueuedTimeUtc"], "Tue, 14 Nov 2023 22:13:20 GMT");
    assert_eq!(told["LockedUntilUtc"], "Tue, 14 Nov 2023 22:14:20 GMT");
    let token = told["LockToken"].as_str().unwrap();
    assert_eq!(got.lock(), format!("/t/subscriptions/s/messages/1/{token}"));

    assert_eq!(web.ask("PUT", &got.lock()).await.status, 200, "unlocked");
    let again = web.ask("POST", HEAD).await;
    assert_eq!(again.told()["DeliveryCount"], 2);
    sleep(Duration::from_secs(40)).await;
    assert_eq!(web.ask("POST", &again.lock()).await.status, 200, "renewed");
    sleep(Duration::from_secs(40)).await;
    assert_eq!(web.ask("DELETE", &again.lock()).await.status, 200, "completed");
    for method in ["DELETE", "PUT", "POST"] {
        assert_eq!(web.ask(method, &again.lock()).await.status, 404, "there is no such lock");
    }
    assert_eq!(emulator.subscription_info("t", "s").unwrap().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_when_it_is_received_is_gone() {
    let emulator = emulator();
    let mut web = Web::connect(&emulator).await;
    emulator.send_raw("t", Message::new("x")).unwrap();
    let got = web.ask("DELETE", HEAD).await;
    assert_eq!((got.status, got.body.as_str()), (200, "x"));
    assert_eq!(got.header("Location"), "");
    assert_eq!(got.told()["SequenceNumber"], 1);
    let info = emulator.subscription_info("t", "s").unwrap();
    assert_eq!((info.waiting, info.locked), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_as_long_as_it_says_and_is_billed() {
    let emulator = emulator();
    let mut web = Web::connect(&emulator).await;
    let start = tokio::time::Instant::now();
    assert_eq!(web.ask("DELETE", HEAD).await.status, 204);
    assert_eq!(start.elapsed().as_secs(), 5);
    let none = "/t/subscriptions/s/messages/head?timeout=0";
    assert_eq!(web.ask("POST", none).await.status, 204);
    assert_eq!(start.elapsed().as_secs(), 5);
    let later = emulator.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(3)).await;
        later.send_raw("t", Message::new("late")).unwrap();
    });
    assert_eq!(web.ask("DELETE", HEAD).await.body, "late");
    assert_eq!(start.elapsed().as_secs(), 8);
    let operations = emulator.subscription_info("t", "s").unwrap().operations;
    assert_eq!((operations.empty_polls, operations.deliveries), (2, 1));
    assert_eq!(emulator.operations().total(), 4);
}

#[tokio::test(start_paused = true)]
async fn amqp_and_http_carry_the_same_messages() {
    let emulator = emulator();
    let mut web = Web::connect(&emulator).await;
    let mut client = Client::connect(&emulator).await;
    let mut sender = client.sender("t").await;
    send_all(&mut sender, 1).await;
    let value = fe2o3_amqp::types::messaging::Message::builder();
    let application = fe2o3_amqp::types::messaging::ApplicationProperties::builder();
    let value = value.application_properties(application.insert("n", 3i64).build());
    sender.send(value.value("text".to_owned()).build()).await.unwrap();
    assert_eq!(web.ask("DELETE", HEAD).await.body, "0");
    let got = web.ask("DELETE", HEAD).await;
    assert_eq!((got.body.as_str(), got.header("n")), ("text", "3"));

    let headers = [("n", "4"), ("BrokerProperties", r#"{"CorrelationId":"c","To":"x"}"#)];
    assert_eq!(web.ask_with("POST", "/t/messages", &headers, "by http").await.status, 201);
    let mut receiver = client.receiver("s", CreditMode::Auto(1)).await;
    let got = receive(&mut receiver).await.unwrap();
    assert_eq!(
        (text(&got), property(&got, "n")),
        ("by http".to_owned(), Some(SimpleValue::Long(4)))
    );
    assert_eq!(got.message().properties.as_ref().unwrap().to.as_deref(), Some("x"));
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_several_messages() {
    let emulator = emulator();
    let mut web = Web::connect(&emulator).await;
    let kind = [("Content-Type", "application/vnd.microsoft.servicebus.json")];
    let body =
        r#"[{"Body":"a","BrokerProperties":{"Label":"1"},"UserProperties":{"n":1}},{"Body":"b"}]"#;
    assert_eq!(web.ask_with("POST", "/t/messages", &kind, body).await.status, 201);
    let first = web.ask("DELETE", HEAD).await;
    assert_eq!((first.body.as_str(), first.header("n")), ("a", "1"));
    assert_eq!(first.told()["Label"], "1");
    assert_eq!(web.ask("DELETE", HEAD).await.body, "b");
    assert_eq!(emulator.operations().sends, 2);
    assert_eq!(web.ask_with("POST", "/t/messages", &kind, "[{}]").await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn bad_requests_have_statuses() {
    let emulator = emulator();
    let mut web = Web::connect(&emulator).await;
    let bad = [("BrokerProperties", "{")];
    assert_eq!(web.ask_with("POST", "/t/messages", &bad, "").await.status, 400);
    let bad = [("BrokerProperties", r#"{"TimeToLive":-1}"#)];
    assert_eq!(web.ask_with("POST", "/t/messages", &bad, "").await.status, 400);
    assert_eq!(web.ask("GET", "/t/messages").await.status, 405);
    assert_eq!(web.ask("POST", "/none/messages").await.status, 404);
    assert_eq!(web.ask("GET", HEAD).await.status, 405);
    assert_eq!(web.ask("POST", "/t/subscriptions/none/messages/head").await.status, 404);
    assert_eq!(web.ask("DELETE", "/t/subscriptions/s/messages/1/nonsense").await.status, 400);
    let large = vec![0; 256 * 1024 + 1];
    assert_eq!(web.ask_with("POST", "/t/messages", &[], large).await.status, 413);
    web.token = sign("http://emulator/t/subscriptions/s", EPOCH + 9, POLICY, KEY);
    assert_eq!(web.ask("POST", "/t/messages").await.status, 401);
    // The address of the request itself, which one client signs.
    web.token = sign(&format!("https://emulator{HEAD}"), EPOCH + 9, POLICY, KEY);
    assert_eq!(web.ask("DELETE", HEAD).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn faults_reach_requests_too() {
    let emulator = emulator();
    let mut web = Web::connect(&emulator).await;
    emulator.cut_after_accept("t", 1);
    assert!(web.try_ask("POST", "/t/messages", &[], "x").await.is_err());
    assert_eq!(emulator.subscription_info("t", "s").unwrap().waiting, 1);
    let mut web = Web::connect(&emulator).await;
    assert_eq!(web.ask("DELETE", HEAD).await.body, "x");
    let other = emulator.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(1)).await;
        other.cut_receivers("t", "s");
    });
    assert!(web.try_ask("DELETE", HEAD, &[], "").await.is_err());
    let mut web = Web::connect(&emulator).await;
    let other = emulator.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(1)).await;
        other.delete_subscription("t", "s").unwrap();
    });
    assert_eq!(web.ask("DELETE", HEAD).await.status, 404);
    emulator.cut_all();
    sleep(Duration::from_secs(1)).await;
    assert!(web.try_ask("GET", "/t", &[], "").await.is_err(), "an idle connection, too");
}
