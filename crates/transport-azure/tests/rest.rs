//! Frames over HTTPS: what the conformance suite does not ask for.
#![cfg(feature = "rest")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests use real sockets in real time"
)]

mod support;
#[path = "support/turned_clock.rs"]
mod turned_clock;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use support::{KEY, Namespace, TOPIC, USE_KEY};
use tokio::io::AsyncWriteExt;
use turned_clock::TurnedClock;
use unstale::Transport;
use unstale::transport::{
    Item, Subscription, SubscriptionExt, TransportError, TransportErrorKind as Kind,
};
use unstale_azure::{
    AccessToken, AzureTransport, AzureTransportBuilder, ConfigError, Credential, DataPath,
};
use unstale_servicebus_emulator::{
    BearerToken, Message, Refusal, Rights, Scope, SubscriptionDescription,
};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

type Open = Box<dyn Subscription>;

fn builder(namespace: &Namespace) -> AzureTransportBuilder {
    namespace.builder().path(DataPath::Rest)
}

fn transport(namespace: &Namespace) -> AzureTransport {
    builder(namespace).build().unwrap()
}

async fn next(subscription: &mut Open) -> Result<Item, TransportError> {
    tokio::time::timeout(PATIENCE, subscription.next()).await.expect("an item in time")
}

async fn expect(subscription: &mut Open, frame: &'static [u8]) {
    assert_eq!(next(subscription).await.unwrap(), Item::Frame(Bytes::from_static(frame)));
}

/// Meets a fence, so that all before it has been handed on and is being completed.
async fn fence(subscription: &mut Open, token: u64) {
    subscription.fence(token);
    assert_eq!(next(subscription).await.unwrap(), Item::Fenced(token));
}

/// The only subscription there is.
fn name(namespace: &Namespace) -> String {
    let names = namespace.emulator.subscriptions(TOPIC);
    let [name] = &names[..] else { panic!("one subscription, not {names:?}") };
    name.clone()
}

