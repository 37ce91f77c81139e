//! Three primaries that share the slots of a cluster.

use super::server::{Options, RedisServer};
use super::until;

pub struct Cluster {
    pub nodes: Vec<RedisServer>,
}

impl Cluster {
    pub async fn start() -> Self {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            let options = Options::new()
                .line("cluster-enabled yes")
                .line("cluster-config-file nodes.conf")
                .line("cluster-node-timeout 2000")
                // The default bus port is the port plus 10000, which may be no port at all.
                .line(format!("cluster-port {}", super::server::free_port()));
            nodes.push(options.start().await);
        }
        for (index, (from, to)) in [(0, 5460), (5461, 10922), (10923, 16383)].iter().enumerate() {
            let (from, to) = (from.to_string(), to.to_string());
            nodes[index].cli(&["CLUSTER", "ADDSLOTSRANGE", &from, &to]).await;
        }
        let cluster = Self { nodes };
        cluster.meet().await;
        cluster
    }

    async fn meet(&self) {
        let first = &self.nodes[0];
        for node in &self.nodes[1..] {
            let port = node.port().to_string();
            let bus: String = {
                let config = node.cli(&["CONFIG", "GET", "cluster-port"]).await;
                let (_, bus): (String, String) = redis::from_redis_value(config).expect("a pair");
                bus
            };
            first.cli(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
        }
        for node in &self.nodes {
            until("the cluster to form", || async {
                let info = node.text(&["CLUSTER", "INFO"]).await;
                (info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3"))
                    .then_some(())
            })
            .await;
        }
    }

    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// The slot of `name`, as the server computes it.
    pub async fn slot(&self, name: &str) -> u16 {
        let slot = self.nodes[0].number(&["CLUSTER", "KEYSLOT", name]).await;
        u16::try_from(slot).expect("a slot")
    }

    /// Which node owns the slot at the start.
    pub fn owner(slot: u16) -> usize {
        match slot {
            0..=5460 => 0,
            5461..=10922 => 1,
            _ => 2,
        }
    }

    /// Moves an empty slot to another node, and waits until all know.
    pub async fn move_slot(&self, slot: u16, to: usize) {
        let slot = slot.to_string();
        let new_owner = self.nodes[to].text(&["CLUSTER", "MYID"]).await;
        // The new owner first, so that there is no moment without one.
        self.nodes[to].cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &new_owner]).await;
        for node in &self.nodes {
            node.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &new_owner]).await;
        }
    }
}
