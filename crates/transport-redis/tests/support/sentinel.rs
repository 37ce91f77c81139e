//! A primary, a replica and the sentinels that watch them.

use super::server::{Options, RedisServer};
use super::until;

/// One primary with one replica, and three sentinels of which two suffice.
pub struct Sentinels {
    pub servers: Vec<RedisServer>,
    pub sentinels: Vec<RedisServer>,
}

/// The name under which the sentinels know the primary.
pub const MASTER: &str = "mymaster";

impl Sentinels {
    /// Starts them.
    pub async fn start() -> Self {
        Self::start_servers(|options| options, None).await
    }

    /// Starts them; the servers ask for a password, the sentinels do not.
    pub async fn start_with_password(password: &str) -> Self {
        Self::start_servers(|options| options.password(password), Some(password)).await
    }

    async fn start_servers(configure: impl Fn(Options) -> Options, password: Option<&str>) -> Self {
        let servers =
            vec![configure(Options::new()).start().await, configure(Options::new()).start().await];
        servers[1].replicate(&servers[0]).await;
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            let mut options = Options::new()
                .sentinel()
                .line(format!("sentinel monitor {MASTER} 127.0.0.1 {} 2", servers[0].port()))
                .line(format!("sentinel down-after-milliseconds {MASTER} 500"))
                .line(format!("sentinel failover-timeout {MASTER} 2000"));
            if let Some(password) = password {
                options = options.line(format!("sentinel auth-pass {MASTER} {password}"));
            }
            sentinels.push(options.start().await);
        }
        let started = Self { servers, sentinels };
        started.wait_until_watched().await;
        started
    }

    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(RedisServer::url).collect()
    }

    /// The port of the primary, as the first sentinel sees it.
    pub async fn primary_port(&self) -> u16 {
        let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER];
        let (_, port): (String, u16) =
            redis::from_redis_value(self.sentinels[0].cli(&question).await).expect("an address");
        port
    }

    /// Every sentinel knows the replica and the other sentinels: now they can promote it.
    async fn wait_until_watched(&self) {
        for sentinel in &self.sentinels {
            until("the sentinels to know each other", || async {
                let answer = sentinel.try_cli(&["SENTINEL", "MASTER", MASTER]).await.ok()?;
                let state: std::collections::HashMap<String, String> =
                    redis::from_redis_value(answer).ok()?;
                (state.get("num-slaves")? == "1" && state.get("num-other-sentinels")? == "2")
                    .then_some(())
            })
            .await;
        }
    }
}
