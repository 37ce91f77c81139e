//! The contract of transports, kept over every way to a real server.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests wait for real servers in real time; what a harness cannot do panics"
)]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use support::cluster::Cluster;
use support::{Options, RedisServer};
use tokio::sync::Mutex;
use unstale::conformance::{self, Harness, Hook};
use unstale::{Runtime, TokioRuntime, Transport};
use unstale_redis::{RedisTransport, RedisTransportBuilder};

const PASSWORD: &str = "hunter2";

fn channel(number: u32) -> String {
    format!("unstale:conformance{number}")
}

/// How the transports of a run reach the server.
#[derive(Clone, Copy)]
enum Way {
    Url,
    Given,
    #[cfg(feature = "fred")]
    Fred,
}

/// One server, which asks for a password.
struct OneServer {
    server: Mutex<RedisServer>,
    way: Way,
}

impl OneServer {
    async fn start(options: Options, way: Way) -> Self {
        Self { server: Mutex::new(options.password(PASSWORD).start().await), way }
    }

    async fn builder(&self, password: &str, number: u32) -> RedisTransportBuilder {
        RedisTransport::builder()
            .url(self.server.lock().await.url())
            .credentials("", password)
            .channel(channel(number))
    }
}

#[async_trait]
impl Harness for OneServer {
    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime::new())
    }

    async fn transport(&self, number: u32) -> Arc<dyn Transport> {
        let builder = self.builder(PASSWORD, number).await;
        match self.way {
            Way::Url => Arc::new(builder.build().unwrap()),
            Way::Given => {
                let server = self.server.lock().await;
                let connection = given::Reconnecting::new(server.client());
                Arc::new(builder.publish_with(connection).build().unwrap())
            }
            #[cfg(feature = "fred")]
            Way::Fred => {
                let port = self.server.lock().await.port();
                Arc::new(by_fred::transport(port, PASSWORD, number).await)
            }
        }
    }

    fn secrets(&self) -> Vec<String> {
        vec![PASSWORD.into(), "hunter3".into()]
    }

    async fn break_subscriptions(&self) -> Hook {
        self.server.lock().await.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        Hook::Done
    }

    async fn restart_broker(&self) -> Hook {
        self.server.lock().await.restart().await;
        Hook::Done
    }

    async fn begin_outage(&self) -> Hook {
        self.server.lock().await.kill();
        Hook::Done
    }

    async fn end_outage(&self) {
        self.server.lock().await.restart().await;
    }

    async fn publish_foreign(&self, number: u32, frame: Bytes) -> Hook {
        let mut connection = self.server.lock().await.connection().await;
        redis::cmd("PUBLISH")
            .arg(channel(number))
            .arg(&frame[..])
            .exec_async(&mut connection)
            .await
            .expect("publish");
        Hook::Done
    }

    async fn subscriptions(&self, number: u32) -> Option<usize> {
        // A fred client stays subscribed on purpose.
        #[cfg(feature = "fred")]
        if matches!(self.way, Way::Fred) {
            return None;
        }
        let server = self.server.lock().await;
        let answer = server.cli(&["PUBSUB", "NUMSUB", &channel(number)]).await;
        let (_, count): (String, usize) = redis::from_redis_value(answer).expect("a count");
        Some(count)
    }

    async fn misconfigured(&self, variant: usize) -> Option<Arc<dyn Transport>> {
        let builder = match variant {
            0 => self.builder("hunter3", 0).await,
            1 => RedisTransport::builder()
                .url(format!("redis://:{PASSWORD}@127.0.0.1:{}", support::server::free_port()))
                .channel(channel(0)),
            _ => return None,
        };
        Some(Arc::new(builder.build().unwrap()))
    }
}

mod given {
    use std::sync::Arc;

    use redis::aio::{ConnectionLike, MultiplexedConnection};
    use redis::{Cmd, Pipeline, RedisFuture, Value};
    use tokio::sync::Mutex;

    /// What an application's own pool or manager does: it connects again by itself.
    #[derive(Clone)]
    pub(crate) struct Reconnecting {
        client: redis::Client,
        connection: Arc<Mutex<Option<MultiplexedConnection>>>,
    }

    impl Reconnecting {
        pub(crate) fn new(client: redis::Client) -> Self {
            Self { client, connection: Arc::default() }
        }

