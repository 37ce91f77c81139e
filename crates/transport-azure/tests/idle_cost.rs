//! What a node costs while nothing happens, in operations as Azure bills them: in virtual time over the emulator.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tokio's stopped clock is the clock of this test, which may panic"
)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use unstale::runtime::BoxFuture;
use unstale::{Cache, Freshness, Node, Runtime, State, Timestamp};
use unstale_azure::{AzureTransport, Connector, Stream};
use unstale_servicebus_emulator::{Clock, Emulator, Operations, Options};

const TOPIC: &str = "invalidations";
/// How long it is watched.
const SECONDS: u32 = 300;
const MINUTE: Duration = Duration::from_secs(60);
const EPOCH: SystemTime = UNIX_EPOCH;

/// tokio's clock, which jumps to the next deadline whenever nobody has anything to do.
#[derive(Debug)]
struct VirtualTime {
    start: tokio::time::Instant,
    seeds: AtomicU64,
}

impl Runtime for VirtualTime {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(1_000_000_000).after(self.start.elapsed())
    }

    fn upper_now(&self) -> Timestamp {
        self.now()
    }

    fn resynchronize(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(deadline.since(self.now())))
    }

    fn spawn(&self, _name: &'static str, task: BoxFuture<()>) {
        tokio::spawn(task);
    }

    fn random_seed(&self) -> u64 {
        self.seeds.fetch_add(1, Ordering::Relaxed)
    }
}

/// Straight into the emulator.
#[derive(Debug)]
struct Direct(Emulator);

#[async_trait]
impl Connector for Direct {
    async fn connect(&self, _host: &str, _port: u16) -> io::Result<Box<dyn Stream>> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let emulator = self.0.clone();
        tokio::spawn(async move { emulator.serve(theirs).await });
        Ok(Box::new(ours))
    }
}

struct Fleet {
    emulator: Emulator,
    nodes: Vec<(Node, Cache<u32, u32>)>,
}

impl Fleet {
    async fn start(nodes: u64) -> Self {
        let emulator = Emulator::new(Options::new(Clock::tokio(EPOCH)));
        emulator.create_topic(TOPIC).unwrap();
        let connection = emulator.connection_string("RootManageSharedAccessKey", "localhost");
        let (start, mut started) = (tokio::time::Instant::now(), Vec::new());
        for node in 0..nodes {
            let seeds = AtomicU64::new(node << 32);
            let runtime: Arc<dyn Runtime> = Arc::new(VirtualTime { start, seeds });
            let transport = AzureTransport::builder()
                .connection_string(connection.as_deref().unwrap())
                .topic(TOPIC)
                .connector(Direct(emulator.clone()))
                .runtime(Arc::clone(&runtime))
                .wall_clock(move || EPOCH + start.elapsed())
                .build()
                .unwrap();
            let node = Node::builder("idle")
                .transport(transport)
                .freshness(Freshness::Within(Duration::from_secs(5)))
                .runtime(runtime)
                .build()
                .unwrap();
            let cache = node.cache("rows").build().unwrap();
            assert!(node.status_stream().reaches(State::Live).await);
            started.push((node, cache));
        }
        // Until the beacons that follow the start have become rare.
        tokio::time::sleep(5 * MINUTE).await;
        Self { emulator, nodes: started }
    }

    /// What the whole fleet costs in five minutes, apart from what is delivered of beacons, and that.
    async fn cost(&self, reads: bool) -> (f64, f64) {
        let (before, beacons) = (self.emulator.operations(), self.beacons());
        for _ in 0..SECONDS {
            if reads {
                self.nodes.iter().for_each(|(_, cache)| {
                    cache.get(&1);
                });
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let delivered = (self.beacons() - beacons) * self.nodes.len() as u64;
        let all = total(&self.emulator.operations()) - total(&before);
        let per_node_s = f64::from(SECONDS) * self.nodes.len() as f64;
        ((all - delivered) as f64 / per_node_s, delivered as f64 / per_node_s)
    }

    fn beacons(&self) -> u64 {
        self.nodes.iter().map(|(node, _)| node.counters().beacons_published).sum()
    }
}

fn total(operations: &Operations) -> u64 {
    operations.sends + operations.deliveries + operations.empty_polls + operations.management
}

/// The bound of 5 s with each node read every second, and with no node read at all.
#[tokio::test(start_paused = true)]
async fn an_idle_fleet_is_cheap() {
    let fleet = Fleet::start(10).await;
    let (unread, beacons) = fleet.cost(false).await;
    println!(
        "unread: {unread:.3} operations a second and node, {beacons:.3} deliveries of beacons"
    );
    assert!(unread <= 1.0, "an unread node costs {unread} operations a second");
    assert!(unread >= 0.1, "without fences nobody notices a dead connection: {unread}");
    let (read, beacons) = fleet.cost(true).await;
    println!("read: {read:.3} operations a second and node, {beacons:.3} deliveries of beacons");
    assert!(read <= 1.5, "a node that is read costs {read} operations a second");
    assert!(read >= 1.0, "without a fence in time it cannot serve for 5 s: {read}");
    // Ten nodes, one beacon a minute each.
    assert!((0.1..0.25).contains(&beacons), "{beacons}");
}
