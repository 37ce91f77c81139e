//! The suite that every transport must pass, on a real server.
#![expect(clippy::disallowed_methods, reason = "tests wait for real servers in real time")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use support::{Options, RedisServer};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use unstale::conformance::{self, Harness, Hook};
use unstale::{Runtime, TokioRuntime, Transport};
use unstale_redis::RedisTransport;

const PASSWORD: &str = "correct-horse";
const WRONG_PASSWORD: &str = "battery-staple";

struct RedisHarness {
    server: Mutex<RedisServer>,
    /// The server's `host:port`.
    address: String,
}

impl RedisHarness {
    async fn start() -> Self {
        let server = Options::new().password(PASSWORD).start().await;
        let address = server.url().replace("redis://", "");
        Self { server: Mutex::new(server), address }
    }

    fn on(&self, channel: u32) -> RedisTransport {
        let url = format!("redis://:{PASSWORD}@{}", self.address);
        RedisTransport::new(url, format!("conformance-{channel}")).unwrap()
    }
}

#[async_trait]
impl Harness for RedisHarness {
    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime::new())
    }

    async fn transport(&self, channel: u32) -> Arc<dyn Transport> {
        Arc::new(self.on(channel))
    }

    fn secrets(&self) -> Vec<String> {
        vec![PASSWORD.to_owned(), WRONG_PASSWORD.to_owned()]
    }

    async fn break_subscriptions(&self) -> Hook {
        let mut connection = self.server.lock().await.connection().await;
        redis::cmd("CLIENT")
            .arg(&["KILL", "TYPE", "pubsub"])
            .exec_async(&mut connection)
            .await
            .unwrap();
        Hook::Done
    }

    async fn restart_broker(&self) -> Hook {
        self.begin_outage().await;
        self.end_outage().await;
        Hook::Done
    }

    async fn begin_outage(&self) -> Hook {
        self.server.lock().await.kill();
        Hook::Done
    }

    async fn end_outage(&self) {
        let mut server = self.server.lock().await;
        // The wait for the server is not `Send`, as it calls an async closure.
        tokio::task::block_in_place(|| Handle::current().block_on(server.restart()));
    }

    async fn publish_foreign(&self, channel: u32, frame: Bytes) -> Hook {
        let mut connection = self.server.lock().await.connection().await;
        redis::cmd("PUBLISH")
            .arg(self.on(channel).channel())
            .arg(&frame[..])
            .exec_async(&mut connection)
            .await
            .unwrap();
        Hook::Done
    }

    async fn subscriptions(&self, channel: u32) -> Option<usize> {
        let mut connection = self.server.lock().await.connection().await;
        let channel = self.on(channel).channel().to_owned();
        let (_, count): (String, usize) = redis::cmd("PUBSUB")
            .arg("NUMSUB")
            .arg(channel)
            .query_async(&mut connection)
            .await
            .unwrap();
        Some(count)
    }

    async fn misconfigured(&self, variant: usize) -> Option<Arc<dyn Transport>> {
        let url = match variant {
            0 => format!("redis://:{WRONG_PASSWORD}@{}", self.address),
            1 => format!("redis://:{PASSWORD}@127.0.0.1:1"),
            _ => return None,
        };
        Some(Arc::new(RedisTransport::new(url, "conformance").unwrap()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_keeps_the_contract() {
    let report = conformance::run(&RedisHarness::start().await).await;
    report.assert_passed();
    assert_eq!(report.skipped().count(), 0, "{report}");
}