        async fn connection(&self) -> redis::RedisResult<MultiplexedConnection> {
            let mut slot = self.connection.lock().await;
            if let Some(connection) = &*slot {
                return Ok(connection.clone());
            }
            let connection = self.client.get_multiplexed_async_connection().await?;
            Ok(slot.insert(connection).clone())
        }
    }

    impl ConnectionLike for Reconnecting {
        fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
            Box::pin(async move {
                let result = self.connection().await?.req_packed_command(command).await;
                if result.is_err() {
                    *self.connection.lock().await = None;
                }
                result
            })
        }

        fn req_packed_commands<'a>(
            &'a mut self,
            pipeline: &'a Pipeline,
            offset: usize,
            count: usize,
        ) -> RedisFuture<'a, Vec<Value>> {
            Box::pin(async move {
                let mut connection = self.connection().await?;
                let result = connection.req_packed_commands(pipeline, offset, count).await;
                if result.is_err() {
                    *self.connection.lock().await = None;
                }
                result
            })
        }

        fn get_db(&self) -> i64 {
            0
        }
    }
}

#[cfg(feature = "fred")]
mod by_fred {
    use std::time::Duration;

    use fred::prelude::{Builder, ClientLike, Config, ReconnectPolicy};
    use fred::types::RespVersion;
    use unstale_redis::FredTransport;

    pub(crate) async fn transport(port: u16, password: &str, number: u32) -> FredTransport {
        let url = format!("redis://:{password}@127.0.0.1:{port}");
        let mut config = Config::from_url(&url).unwrap();
        config.version = RespVersion::RESP3;
        let mut builder = Builder::from_config(config);
        builder
            .with_performance_config(|performance| performance.broadcast_channel_capacity = 100_000)
            .set_policy(ReconnectPolicy::new_constant(0, 50));
        let subscriber = builder.build_subscriber_client().unwrap();
        let publisher = builder.build().unwrap();
        subscriber.connect();
        publisher.connect();
        // With the server away they connect later.
        let connected = async {
            let _ = subscriber.wait_for_connect().await;
            let _ = publisher.wait_for_connect().await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(5), connected).await;
        FredTransport::new(subscriber, publisher, &format!("conformance{number}")).unwrap()
    }
}

/// Three servers; the channels are spread over them.
struct Sharded(Cluster);

#[async_trait]
impl Harness for Sharded {
    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime::new())
    }

    async fn transport(&self, number: u32) -> Arc<dyn Transport> {
        let builder = RedisTransport::builder().cluster(self.0.urls()).channel(channel(number));
        Arc::new(builder.build().unwrap())
    }

    async fn break_subscriptions(&self) -> Hook {
        for node in &self.0.nodes {
            node.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        }
        Hook::Done
    }

    async fn subscriptions(&self, number: u32) -> Option<usize> {
        let name = channel(number);
        let owner = &self.0.nodes[Cluster::owner(self.0.slot(&name).await)];
        let answer = owner.cli(&["PUBSUB", "SHARDNUMSUB", &name]).await;
        let (_, count): (String, usize) = redis::from_redis_value(answer).expect("a count");
        Some(count)
    }

    async fn publish_foreign(&self, number: u32, frame: Bytes) -> Hook {
        let name = channel(number);
        let owner = &self.0.nodes[Cluster::owner(self.0.slot(&name).await)];
        redis::cmd("SPUBLISH")
            .arg(name)
            .arg(&frame[..])
            .exec_async(&mut owner.connection().await)
            .await
            .expect("publish");
        Hook::Done
    }
}

#[tokio::test]
async fn one_server_keeps_the_contract() {
    let harness = OneServer::start(Options::new(), Way::Url).await;
    conformance::run(&harness).await.assert_passed();
}

#[tokio::test]
async fn an_old_server_keeps_the_contract() {
    let old = Options::new().line("rename-command HELLO \"\"");
    conformance::run(&OneServer::start(old, Way::Url).await).await.assert_passed();
}

#[tokio::test]
async fn a_given_connection_keeps_the_contract() {
    let harness = OneServer::start(Options::new(), Way::Given).await;
    conformance::run(&harness).await.assert_passed();
}

#[tokio::test]
async fn a_cluster_keeps_the_contract() {
    conformance::run(&Sharded(Cluster::start().await)).await.assert_passed();
}

#[cfg(feature = "fred")]
#[tokio::test]
async fn fred_keeps_the_contract() {
    let harness = OneServer::start(Options::new(), Way::Fred).await;
    conformance::run(&harness).await.assert_passed();
}
