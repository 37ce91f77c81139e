//! The conformance suite's grip on the emulator, for a path of the transport.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
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
    /// Given subscriptions that were deleted and are missed.
    missed: Mutex<Vec<(String, String)>>,
}

impl OneNamespace {
    pub(crate) async fn start(path: DataPath, strategy: Strategy) -> Self {
        let (given, missed) = (AtomicU32::new(0), Mutex::default());
        Self { namespace: Namespace::start().await, path, strategy, given, missed }
    }

    fn is_rest(&self) -> bool {
        #[cfg(feature = "rest")]
        return self.path == DataPath::Rest;
        #[cfg(not(feature = "rest"))]
        false
    }

    /// The topic of a channel.
    fn topic(&self, number: u32) -> String {
        let name = format!("conformance-{number}");
        if !self.namespace.emulator.topics().contains(&name) {
            self.namespace.emulator.create_topic_with(TopicDescription::new(&name)).unwrap();
        }
        name
    }

    /// Over HTTPS nothing breaks between two requests but the subscription itself.
    fn delete_subscriptions(&self) {
        let emulator = &self.namespace.emulator;
        for topic in emulator.topics() {
            for name in emulator.subscriptions(&topic) {
                emulator.delete_subscription(&topic, &name).unwrap();
                if self.strategy == Strategy::Manual {
                    self.missed.lock().unwrap().push((topic.clone(), name));
                }
            }
        }
    }

    fn builder(&self, number: u32) -> AzureTransportBuilder {
        let builder = self.namespace.builder().path(self.path).topic(self.topic(number));
        // Over HTTPS, what waits in a given subscription takes its time.
        builder.publish_timeout(Duration::from_secs(if self.is_rest() { 15 } else { 3 }))
    }
}

#[async_trait]
impl Harness for OneNamespace {
    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime::new())
    }

    fn time_limit(&self) -> Duration {
        // A message takes several round trips over HTTPS.
        Duration::from_secs(if self.is_rest() { 30 } else { 10 })
    }

    async fn transport(&self, number: u32) -> Arc<dyn Transport> {
        for (topic, name) in self.missed.lock().unwrap().drain(..) {
            self.namespace.emulator.create_subscription(&topic, &name).unwrap();
        }
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
        if self.is_rest() {
            self.delete_subscriptions();
            return Hook::Done;
        }
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
        let names = emulator.subscriptions(&topic);
        let infos = names.iter().filter_map(|name| emulator.subscription_info(&topic, name));
        let receivers: usize = infos.map(|info| info.receivers).sum();
        match (self.is_rest(), self.strategy) {
            // A request that waits is kept for the next link.
            (true, Strategy::Manual) => None,
            // A reader is who asks, and the one that the suite keeps is not polled when it counts.
            (true, Strategy::Automatic) => Some(receivers + 1),
            _ => Some(receivers),
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
