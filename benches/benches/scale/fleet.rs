//! A fleet on one Redis: idle, with single invalidations, and in a flood.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use unstale::Counters;
use unstale_benches::{
    Member, Meter, RedisServer, Report, Work, flood, process_cpu_time, shuffled,
};
use unstale_redis::RedisTransport;

use crate::Size;

/// Nodes that start at the same time.
const STARTING: usize = 50;
/// Until the beacons that follow the start have become rare.
const SETTLING: Duration = Duration::from_secs(10);
const CAPACITY: u64 = 1_000;

pub(crate) async fn run(report: &mut Report, nodes: usize, size: Size) -> Result<(), String> {
    let server = RedisServer::start()?;
    let mut fleet = Fleet::start(&server, nodes).await;
    tokio::time::sleep(SETTLING).await;
    let group = format!("redis, {nodes} nodes");
    let idle = fleet.idle(report, &group, Duration::from_secs(size.idle_s)).await;
    fleet.singles(report, &group, size.singles, idle).await;
    fleet.flood(report, &group, size.heard / nodes as u64).await;
    fleet.shut_down().await;
    Ok(())
}

struct Fleet {
    writer: Arc<Member>,
    /// All others.
    readers: Vec<Member>,
    meter: Meter,
}

/// What has been done by some moment, and between two.
#[derive(Clone)]
struct Spent {
    at: Instant,
    nodes_cpu: Duration,
    server: Work,
    counters: Counters,
}

struct Difference {
    seconds: f64,
    /// Of all nodes, in seconds.
    nodes_cpu_s: f64,
    server: Work,
    beacons: u64,
}

impl Fleet {
    async fn start(server: &RedisServer, nodes: usize) -> Self {
        let transport = || RedisTransport::new(server.url(), "scale").unwrap();
        let writer = Arc::new(Member::start(transport(), CAPACITY).await);
        let mut readers = Vec::new();
        while readers.len() + 1 < nodes {
            let mut starting = JoinSet::new();
            for _ in 0..STARTING.min(nodes - 1 - readers.len()) {
                starting.spawn(Member::start(transport(), CAPACITY));
            }
            readers.extend(starting.join_all().await);
        }
        Self { writer, readers, meter: server.meter() }
    }

    fn spent(&mut self) -> Spent {
        let nodes = self.readers.iter().chain([&*self.writer]);
        let counters = nodes.map(|member| member.node.counters());
        Spent {
            counters: counters.fold(Counters::default(), Counters::plus),
            nodes_cpu: process_cpu_time(),
            server: self.meter.read(),
            at: Instant::now(),
        }
    }

    fn since(&mut self, before: &Spent) -> Difference {
        let now = self.spent();
        Difference {
            seconds: now.at.duration_since(before.at).as_secs_f64(),
            nodes_cpu_s: (now.nodes_cpu - before.nodes_cpu).as_secs_f64(),
            server: now.server.since(&before.server),
            beacons: now.counters.beacons_published - before.counters.beacons_published,
        }
    }

    fn len(&self) -> f64 {
        1.0 + self.readers.len() as f64
    }

    /// What it costs while nothing happens.
    async fn idle(&mut self, report: &mut Report, group: &str, duration: Duration) -> Difference {
        let before = self.spent();
        tokio::time::sleep(duration).await;
        let spent = self.since(&before);
        let per_node = |all: f64| all / spent.seconds / self.len();
        let percent = |seconds: f64| 100.0 * per_node(seconds);
        report.add(group, "idle, beacons of all", "1/s", spent.beacons as f64 / spent.seconds);
        report.add(group, "idle, round trips a node", "1/s", per_node(spent.server.reads as f64));
        let bytes = (spent.server.bytes_in + spent.server.bytes_out) as f64;
        report.add(group, "idle, bytes a node", "B/s", per_node(bytes));
        report.add(group, "idle, processor a node", "% of a core", percent(spent.nodes_cpu_s));
        let server = percent(spent.server.cpu.as_secs_f64());
        report.add(group, "idle, server a node", "% of a core", server);
        spent
    }

    /// One invalidation after the other, each published before the next one. What the fleet costs anyway is taken off.
    async fn singles(&mut self, report: &mut Report, group: &str, count: u64, idle: Difference) {
        let heard: Vec<u64> = self.readers.iter().map(Member::heard).collect();
        let before = self.spent();
        for key in 0..count {
            self.writer.cache.invalidate(&key).published().await.unwrap();
        }
        self.until_heard(&heard, count).await;
        let spent = self.since(&before);
        let anyway = spent.seconds / idle.seconds;
        let each = |all: f64, idle: f64| (all - idle * anyway).max(0.0) / count as f64;
        // Whatever was published besides beacons.
        let frames =
            spent.server.calls("publish") - spent.beacons.min(spent.server.calls("publish"));
        report.add(group, "single, frames", "frames", frames as f64 / count as f64);
        let bytes = |work: &Work| (work.bytes_in + work.bytes_out) as f64;
        report.add(group, "single, bytes", "B", each(bytes(&spent.server), bytes(&idle.server)));
        let server = each(spent.server.cpu.as_secs_f64(), idle.server.cpu.as_secs_f64());
        report.add(group, "single, server", "µs", 1e6 * server);
        let nodes = each(spent.nodes_cpu_s, idle.nodes_cpu_s);
        report.add(group, "single, a node", "µs", 1e6 * nodes / self.len());
    }

    /// As many as possible: what each key costs when they leave together.
    async fn flood(&mut self, report: &mut Report, group: &str, keys: u64) {
        let order = shuffled(keys);
        let before = self.spent();
        let took = flood(&self.writer, &self.readers, &order).await;
        let spent = self.since(&before);
        let frames =
            spent.server.calls("publish") - spent.beacons.min(spent.server.calls("publish"));
        report.add(group, "flood, to every node", "keys/s", keys as f64 / took.as_secs_f64());
        report.add(group, "flood, keys in a frame", "keys", keys as f64 / frames.max(1) as f64);
        let each = |seconds: f64| 1e9 * seconds / keys as f64;
        report.add(group, "flood, server a key", "ns", each(spent.server.cpu.as_secs_f64()));
        report.add(group, "flood, a node and key", "ns", each(spent.nodes_cpu_s) / self.len());
    }

    async fn until_heard(&self, before: &[u64], count: u64) {
        for (reader, before) in self.readers.iter().zip(before) {
            while reader.heard() - before < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    async fn shut_down(self) {
        for reader in self.readers {
            reader.shut_down().await;
        }
        Arc::into_inner(self.writer).expect("the flood is over").shut_down().await;
    }
}
