//! The contract of transports, kept by a real namespace; and how long a frame takes through it.
//!
//! Off unless the variable `UNSTALE_AZURE_CONNECTION_STRING` has the connection string of a policy that may manage the
//! whole namespace. It creates topics whose names begin with `unstale-live-`, and deletes them:
//!
//! `UNSTALE_AZURE_CONNECTION_STRING=… cargo test -p unstale-azure --test live -- --nocapture`
#![expect(clippy::unwrap_used, reason = "what a harness cannot do panics")]

mod latency;
#[path = "../support/mod.rs"]
mod support;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use support::{KEY, Namespace};
use tokio::sync::Mutex;
use unstale::conformance::{self, Harness, Report};
use unstale::transport::TransportError;
use unstale::{Runtime, TokioRuntime, Transport};
use unstale_azure::{AzureTransport, AzureTransportBuilder};

use self::latency::Latencies;

const VARIABLE: &str = "UNSTALE_AZURE_CONNECTION_STRING";
/// Frames that are timed.
const SAMPLES: usize = 500;
/// The channel of the frames that are timed: no case has it.
const LATENCY_CHANNEL: u32 = u32::MAX;

/// A namespace that is somewhere, with topics of this run's own.
struct Live {
    connection_string: String,
    runtime: Arc<dyn Runtime>,
    /// What the names of this run's topics begin with.
    prefix: String,
    topics: Mutex<Vec<String>>,
}

impl Live {
    fn new(connection_string: String) -> Self {
        let runtime = Arc::new(TokioRuntime::new());
        let prefix = format!("unstale-live-{:016x}", runtime.random_seed());
        Self { connection_string, runtime, prefix, topics: Mutex::default() }
    }

    fn builder(&self, topic: &str) -> AzureTransportBuilder {
        AzureTransport::builder().connection_string(&self.connection_string).topic(topic)
    }

    /// The topic of a channel, created if need be.
    async fn topic(&self, channel: u32) -> String {
        let topic = format!("{}-{channel}", self.prefix);
        let mut topics = self.topics.lock().await;
        if !topics.contains(&topic) {
            // First, so that one whose creation was answered too late is deleted too.
            topics.push(topic.clone());
            self.builder(&topic).administration().unwrap().create_topic().await.unwrap();
        }
        topic
    }

    async fn delete_topics(&self) {
        for topic in self.topics.lock().await.drain(..) {
            let administration = self.builder(&topic).administration().unwrap();
            if let Err(error) = administration.delete_topic().await {
                eprintln!("live: topic `{topic}` is left behind: {error}");
            }
        }
    }

    fn transport_on(&self, topic: &str) -> Arc<AzureTransport> {
        Arc::new(self.builder(topic).build().unwrap())
    }
}

#[async_trait]
impl Harness for Live {
    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::clone(&self.runtime)
    }

    async fn transport(&self, channel: u32) -> Arc<dyn Transport> {
        let topic = self.topic(channel).await;
        self.transport_on(&topic)
    }

    /// The standard tier throttles, and asks for patience then.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn secrets(&self) -> Vec<String> {
        let key = part(&self.connection_string, "SharedAccessKey");
        key.into_iter().chain([WRONG_KEY, "sig="]).map(str::to_owned).collect()
    }

    async fn misconfigured(&self, variant: usize) -> Option<Arc<dyn Transport>> {
        let topic = self.topic(0).await;
        match variant {
            0 => {
                let key = part(&self.connection_string, "SharedAccessKey")?;
                let wrong = self.connection_string.replace(key, WRONG_KEY);
                Some(Arc::new(self.builder(&topic).connection_string(wrong).build().unwrap()))
            }
            1 => Some(self.transport_on(&format!("{}-no-such-topic", self.prefix))),
            _ => None,
        }
    }
}

const WRONG_KEY: &str = "hunter2hunter2hunter2hunter2hunter2hunter2h=";

/// Everything, on the namespace of this connection string, which is left without any of its topics.
async fn run(connection_string: String) -> (Report, Result<Latencies, TransportError>) {
    let live = Live::new(connection_string);
    // Before anything else: whoever may not create topics is told at once.
    let topic = live.topic(LATENCY_CHANNEL).await;
    let report = conformance::run(&live).await;
    let transports = (live.transport_on(&topic), live.transport_on(&topic));
    let latencies = latency::measure(&*transports.0, &*transports.1, &*live.runtime, SAMPLES).await;
    drop(transports);
    live.delete_topics().await;
    (report, latencies)
}

fn judge((report, latencies): (Report, Result<Latencies, TransportError>)) {
    report.assert_passed();
    println!("\nfrom `publish` on one connection to the frame on another:\n{}", latencies.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_namespace_keeps_the_contract() {
    let connection_string = std::env::var(VARIABLE).unwrap_or_default();
    if connection_string.is_empty() {
        // Not with `println!`, which is shown only of tests that fail.
        let _ =
            writeln!(std::io::stderr(), "live: {VARIABLE} is not set: no real namespace is tested");
        return;
    }
    judge(run(connection_string).await);
}

/// So that the above does what it should on the day on which somebody sets the variable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_emulator_passes_what_a_real_namespace_has_to() {
    let namespace = Namespace::start().await;
    let topics = namespace.emulator.topics();
    let (report, latencies) = run(namespace.connection_string("all", KEY)).await;
    assert_eq!(namespace.emulator.topics(), topics, "no topic is left behind");
    assert_eq!(latencies.as_ref().unwrap().count(), SAMPLES);
    judge((report, latencies));
}

/// The value of a part of a connection string.
fn part<'a>(connection_string: &'a str, name: &str) -> Option<&'a str> {
    let mut parts = connection_string.split(';').filter_map(|part| part.split_once('='));
    parts.find(|(found, _)| found.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
