//! The contract of transports, kept over the simulated server: so what the suite asks of a real one, it does.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use unstale::conformance::{self, Harness, Hook};
use unstale::{Runtime, Transport};
use unstale_redis::{RedisTransport, RedisTransportBuilder};
use unstale_sim::redis::{Options, Server};

use crate::support::{Streams, TestRuntime};

const PASSWORD: &str = "hunter2";

struct Simulated(Server);

impl Simulated {
    fn new(resp3: bool) -> Self {
        let options = Options { password: Some(PASSWORD.into()), resp3, ..Options::default() };
        Self(Server::with_options("redis", options))
    }

    fn builder(&self, host: &str, password: &str, number: u32) -> RedisTransportBuilder {
        RedisTransport::builder()
            .url(format!("redis://:{password}@{host}"))
            .channel(channel(number))
            .connector(Streams { servers: vec![self.0.clone()], peer: "a".into() })
            .runtime(TestRuntime::new())
    }
}

fn channel(number: u32) -> String {
    format!("unstale:conformance{number}")
}

#[async_trait]
impl Harness for Simulated {
    fn runtime(&self) -> Arc<dyn Runtime> {
        TestRuntime::new()
    }

    async fn transport(&self, number: u32) -> Arc<dyn Transport> {
        Arc::new(self.builder("redis", PASSWORD, number).build().unwrap())
    }

    fn secrets(&self) -> Vec<String> {
        vec![PASSWORD.into(), "hunter3".into()]
    }

    async fn break_subscriptions(&self) -> Hook {
        self.0.kill_all();
        Hook::Done
    }

    async fn restart_broker(&self) -> Hook {
        self.0.restart();
        Hook::Done
    }

    async fn begin_outage(&self) -> Hook {
        self.0.set_up(false);
        Hook::Done
    }

    async fn end_outage(&self) {
        self.0.restart();
        self.0.set_up(true);
    }

    async fn publish_foreign(&self, number: u32, frame: Bytes) -> Hook {
        self.0.publish_foreign(channel(number), frame);
        Hook::Done
    }

    async fn subscriptions(&self, number: u32) -> Option<usize> {
        Some(self.0.subscribers(channel(number).as_bytes()))
    }

    async fn misconfigured(&self, variant: usize) -> Option<Arc<dyn Transport>> {
        let builder = match variant {
            0 => self.builder("redis", "hunter3", 0),
            1 => self.builder("nowhere", PASSWORD, 0),
            _ => return None,
        };
        Some(Arc::new(builder.build().unwrap()))
    }
}

async fn keeps_the_contract(resp3: bool) {
    let report = conformance::run(&Simulated::new(resp3)).await;
    report.assert_passed();
    // The same that a real server skips.
    let skipped: Vec<_> = report.skipped().collect();
    assert!(skipped.is_empty(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn the_simulated_server_keeps_the_contract() {
    keeps_the_contract(true).await;
}

#[tokio::test(start_paused = true)]
async fn the_simulated_old_server_keeps_the_contract() {
    keeps_the_contract(false).await;
}
