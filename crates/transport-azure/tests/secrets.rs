//! No key, signature or token is in any trace, error or `Debug` text, whatever fails.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests wait for real sockets in real time, and may panic"
)]

mod support;

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use support::{KEY, Namespace, TOPIC, USE_KEY, until};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use unstale::transport::TransportError;
use unstale::{Node, State, Transport};
use unstale_azure::{AccessToken, AzureTransport, ClientSecret, Credential};
use unstale_servicebus_emulator::Refusal;

const WRONG_KEY: &str = "hunter2-wrong";
const TOKEN: &str = "eyJhunter2-token";

/// Writes down everything that anybody traces, at every level.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<String>>);

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl Everything {
    fn add(&self, what: &str) {
        self.0.lock().unwrap().push_str(&format!("\n{what}"));
    }

    /// An error and its causes, as they are shown and as they are debugged.
    fn add_error(&self, error: &dyn std::error::Error) {
        self.add(&format!("{error} {error:?}"));
        if let Some(source) = error.source() {
            self.add_error(source);
        }
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Fields(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        text.push('\n');
        event.record(&mut Fields(&mut text));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Subscribes and publishes; what fails is written down.
async fn try_out(everything: &Everything, transport: &AzureTransport) -> usize {
    everything.add(&format!("{transport:?}"));
    let mut failures = 0;
    let mut note = |error: TransportError| {
        everything.add_error(&error);
        failures += 1;
    };
    transport.subscribe().await.map(drop).unwrap_or_else(&mut note);
    transport.publish(Bytes::from_static(b"frame")).await.unwrap_or_else(&mut note);
    failures
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_failure_shows_a_secret() {
    let everything = Everything::default();
    tracing::subscriber::set_global_default(everything.clone()).unwrap();
    let namespace = Namespace::start().await;
    let failing = [
        namespace.builder().connection_string(namespace.connection_string("all", WRONG_KEY)),
        namespace.builder().connection_string(namespace.connection_string("nobody", WRONG_KEY)),
        namespace.builder().connection_string(format!(
            "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=all;SharedAccessKey={WRONG_KEY};\
             UseDevelopmentEmulator=true"
        )),
        namespace.builder().topic("no-such-topic"),
        namespace.builder().credential(Credential::shared_access_signature(format!(
            "SharedAccessSignature sr=x&sig={WRONG_KEY}&se=99999999999&skn=all"
        ))),
        namespace.builder().credential(Credential::shared_access_signature(format!(
            "SharedAccessSignature sr=x&sig={WRONG_KEY}&se=1&skn=all"
        ))),
        namespace.builder().credential(Credential::from_fn(|| async {
            Ok(AccessToken::new(TOKEN, std::time::SystemTime::now() + Duration::from_secs(600)))
        })),
        namespace
            .builder()
            .credential(Credential::from_fn(|| async { Err("no token today".into()) })),
        namespace.builder().credential(Credential::client_secret(
            ClientSecret::new("tenant", "client", WRONG_KEY).authority("http://127.0.0.1:1"),
        )),
    ];
    for builder in failing {
        everything.add(&format!("{builder:?}"));
        let transport = builder.build().unwrap();
        assert_eq!(try_out(&everything, &transport).await, 2, "{transport:?}");
    }
    // What cannot even be built.
    for text in [
        format!("Endpoint=sb://h/;SharedAccessKey={WRONG_KEY}"),
        format!("Endpoint=sb://h/;SharedAccessKeyName=a;{WRONG_KEY}"),
        format!("{WRONG_KEY}=;Endpoint=sb://h/"),
        format!("Endpoint=sb://h/;SharedAccessSignature={WRONG_KEY}"),
    ] {
        everything.add_error(&AzureTransport::new(text, TOPIC).unwrap_err());
    }
    // A node that lives through all the weather there is.
    let transport = namespace.transport();
    let node = Node::builder("secrets").transport(transport).build().unwrap();
    assert!(node.status_stream().reaches(State::Live).await);
    let live = || until("a live node", async || (node.status().state == State::Live).then_some(()));
    let emulator = &namespace.emulator;
    emulator.refuse_sends(TOPIC, Refusal::new("amqp:resource-limit-exceeded", "full"), 2);
    node.invalidate_tag("t").published().await.unwrap();
    emulator.expire_tokens();
    until("an end of the subscription", async || {
        (node.counters().subscription_failures > 0).then_some(())
    })
    .await;
    live().await;
    emulator.cut_all();
    emulator.throttle(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    everything.add(&node.status().to_string());
    emulator.throttle(false);
    live().await;
    everything.add(&format!("{node:?} {}", node.status()));
    node.shutdown(Duration::from_secs(5)).await.unwrap();

    let text = everything.0.lock().unwrap();
    // It is not empty for another reason.
    for said in ["refused", "no token today", "throttled", "status", "the token"] {
        assert!(text.contains(said), "nothing was written down of {said}: {text}");
    }
    for secret in [KEY, USE_KEY, WRONG_KEY, TOKEN, "sig=", "hunter2"] {
        let found = text.find(secret).map(|at| &text[at.saturating_sub(300)..at]);
        assert!(found.is_none(), "{secret} after: {}", found.unwrap_or_default());
    }
}
