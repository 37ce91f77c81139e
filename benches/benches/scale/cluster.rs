//! Lanes: one channel and three on one server, and three that a cluster spreads over its primaries.
//!
//! Three primaries on this machine take the same processors as one. So beside the rate stands what the busiest server
//! spent: that is what ends first on machines of their own. A server's work is its frames, and how many keys go together
//! depends on how busy everybody is: so it is told for a frame as well as for a key.

use std::sync::Arc;
use std::time::Duration;

use unstale::Transport;
use unstale_benches::{Cluster, Member, Meter, RedisServer, Report, flood, shuffled};
use unstale_redis::RedisTransport;

use crate::Size;

const NODES: usize = 8;
const LANES: u16 = 3;
const WITHIN: Duration = Duration::from_secs(5);

pub(crate) async fn run(report: &mut Report, size: Size) -> Result<(), String> {
    let (one, other, cluster) = (RedisServer::start()?, RedisServer::start()?, Cluster::start()?);
    let lane = |server: &RedisServer, lane: u16| -> Arc<dyn Transport> {
        let builder = RedisTransport::builder().url(server.url()).namespace("scale").lane(lane);
        Arc::new(builder.build().unwrap())
    };
    let namespace = spread(&cluster)?;
    let sharded = |lane: u16| -> Arc<dyn Transport> {
        let builder = RedisTransport::builder().cluster(cluster.urls());
        Arc::new(builder.namespace(&namespace).lane(lane).build().unwrap())
    };
    let meters = |servers: &[&RedisServer]| servers.iter().map(|it| it.meter()).collect();
    let primaries: Vec<&RedisServer> = cluster.primaries().iter().collect();
    let mut subjects = [
        Subject::start("one server, one lane", meters(&[&one]), || vec![lane(&one, 0)]).await,
        Subject::start("one server, three lanes", meters(&[&other]), || {
            (0..LANES).map(|number| lane(&other, number)).collect()
        })
        .await,
        Subject::start("three primaries, three lanes", meters(&primaries), || {
            (0..LANES).map(sharded).collect()
        })
        .await,
    ];
    for round in 0..=size.rounds {
        for subject in &mut subjects {
            let measured = subject.flood(size.keys).await;
            if round > 0 {
                subject.turns.push(measured);
            }
        }
    }
    let group = "redis cluster, 8 nodes";
    for subject in &subjects {
        let name = subject.name;
        report.add(group, name, "keys/s", subject.median(|turn| turn.keys_per_s));
        let busiest = subject.median(|turn| turn.busiest_ns);
        report.add(group, format!("{name}, busiest server a key"), "ns", busiest);
        let all = subject.median(|turn| turn.servers_ns);
        report.add(group, format!("{name}, all servers a key"), "ns", all);
        let busiest = subject.median(|turn| turn.busiest_us);
        report.add(group, format!("{name}, busiest server a frame"), "µs", busiest);
        let frame = subject.median(|turn| turn.keys_per_frame);
        report.add(group, format!("{name}, keys in a frame"), "keys", frame);
    }
    let busiest = |subject: &Subject| subject.median(|turn| turn.busiest_us);
    let room = busiest(&subjects[0]) / busiest(&subjects[2]);
    report.add(group, "one server / busiest of three, a frame", "×", room);
    for subject in subjects {
        subject.shut_down().await;
    }
    Ok(())
}

/// A namespace whose channels lie on a primary each, as a cluster spreads many.
fn spread(cluster: &Cluster) -> Result<String, String> {
    let lanes = |namespace: &str| {
        let others = (1..LANES).map(|lane| format!("unstale:{namespace}:{lane}"));
        [format!("unstale:{namespace}")].into_iter().chain(others).collect::<Vec<_>>()
    };
    for number in 0..100 {
        let namespace = format!("scale{number}");
        let owners =
            lanes(&namespace).iter().map(|it| cluster.owner(it)).collect::<Result<Vec<_>, _>>()?;
        if (0..cluster.primaries().len()).all(|primary| owners.contains(&primary)) {
            return Ok(namespace);
        }
    }
    Err("no namespace has its channels on three primaries".into())
}

struct Subject {
    name: &'static str,
    meters: Vec<Meter>,
    writer: Arc<Member>,
    readers: Vec<Member>,
    turns: Vec<Turn>,
}

struct Turn {
    keys_per_s: f64,
    /// Of the busiest server, for each frame of all lanes.
    busiest_us: f64,
    /// The same for each key.
    busiest_ns: f64,
    servers_ns: f64,
    keys_per_frame: f64,
}

impl Subject {
    async fn start(
        name: &'static str,
        meters: Vec<Meter>,
        lanes: impl Fn() -> Vec<Arc<dyn Transport>>,
    ) -> Self {
        let writer = Arc::new(Member::start_on(lanes(), 1_000, WITHIN).await);
        let mut readers = Vec::new();
        for _ in 1..NODES {
            readers.push(Member::start_on(lanes(), 1_000, WITHIN).await);
        }
        Self { name, meters, writer, readers, turns: Vec::new() }
    }

    async fn flood(&mut self, keys: u64) -> Turn {
        let frames = self.writer.node.counters().frames_published;
        let before: Vec<_> = self.meters.iter_mut().map(Meter::read).collect();
        let took = flood(&self.writer, &self.readers, &shuffled(keys)).await;
        let after = self.meters.iter_mut().map(Meter::read).zip(&before);
        let cpu: Vec<Duration> = after.map(|(after, before)| after.since(before).cpu).collect();
        let frames = self.writer.node.counters().frames_published - frames;
        let ns = |cpu: Duration| cpu.as_secs_f64() * 1e9 / keys as f64;
        let busiest = cpu.iter().max().copied().unwrap_or_default();
        Turn {
            busiest_us: busiest.as_secs_f64() * 1e6 / frames.max(1) as f64,
            keys_per_s: keys as f64 / took.as_secs_f64(),
            busiest_ns: ns(busiest),
            servers_ns: ns(cpu.iter().sum()),
            keys_per_frame: keys as f64 / frames.max(1) as f64,
        }
    }

    fn median(&self, figure: impl Fn(&Turn) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.turns.iter().map(figure).collect();
        figures.sort_unstable_by(f64::total_cmp);
        figures[figures.len() / 2]
    }

    async fn shut_down(self) {
        for reader in self.readers {
            reader.shut_down().await;
        }
        Arc::into_inner(self.writer).expect("the flood is over").shut_down().await;
    }
}
