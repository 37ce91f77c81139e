//! A node while nothing happens.

use std::time::{Duration, Instant};

use unstale_benches::{Member, RedisServer, Report, process_cpu_time};
use unstale_redis::RedisTransport;

use crate::nodes::one_thread;
use crate::{Size, raw};

/// Until the beacons that follow the start have become rare.
const SETTLING: Duration = Duration::from_secs(5);

/// How often a node's watchdog looks, and how often it asks for a proof.
const TICK: Duration = Duration::from_millis(50);
const FENCE: Duration = Duration::from_millis(500 / 3);

pub(crate) fn run(report: &mut Report, server: &RedisServer, size: Size) {
    let group = "idle node, Within(500 ms)";
    let bare = one_thread().block_on(bare(server, Duration::from_secs(size.idle_s)));
    report.add(group, "bare timers and pings, as many", "% of a core", bare);
    let mut meter = server.meter();
    one_thread().block_on(async {
        let transport = RedisTransport::new(server.url(), "idle").unwrap();
        let member = Member::start_within(transport, 100, Duration::from_millis(500)).await;
        tokio::time::sleep(SETTLING).await;
        let beacons = member.node.counters().beacons_published;
        let (begun, cpu, before) = (Instant::now(), process_cpu_time(), meter.read());
        tokio::time::sleep(Duration::from_secs(size.idle_s)).await;
        let work = meter.read().since(&before);
        let cpu = process_cpu_time() - cpu;
        let seconds = begun.elapsed().as_secs_f64();
        let beacons = member.node.counters().beacons_published - beacons;
        let other = work.calls("publish") as f64 - beacons as f64;
        // What the node sends at once, the server reads at once.
        report.add(group, "round trips", "1/s", work.reads as f64 / seconds);
        report.add(group, "fences", "1/s", work.calls("ping") as f64 / seconds);
        report.add(group, "beacons", "1/s", beacons as f64 / seconds);
        report.add(group, "broadcast frames but beacons", "frames", other);
        report.add(group, "processor, node", "% of a core", 100.0 * cpu.as_secs_f64() / seconds);
        let server = 100.0 * work.cpu.as_secs_f64() / seconds;
        report.add(group, "processor, server in all", "% of its core", server);
        member.shut_down().await;
    });
}

/// The percentage of a core that it takes to be woken as often and to ask the server as often, with nothing else to do.
async fn bare(server: &RedisServer, duration: Duration) -> f64 {
    let mut connection = raw::publisher(server).await;
    let (begun, cpu) = (Instant::now(), process_cpu_time());
    let ticks = async {
        loop {
            tokio::time::sleep(TICK).await;
        }
    };
    let pings = async {
        loop {
            tokio::time::sleep(FENCE).await;
            let _: String = redis::cmd("PING").query_async(&mut connection).await.unwrap();
        }
    };
    tokio::select! {
        () = tokio::time::sleep(duration) => {}
        () = ticks => {}
        () = pings => {}
    }
    100.0 * (process_cpu_time() - cpu).as_secs_f64() / begun.elapsed().as_secs_f64()
}
