//! The conformance suite's grip on the emulator, for a path of the transport.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use unstale::conformance::{Harness, Hook};
use unstale::{Runtime, TokioRuntime, Transport};
use unstale_azure::{AzureTransportBuilder, DataPath};
use unstale_servicebus_emulator::{Message, TopicDescription};

use crate::support::{KEY, Namespace, USE_KEY};

/// Whether transports create their subscriptions, or are given some.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Strategy {
    Automatic,
    Manual,
}

pub(crate) struct OneNamespace {
    namespace: Namespace,
    path: DataPath,
    strategy: Strategy,
    given: AtomicU32,
}

impl OneNamespace {
    pub(crate) async fn start(path: DataPath, strategy: Strategy) -> Self {
        Self { namespace: Namespace::start().await, path, strategy, given: AtomicU32::new(0) }
    }

    /// The topic of a channel.
    fn topic(&self, number: u32) -> String {
        let name = format!("conformance-{number}");
        if !self.namespace.emulator.topics().contains(&name) {
            self.namespace.emulator.create_topic_with(TopicDescription::new(&name)).unwrap();
        }
        name
    }

    fn builder(&self, number: u32) -> AzureTransportBuilder {
        self.namespace.builder().path(self.path).topic(self.topic(number))
    }
}

#[async_trait]
impl Harness for OneNamespace {
    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime::new())
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(20)
    }

    async fn transport(&self, number: u32) -> Arc<dyn Transport> {
        let mut builder = self.builder(number);
        if self.strategy == Strategy::Manual {
            let topic = self.topic(number);
            let names: Vec<_> = (0..4)
                .map(|_| {
                    let name = format!("given-{}", self.given.fetch_add(1, Ordering::Relaxed));
                    self.namespace.emulator.create_subscription(&topic, &name).unwrap();
                    name
                })
                .collect();
            builder = builder
                .connection_string(self.namespace.connection_string("use", USE_KEY))
                .subscriptions(names);
        }
        Arc::new(builder.build().unwrap())
    }

    fn secrets(&self) -> Vec<String> {
        vec![KEY.into(), USE_KEY.into(), "hunter3".into(), "sig=".into()]
    }

    async fn break_subscriptions(&self) -> Hook {
        self.namespace.go_away();
        self.namespace.come_back().await;
        Hook::Done
    }

    // A topic outlives whoever serves it, so a restart is no other sequencer.

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
        match self.path {
            // Over HTTPS a reader is who asks, and who is not polled does not. What has to go is the subscription.
            DataPath::Rest if self.strategy == Strategy::Automatic => {
                Some(emulator.subscriptions(&topic).len())
            }
            DataPath::Rest => None,
            _ => {
                let names = emulator.subscriptions(&topic);
                let infos =
                    names.iter().filter_map(|name| emulator.subscription_info(&topic, name));
                Some(infos.map(|info| info.receivers).sum())
            }
        }
    }

    async fn misconfigured(&self, variant: usize) -> Option<Arc<dyn Transport>> {
        let builder = self.builder(0);
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
