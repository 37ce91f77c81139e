//! The contract of transports, kept over the emulator.
#![cfg(feature = "amqp")]
#![expect(clippy::unwrap_used, reason = "what a harness cannot do panics")]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use support::{KEY, Namespace, USE_KEY};
use unstale::conformance::{self, Harness, Hook};
use unstale::{Runtime, TokioRuntime, Transport};
use unstale_servicebus_emulator::{Message, TopicDescription};

/// Whether transports create their subscriptions, or are given some.
#[derive(Clone, Copy, PartialEq)]
enum Strategy {
    Automatic,
    Manual,
}

struct OneNamespace {
    namespace: Namespace,
    strategy: Strategy,
    given: std::sync::atomic::AtomicU32,
}

impl OneNamespace {
    async fn start(strategy: Strategy) -> Self {
        let namespace = Namespace::start().await;
        Self { namespace, strategy, given: std::sync::atomic::AtomicU32::new(0) }
    }

    /// The topic of a channel.
    fn topic(&self, number: u32) -> String {
        let name = format!("conformance-{number}");
        if !self.namespace.emulator.topics().contains(&name) {
            self.namespace.emulator.create_topic_with(TopicDescription::new(&name)).unwrap();
        }
        name
    }
}

#[async_trait]
impl Harness for OneNamespace {
    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime::new())
    }

    async fn transport(&self, number: u32) -> Arc<dyn Transport> {
        let topic = self.topic(number);
        let mut builder = self.namespace.builder();
        if self.strategy == Strategy::Manual {
            let names: Vec<_> = (0..4)
                .map(|_| {
                    let number = self.given.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let name = format!("given-{number}");
                    self.namespace.emulator.create_subscription(&topic, &name).unwrap();
                    name
                })
                .collect();
            builder = builder
                .connection_string(self.namespace.connection_string("use", USE_KEY))
                .subscriptions(names);
        }
        Arc::new(builder.topic(topic).build().unwrap())
    }

    fn secrets(&self) -> Vec<String> {
        vec![KEY.into(), USE_KEY.into(), "hunter3".into(), "sig=".into()]
    }

    async fn break_subscriptions(&self) -> Hook {
        self.namespace.go_away();
        self.namespace.come_back().await;
        Hook::Done
    }

    // A topic outlives whoever serves it, so a restart is no other sequencer: `outages.rs` has the restarts.

    async fn begin_outage(&self) -> Hook {
        self.namespace.go_away();
        Hook::Done
    }

    async fn end_outage(&self) {
        self.namespace.come_back().await;
    }

    async fn publish_foreign(&self, number: u32, frame: Bytes) -> Hook {
        self.namespace.emulator.send_raw(&self.topic(number), Message::new(frame)).unwrap();
        Hook::Done
    }

    async fn subscriptions(&self, number: u32) -> Option<usize> {
        let topic = self.topic(number);
        let emulator = &self.namespace.emulator;
        let names = emulator.subscriptions(&topic);
        let receivers = names
            .iter()
            .filter_map(|name| emulator.subscription_info(&topic, name))
            .map(|info| info.receivers);
        Some(receivers.sum())
    }

    async fn misconfigured(&self, variant: usize) -> Option<Arc<dyn Transport>> {
        let builder = self.namespace.builder().topic(self.topic(0));
        let builder = match variant {
            0 => builder.connection_string(self.namespace.connection_string("all", "hunter3")),
            1 => builder.connection_string(
                "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=all;SharedAccessKey=hunter3;\
                 UseDevelopmentEmulator=true",
            ),
            2 => builder.topic("no-such-topic"),
            _ => return None,
        };
        Some(Arc::new(builder.build().unwrap()))
    }
}

#[tokio::test]
async fn subscriptions_of_its_own_keep_the_contract() {
    conformance::run(&OneNamespace::start(Strategy::Automatic).await).await.assert_passed();
}

#[tokio::test]
async fn given_subscriptions_keep_the_contract() {
    conformance::run(&OneNamespace::start(Strategy::Manual).await).await.assert_passed();
}