/// Polls the subscription until nothing of it waits or is locked.
async fn settled(namespace: &Namespace, subscription: &mut Open) {
    let name = name(namespace);
    let empty = async {
        loop {
            let info = namespace.emulator.subscription_info(TOPIC, &name).unwrap();
            if (info.waiting, info.locked) == (0, 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = empty => {}
        item = subscription.next() => panic!("nobody sent {item:?}"),
        () = tokio::time::sleep(PATIENCE) => panic!("messages are left"),
    }
}

#[tokio::test]
async fn what_was_handed_on_is_completed() {
    let namespace = Namespace::start().await;
    let transport = transport(&namespace);
    let mut subscription = transport.subscribe().await.unwrap();
    for _ in 0..50 {
        transport.publish("frame".into()).await.unwrap();
    }
    for _ in 0..50 {
        expect(&mut subscription, b"frame").await;
    }
    fence(&mut subscription, 1).await;
    settled(&namespace, &mut subscription).await;
    assert!(namespace.emulator.dead_letters(TOPIC, &name(&namespace)).is_empty());
}

#[tokio::test]
async fn what_was_not_completed_in_time_comes_once_all_the_same() {
    let clock = TurnedClock::default();
    let namespace = Namespace::start_with(|options| options.clock = clock.emulators()).await;
    let transport = builder(&namespace).wall_clock(clock.clone().reader()).build().unwrap();
    let mut subscription = transport.subscribe().await.unwrap();
    transport.publish("first".into()).await.unwrap();
    expect(&mut subscription, b"first").await;
    // Nobody polls meanwhile, and the lock ends.
    clock.turn(Duration::from_secs(31));
    transport.publish("second".into()).await.unwrap();
    expect(&mut subscription, b"second").await;
    fence(&mut subscription, 7).await;
    settled(&namespace, &mut subscription).await;
}

#[tokio::test]
async fn what_is_delivered_twice_comes_once() {
    let namespace = Namespace::start().await;
    let transport = transport(&namespace);
    let mut subscription = transport.subscribe().await.unwrap();
    namespace.emulator.duplicate_deliveries(TOPIC, &name(&namespace), 2);
    for frame in ["first", "second", "third"] {
        transport.publish(frame.into()).await.unwrap();
    }
    for frame in [b"first".as_slice(), b"second", b"third"] {
        assert_eq!(next(&mut subscription).await.unwrap(), Item::Frame(frame.into()));
    }
    fence(&mut subscription, 1).await;
}

#[tokio::test]
async fn a_lost_message_ends_the_subscription() {
    let namespace = Namespace::start().await;
    let transport = transport(&namespace);
    let mut subscription = transport.subscribe().await.unwrap();
    namespace.emulator.lose_copies(TOPIC, &name(&namespace), 1);
    transport.publish("lost".into()).await.unwrap();
    transport.publish("after it".into()).await.unwrap();
    assert_eq!(next(&mut subscription).await.unwrap_err().kind(), Kind::Lagged);
    assert_eq!(next(&mut subscription).await.unwrap_err().kind(), Kind::Closed);
}

#[tokio::test]
async fn a_vanished_subscription_ends_and_is_made_again() {
    let namespace = Namespace::start().await;
    let transport = transport(&namespace);
    let mut subscription = transport.subscribe().await.unwrap();
    let name = name(&namespace);
    namespace.emulator.delete_subscription(TOPIC, &name).unwrap();
    let error = next(&mut subscription).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
    drop(subscription);
    let mut subscription = transport.subscribe().await.unwrap();
    assert_eq!(namespace.emulator.subscriptions(TOPIC), [name]);
    transport.publish("frame".into()).await.unwrap();
    expect(&mut subscription, b"frame").await;
}

#[tokio::test]
async fn a_subscription_that_counts_anew_ends() {
    let clock = TurnedClock::default();
    let namespace = Namespace::start_with(|options| options.clock = clock.emulators()).await;
    namespace.emulator.create_subscription(TOPIC, "given").unwrap();
    let transport = builder(&namespace)
        .subscription("given")
        .wall_clock(clock.clone().reader())
        .build()
        .unwrap();
    let mut subscription = transport.subscribe().await.unwrap();
    for _ in 0..3 {
        transport.publish("frame".into()).await.unwrap();
        expect(&mut subscription, b"frame").await;
    }
    // Between two requests of ours.
    namespace.emulator.delete_subscription(TOPIC, "given").unwrap();
    namespace.emulator.create_subscription(TOPIC, "given").unwrap();
    clock.turn(Duration::from_secs(2));
    transport.publish("frame".into()).await.unwrap();
    assert_eq!(next(&mut subscription).await.unwrap_err().kind(), Kind::Lagged);
}

#[tokio::test]
async fn a_subscription_that_was_given_and_vanished_is_not_made() {
    let namespace = Namespace::start().await;
    let transport = builder(&namespace)
        .connection_string(namespace.connection_string("use", USE_KEY))
        .subscription("given")
        .build()
        .unwrap();
    let error = transport.subscribe().await.err().unwrap();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
    // An operator mends it.
    namespace.emulator.create_subscription(TOPIC, "given").unwrap();
    transport.subscribe().await.unwrap();
}

#[tokio::test]
async fn a_given_subscription_can_be_opened_again_at_once() {
    let namespace = Namespace::start().await;
    namespace.emulator.create_subscription(TOPIC, "given").unwrap();
    let transport = builder(&namespace).subscription("given").build().unwrap();
    for _ in 0..4 {
        let mut subscription = transport.subscribe().await.unwrap();
        for _ in 0..10 {
            transport.publish("frame".into()).await.unwrap();
        }
        for _ in 0..10 {
            expect(&mut subscription, b"frame").await;
        }
        // Requests are on their way.
        tokio::select! {
            item = subscription.next() => panic!("nobody sent {item:?}"),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
    }
}

/// A request that nobody waits for any more is answered all the same, with the opening, which is then locked.
#[tokio::test]
async fn an_opening_that_went_elsewhere_is_sent_again() {
    let namespace = Namespace::start().await;
    namespace.emulator.create_subscription(TOPIC, "given").unwrap();
    let expiry = TurnedClock::default().now() + Duration::from_secs(60);
    let expiry = expiry.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let token = unstale_servicebus_emulator::sign("sb://127.0.0.1/", expiry, "all", KEY);
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", namespace.port())).await.unwrap();
    let request = format!(
        "POST /{TOPIC}/subscriptions/given/messages/head?timeout=60 HTTP/1.1\r\nHost: localhost\r\n\
         Authorization: {token}\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let waits = async {
        let receivers = || namespace.emulator.subscription_info(TOPIC, "given").unwrap().receivers;
        while receivers() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waits).await.expect("the other request waits");

    let transport = builder(&namespace).subscription("given").build().unwrap();
    let mut subscription = transport.subscribe().await.unwrap();
    transport.publish("frame".into()).await.unwrap();
    expect(&mut subscription, b"frame").await;
    assert_eq!(namespace.emulator.subscription_info(TOPIC, "given").unwrap().locked, 2);
}

#[tokio::test]
async fn what_waited_in_a_given_subscription_is_left_out() {
    let namespace = Namespace::start().await;
    let description = SubscriptionDescription::new("given");
    let rule = unstale_servicebus_emulator::Rule::default_rule();
    namespace.emulator.create_subscription_with(TOPIC, description, rule).unwrap();
    let transport = builder(&namespace).subscription("given").build().unwrap();
    for _ in 0..20 {
        transport.publish("before".into()).await.unwrap();
    }
    let mut subscription = transport.subscribe().await.unwrap();
    transport.publish("after".into()).await.unwrap();
    expect(&mut subscription, b"after").await;
    settled(&namespace, &mut subscription).await;
}

#[tokio::test]
async fn a_dropped_and_a_closed_subscription_are_deleted() {
    let namespace = Namespace::start().await;
    let transport = transport(&namespace);
    for closes in [false, true] {
        let mut subscription = transport.subscribe().await.unwrap();
        transport.publish("frame".into()).await.unwrap();
        expect(&mut subscription, b"frame").await;
        // The wait for the next one has begun.
        tokio::select! {
            item = subscription.next() => panic!("nobody sent {item:?}"),
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
        if closes {
            subscription.close().await;
        } else {
            drop(subscription);
        }
        let gone = async {
            while !namespace.emulator.subscriptions(TOPIC).is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("the subscription is deleted");
    }
}

#[tokio::test]
async fn foreign_messages_arrive_as_they_are() {
    let namespace = Namespace::start().await;
    let transport = transport(&namespace);
    let mut subscription = transport.subscribe().await.unwrap();
    let bodies: [&'static [u8]; 4] = [b"", b"plain text", b"aGk=", &[0, 159, 146, 150, 255]];
    for body in bodies {
        namespace.emulator.send_raw(TOPIC, Message::new(body)).unwrap();
    }
    for body in bodies {
        expect(&mut subscription, body).await;
    }
    // With a header that is not only ASCII.
    let odd = Message::new("odd").with_property("kind", "é".to_owned());
    namespace.emulator.send_raw(TOPIC, odd).unwrap();
    expect(&mut subscription, b"odd").await;
}

#[tokio::test]
async fn connections_that_broke_while_they_were_idle_do_no_harm() {
    let namespace = Namespace::start().await;
    let transport = transport(&namespace);
    transport.publish("before".into()).await.unwrap();
    namespace.go_away();
    namespace.come_back().await;
    transport.publish("after".into()).await.unwrap();
}

#[tokio::test]
async fn a_throttled_namespace_says_how_long_to_wait() {
    let namespace = Namespace::start().await;
    let transport = transport(&namespace);
    namespace.emulator.throttle(true);
    let error = transport.publish("frame".into()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Throttled, "{error}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(10)));
    namespace.emulator.throttle(false);
    transport.publish("frame".into()).await.unwrap();
}

#[tokio::test]
async fn what_the_service_says_is_told() {
    let namespace = Namespace::start().await;
    let transport = transport(&namespace);
    let reason = Refusal::new("amqp:resource-limit-exceeded", "The topic is full.");
    namespace.emulator.refuse_sends(TOPIC, reason, 1);
    let error = transport.publish("frame".into()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Throttled, "{error}");
    let text = error.to_string();
    assert!(text.starts_with("sending: 403") && text.contains("The topic is full"), "{text}");
}

#[tokio::test]
async fn a_signature_that_expired_is_replaced() {
    let clock = TurnedClock::default();
    let namespace = Namespace::start_with(|options| options.clock = clock.emulators()).await;
    let transport = builder(&namespace)
        .token_lifetime(Duration::from_secs(60))
        .wall_clock(clock.clone().reader())
        .build()
        .unwrap();
    let mut subscription = transport.subscribe().await.unwrap();
    for _ in 0..3 {
        transport.publish("frame".into()).await.unwrap();
        expect(&mut subscription, b"frame").await;
        clock.turn(Duration::from_secs(25));
    }
    // A minute has passed since the first one.
    fence(&mut subscription, 1).await;
}

#[tokio::test]
async fn a_token_that_expired_is_replaced() {
    let clock = TurnedClock::default();
    let namespace = Namespace::start_with(|options| options.clock = clock.emulators()).await;
    let (emulator, date) = (namespace.emulator.clone(), clock.clone());
    let issued = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&issued);
    let credential = Credential::from_fn(move || {
        let token = format!("eyJ.{}", counter.fetch_add(1, Ordering::Relaxed));
        let expires_at = date.now() + Duration::from_secs(100);
        emulator.accept_bearer(BearerToken {
            token: token.clone(),
            rights: Rights::MANAGE,
            scope: Scope::Namespace,
            expires_at,
        });
        async move { Ok(AccessToken::new(token, expires_at)) }
    });
    let transport = builder(&namespace)
        .credential(credential)
        .wall_clock(clock.clone().reader())
        .build()
        .unwrap();
    let mut subscription = transport.subscribe().await.unwrap();
    for round in 1..4 {
        transport.publish("frame".into()).await.unwrap();
        expect(&mut subscription, b"frame").await;
        assert_eq!(issued.load(Ordering::Relaxed), round);
        // Only a long wait is left, which was begun with the old token.
        tokio::select! {
            item = subscription.next() => panic!("nobody sent {item:?}"),
            () = tokio::time::sleep(Duration::from_millis(1_500)) => {}
        }
        clock.turn(Duration::from_secs(101));
    }
}

#[tokio::test]
async fn a_given_signature_that_expired_is_said_to_have() {
    let clock = TurnedClock::default();
    let namespace = Namespace::start_with(|options| options.clock = clock.emulators()).await;
    let since_epoch = clock.now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let expiry = since_epoch.as_secs() + 120;
    let uri = format!("sb://127.0.0.1/{TOPIC}");
    let signature = unstale_servicebus_emulator::sign(&uri, expiry, "all", KEY);
    let transport = builder(&namespace)
        .credential(Credential::shared_access_signature(signature))
        .wall_clock(clock.clone().reader())
        .build()
        .unwrap();
    transport.publish("frame".into()).await.unwrap();
    clock.turn(Duration::from_secs(121));
    let error = transport.publish("frame".into()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthorized);
    let shown = format!("{error} {error:?} {transport:?}");
    assert!(shown.contains("expired") && !shown.contains("sig="), "{shown}");
}

#[tokio::test]
async fn frames_leave_room_for_base64() {
    let namespace = Namespace::start().await;
    let largest = transport(&namespace).capabilities().max_frame_bytes;
    assert_eq!(largest, 180 * 1024);
    let error = builder(&namespace).max_frame_bytes(5_463).build().unwrap_err();
    assert_eq!(error, ConfigError::FrameSize(5_463));
    let least = builder(&namespace).max_frame_bytes(5_464).build().unwrap();
    assert_eq!(least.capabilities().max_frame_bytes, 4_098);
}
