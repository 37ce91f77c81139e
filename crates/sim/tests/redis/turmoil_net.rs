//! Over a simulated network.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use turmoil::net::{TcpListener, TcpStream};
use unstale::Transport;
use unstale::transport::{Item, SubscriptionExt};
use unstale_redis::{Address, Connector, RedisTransport, Stream};
use unstale_sim::redis::{Options, Server};

use crate::support::{CHANNEL, TestRuntime, Witness};

#[derive(Debug)]
struct Net;

#[async_trait]
impl Connector for Net {
    async fn connect(&self, address: &Address) -> io::Result<Box<dyn Stream>> {
        let Address::Tcp { host, port } = address else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        Ok(Box::new(TcpStream::connect((host.as_str(), *port)).await?))
    }
}

async fn host(server: Server) -> turmoil::Result {
    let listener = TcpListener::bind("0.0.0.0:6379").await?;
    loop {
        let (stream, from) = listener.accept().await?;
        let peer = turmoil::reverse_lookup(from.ip()).unwrap_or_default();
        let server = server.clone();
        tokio::spawn(async move { server.serve(stream, peer).await });
    }
}

fn transport() -> RedisTransport {
    RedisTransport::builder()
        .url("redis://redis")
        .channel(CHANNEL)
        .connector(Net)
        .runtime(TestRuntime::new())
        .build()
        .unwrap()
}

type Log = Arc<Mutex<Vec<String>>>;

/// Publishes until it is done, through whatever comes.
async fn publisher(name: &'static str) -> turmoil::Result {
    let transport = transport();
    for number in 0..50 {
        let frame = Bytes::from(format!("{name}{number}"));
        while transport.publish(frame.clone()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    Ok(())
}

/// Writes down what it hears, and when.
async fn listener(log: Log) -> turmoil::Result {
    let start = tokio::time::Instant::now();
    let transport = transport();
    loop {
        let Ok(mut subscription) = transport.subscribe().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        subscription.fence(1);
        loop {
            let item = subscription.next().await;
            let line = match &item {
                Ok(Item::Frame(frame)) => format!("{}", frame.escape_ascii()),
                Ok(other) => format!("{other:?}"),
                Err(error) => format!("{:?}", error.kind()),
            };
            log.lock().unwrap().push(format!("{} {line}", start.elapsed().as_millis()));
            if item.is_err() {
                break;
            }
        }
    }
}

/// A run with faults; what the broker did and what a subscriber heard.
fn run(seed: u64) -> (Vec<String>, Vec<String>) {
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .epoch(SystemTime::UNIX_EPOCH)
        .simulation_duration(Duration::from_secs(60))
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(5))
        .tcp_capacity(1024)
        .build();
    let server = Server::with_options("redis", Options::default());
    let witness = Witness::of(&server);
    let log = Log::default();
    sim.host("redis", {
        let server = server.clone();
        move || host(server.clone())
    });
    sim.host("c", {
        let log = Arc::clone(&log);
        move || listener(Arc::clone(&log))
    });
    sim.client("a", publisher("a"));
    sim.client("b", publisher("b"));
    let mut step = 0;
    while !sim.step().unwrap() {
        step += 1;
        match step {
            100 => server.lose_next_to("c", 1),
            150 => server.break_after_publish("a", 1),
            200 => server.delay_next_publish("b", 1),
            300 => assert_eq!(server.release_zombies(), 1),
            350 => server.restart(),
            _ => {}
        }
    }
    let heard = log.lock().unwrap().clone();
    (witness.take(), heard)
}

#[test]
fn the_transport_works_over_a_simulated_network() {
    let (accepted, heard) = run(1);
    assert_eq!(accepted.iter().filter(|line| line.contains("lost to c")).count(), 1);
    for name in ["a", "b"] {
        for number in 0..50 {
            let frame = format!(" {name} {name}{number}");
            assert!(accepted.iter().any(|line| line.ends_with(&frame)), "{frame}");
        }
    }
    // Ambiguous ones were accepted twice: one confirmed late, one not confirmed.
    let times = accepted.iter().filter(|line| !line.contains("lost")).count();
    assert!((102..=104).contains(&times), "{times}");
    assert_eq!(heard.iter().filter(|line| line.ends_with("Fenced(1)")).count(), 2, "{heard:?}");
    assert_eq!(heard.iter().filter(|line| line.ends_with("Unreachable")).count(), 1);
    assert!(heard.len() > 90, "{heard:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).1, run(8).1);
}
