//! A node while nothing happens.

use std::time::{Duration, Instant};

use unstale_benches::{Member, RedisServer, Report, process_cpu_time};
use unstale_redis::RedisTransport;

use crate::Size;
use crate::nodes::one_thread;

/// Until the beacons that follow the start have become rare.
const SETTLING: Duration = Duration::from_secs(5);

pub(crate) fn run(report: &mut Report, server: &RedisServer, size: Size) {
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
        let group = "idle node, Within(500 ms)";
        // What the node sends at once, the server reads at once.
        report.add(group, "round trips", "1/s", work.reads as f64 / seconds);
        report.add(group, "fences", "1/s", work.calls("ping") as f64 / seconds);
        report.add(group, "beacons", "1/s", beacons as f64 / seconds);
        report.add(group, "broadcast frames but beacons", "frames", other);
        report.add(group, "processor, node", "% of a core", 100.0 * cpu.as_secs_f64() / seconds);
        let server = 100.0 * work.cpu.as_secs_f64() / seconds;
        report.add(group, "processor, server in all", "% of a core", server);
        member.shut_down().await;
    });
}
