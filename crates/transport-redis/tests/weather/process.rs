//! The process of a node dies.

use std::net::Ipv4Addr;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use unstale::{Cache, Node, State};

use crate::redis_nodes::by_url;
use crate::support::proxy::Proxy;
use crate::support::{RedisServer, soon, until};
use crate::world::{COLD, NAMESPACE, World};

const SECOND: Duration = Duration::from_secs(1);
/// Where the process that will be killed finds the server and its orders: `URL PORT`.
const DOOMED: &str = "UNSTALE_WEATHER_DOOMED";
/// Orders that are under way: when the process dies it leaves so many unfinished.
const BURST: usize = 1_000;

/// The process that will be killed, when this program is started as such; nothing otherwise.
///
/// It takes lines `row version`: that version has been committed. It invalidates the row and says the same
/// line when that is completed.
#[tokio::test]
async fn doomed_process() {
    let Ok(orders) = std::env::var(DOOMED) else { return };
    let (url, port) = orders.split_once(' ').expect("URL and port");
    let node = Node::builder(NAMESPACE).transport(by_url(url)).build().expect("a node");
    let caches: Vec<Cache<u32, u64>> =
        ["bounded", "eventual"].map(|name| node.cache(name).build().expect("a cache")).into();
    assert!(node.status_stream().reaches(State::Live).await, "the node lives");
    let address = (Ipv4Addr::LOCALHOST, port.parse().expect("a port"));
    let parent = TcpStream::connect(address).await.expect("the parent");
    let (from_parent, mut to_parent) = parent.into_split();
    let mut orders = BufReader::new(from_parent).lines();
    let mut completing: JoinSet<String> = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.next_line() => {
                let Ok(Some(order)) = order else { return };
                let row = order.split(' ').next().expect("a row").parse().expect("a row");
                let receipts: Vec<_> = caches.iter().map(|cache| cache.invalidate(&row)).collect();
                completing.spawn(async move {
                    for receipt in receipts {
                        receipt.published().await.expect("published");
                    }
                    order
                });
            }
            Some(completed) = completing.join_next() => {
                let line = completed.expect("completed") + "\n";
                if to_parent.write_all(line.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Starts it; what is written to the stream are its orders.
async fn start_doomed(url: &str) -> (Child, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "process::doomed_process", "--nocapture"])
        .env(DOOMED, format!("{url} {port}"))
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("a process");
    let (stream, _) = soon("the start of the process", listener.accept()).await.expect("its call");
    (child, stream)
}

/// Commits rows and orders their invalidation; kills the process after some were completed. What it said
/// before is completed, whatever else was.
async fn burst_and_kill(world: &mut World, url: &str) {
    let (mut child, stream) = start_doomed(url).await;
    let (from_child, mut to_child) = stream.into_split();
    let (table, mut rng) = (world.table.clone(), world.rng.fork());
    let under_way = Arc::new(Semaphore::new(BURST));
    let room = under_way.clone();
    let orders = tokio::spawn(async move {
        loop {
            room.acquire().await.expect("not closed").forget();
            let row = rng.u32(..COLD);
            let line = format!("{row} {}\n", table.commit(row));
            if to_child.write_all(line.as_bytes()).await.is_err() {
                break;
            }
        }
    });
    let mut completed = BufReader::new(from_child).lines();
    let oracle = Arc::clone(&world.oracle);
    let enough = world.rng.u64(500..3_000);
    let mut count = 0;
    // What was on its way when it died is completed as well.
    while let Ok(Some(line)) = soon("the end of the process", completed.next_line()).await {
        let (row, version) = line.split_once(' ').expect("row and version");
        oracle.completed(row.parse().expect("a row"), version.parse().expect("a version"));
        under_way.add_permits(1);
        count += 1;
        if count == enough {
            child.start_kill().expect("SIGKILL");
        }
    }
    assert!(count >= enough, "it ended by itself, after {count}");
    let ended = soon("its end", child.wait()).await.expect("its end");
    assert_eq!(ended.signal(), Some(9), "it was killed");
    orders.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_killed_in_a_burst() {
    let server = RedisServer::start().await;
    let urls = [(); 3].map(|()| server.url());
    let mut world = World::of_three(90, urls).await;
    let workload = world.begin_reading();
    burst_and_kill(&mut world, &server.url()).await;
    world.pass(SECOND).await;
    workload.finish().await;
    world.heal().await;
}

/// What it published last has to come from those who heard it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_killed_while_another_one_is_cut_off() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let mut world = World::of_three(91, [server.url(), server.url(), proxy.url()]).await;
    let before = world.counters();
    let workload = world.begin_reading();
    // A witness can only vouch from the last frame on that both have met.
    world.nodes[0].write(0).await;
    until("a common frame", async || {
        (world.nodes[2].node.counters().targets_received > 0).then_some(())
    })
    .await;
    proxy.accept(false);
    proxy.cut();
    burst_and_kill(&mut world, &server.url()).await;
    proxy.accept(true);
    world.nodes[2].live().await;
    world.pass(SECOND).await;
    workload.finish().await;
    world.heal().await;
    let after = world.nodes[2].node.counters();
    assert!(after.replayed > before[2].replayed, "{after:?}");
    assert_eq!(after.clears, before[2].clears, "{after:?}");
}
