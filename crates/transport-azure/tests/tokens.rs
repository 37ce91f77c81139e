//! Tokens: renewed before they expire, refused when they are wrong, never shown.
#![cfg(feature = "amqp")]
#![expect(clippy::disallowed_methods, reason = "tests wait for real sockets in real time")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use support::{Namespace, TOPIC, soon, until};
use unstale::Transport;
use unstale::transport::{Item, SubscriptionExt, TransportErrorKind as Kind};
use unstale_azure::{AccessToken, Credential};
use unstale_servicebus_emulator::{BearerToken, Policy, Rights, Scope};

/// A namespace that takes tokens called `token-1`, `token-2` …, each for a while.
fn credential(namespace: &Namespace, lasts: Duration, issued: &Arc<AtomicU64>) -> Credential {
    let (emulator, issued) = (namespace.emulator.clone(), Arc::clone(issued));
    Credential::from_fn(move || {
        let number = issued.fetch_add(1, Ordering::SeqCst) + 1;
        let (token, expires_at) = (format!("token-{number}"), SystemTime::now() + lasts);
        emulator.accept_bearer(BearerToken {
            token: token.clone(),
            rights: Rights::MANAGE,
            scope: Scope::Namespace,
            expires_at,
        });
        async move { Ok(AccessToken::new(token, expires_at)) }
    })
}

/// A subscription outlives many of its tokens, since each is renewed with a part of its time left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_renewed_before_they_expire() {
    let namespace = Namespace::start().await;
    let issued = Arc::<AtomicU64>::default();
    let credential = credential(&namespace, Duration::from_secs(2), &issued);
    let transport = namespace.builder().credential(credential).build().unwrap();
    let mut subscription = transport.subscribe().await.unwrap();
    let before = issued.load(Ordering::SeqCst);
    until("some renewals", async || (issued.load(Ordering::SeqCst) >= before + 6).then_some(()))
        .await;
    transport.publish(Bytes::from_static(b"still here")).await.unwrap();
    let item = soon("the frame", subscription.next()).await.unwrap();
    assert_eq!(item, Item::Frame(Bytes::from_static(b"still here")));
}

/// A token that cannot be renewed ends the subscription when it expires, with the reason.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_not_renewed_ends_the_subscription() {
    let namespace = Namespace::start().await;
    let issued = Arc::<AtomicU64>::default();
    let lasts = Duration::from_secs(3);
    let good = credential(&namespace, lasts, &issued);
    let transport = namespace.builder().credential(good).build().unwrap();
    let mut subscription = transport.subscribe().await.unwrap();
    namespace.emulator.expire_tokens();
    let error = soon("the end", subscription.next()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthorized);
    assert!(error.to_string().contains("Send and Listen"), "{error}");
    // The credential has not changed: a new subscription works at once.
    transport.subscribe().await.unwrap();
}

/// What each right is needed for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_right_is_named() {
    let namespace = Namespace::start_with(|options| {
        for (name, rights) in [("send", Rights::SEND), ("listen", Rights::LISTEN)] {
            let (name, key) = (name.to_owned(), "hunter2".to_owned());
            options.policies.push(Policy { name, key, rights, scope: Scope::Namespace });
        }
    })
    .await;
    namespace.emulator.create_subscription(TOPIC, "given").unwrap();
    let by = |policy: &str| {
        let connection = namespace.connection_string(policy, "hunter2");
        namespace.builder().connection_string(connection)
    };
    let refused = |result: Result<(), unstale::transport::TransportError>| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::Unauthorized, "{error}");
        assert!(error.to_string().contains("Send and Listen, and Manage"), "{error}");
    };
    // To create a subscription one must manage.
    refused(by("listen").build().unwrap().subscribe().await.map(drop));
    // To read one that is there: listen, and send for the fences.
    refused(by("send").subscription("given").build().unwrap().subscribe().await.map(drop));
    refused(by("listen").subscription("given").build().unwrap().subscribe().await.map(drop));
    refused(by("listen").build().unwrap().publish(Bytes::from_static(b"x")).await);
    by("send").build().unwrap().publish(Bytes::from_static(b"x")).await.unwrap();
}
