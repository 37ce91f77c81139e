//! Azure Service Bus over the emulator on loopback, beside the raw AMQP client in the same run.
//!
//! Not with criterion: what is measured are single passages between two parties, and a stream at a given rate.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement, in real time")]

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::types::definitions::SenderSettleMode;
use fe2o3_amqp::types::messaging::{Body, Message};
use fe2o3_amqp::types::primitives::{Binary, Value};
use fe2o3_amqp::{Connection, Receiver, Sender, Session};
use fe2o3_amqp_cbs::client::CbsClient;
use fe2o3_amqp_cbs::token::CbsToken;
use tokio::net::TcpStream;
use unstale::transport::{Item, SubscriptionExt};
use unstale::{Cache, Node, State, Transport};
use unstale_azure::AzureTransport;
use unstale_servicebus_emulator::{Clock, Emulator, Options, sign};

const TOPIC: &str = "bench";
const PASSAGES: usize = 2_000;
const WARM_UP: usize = 200;
const NODES: usize = 8;
const KEYS_PER_S: u32 = 5_000;
const STREAM_S: u32 = 5;

fn main() {
    // The service in a thread of its own, as it is a process of its own in reality.
    let service =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let emulator = Emulator::new(Options::new(Clock::new(SystemTime::now)));
    emulator.create_topic(TOPIC).unwrap();
    let listening = service.block_on(emulator.listen("127.0.0.1:0")).unwrap();
    let address = listening.addr().to_string();
    let connection = emulator.connection_string("RootManageSharedAccessKey", &address).unwrap();
    let clients =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    clients.block_on(async {
        // In turns, so that both meet the same weather.
        let (mut raw, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            // One subscription at a time, for the one as for the other.
            emulator.create_subscription(TOPIC, "raw").unwrap();
            raw.extend(raw_passages(&address).await);
            emulator.delete_subscription(TOPIC, "raw").unwrap();
            ours.extend(passages(&connection).await);
        }
        let node = invalidations(&connection).await;
        let (raw, ours, node) = (Quantiles::of(raw), Quantiles::of(ours), Quantiles::of(node));
        println!("| passage, sent to received | p50 µs | p99 µs | p50 beside the raw client |");
        println!("| --- | ---: | ---: | ---: |");
        raw.print("raw fe2o3-amqp", &raw);
        ours.print("`AzureTransport`, publish to item", &raw);
        node.print("node to node, `invalidate` to gone", &raw);
        stream(&connection).await;
    });
}

struct Quantiles {
    p50_us: f64,
    p99_us: f64,
}

impl Quantiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |quantile: f64| {
            let place = (times.len() as f64 * quantile) as usize;
            times[place.min(times.len() - 1)].as_secs_f64() * 1e6
        };
        Self { p50_us: at(0.5), p99_us: at(0.99) }
    }

    fn print(&self, what: &str, floor: &Self) {
        let ratio = self.p50_us / floor.p50_us;
        println!("| {what} | {:.0} | {:.0} | {ratio:.2} |", self.p50_us, self.p99_us);
    }
}

/// A session of the raw client that may send and receive.
async fn raw_session(
    address: &str,
) -> (fe2o3_amqp::connection::ConnectionHandle<()>, fe2o3_amqp::session::SessionHandle<()>) {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut connection = Connection::builder()
        .container_id("raw")
        .hostname("127.0.0.1")
        .sasl_profile(SaslProfile::Anonymous)
        .open_with_stream(stream)
        .await
        .unwrap();
    let mut session = Session::begin(&mut connection).await.unwrap();
    let mut cbs = CbsClient::attach(&mut session).await.unwrap();
    let expires =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 3_600;
    let uri = format!("sb://127.0.0.1/{TOPIC}");
    let token = sign(&uri, expires, "RootManageSharedAccessKey", "SAS_KEY_VALUE");
    let token = CbsToken::new(token, "servicebus.windows.net:sastoken", None);
    cbs.put_token(uri, token).await.unwrap();
    // Its links live as long as the session.
    std::mem::forget(cbs);
    (connection, session)
}

/// One message at a time, from a connection that sends to one that receives.
async fn raw_passages(address: &str) -> Vec<Duration> {
    let (_sending, mut session) = raw_session(address).await;
    let mut sender = Sender::attach(&mut session, "sender", TOPIC).await.unwrap();
    let (_receiving, mut receiving) = raw_session(address).await;
    let mut receiver = Receiver::builder()
        .name("receiver")
        .source(format!("{TOPIC}/Subscriptions/raw"))
        .sender_settle_mode(SenderSettleMode::Settled)
        .credit_mode(CreditMode::Manual)
        .attach(&mut receiving)
        .await
        .unwrap();
    let mut times = Vec::with_capacity(PASSAGES);
    for number in 0..PASSAGES + WARM_UP {
        if number % 500 == 0 {
            receiver.set_credit(1_000).await.unwrap();
        }
        let begun = Instant::now();
        let message = Message::builder().data(Binary::from(vec![7_u8; 100])).build();
        let (sent, received) = tokio::join!(sender.send(message), receiver.recv::<Body<Value>>());
        times.push(begun.elapsed());
        sent.unwrap();
        received.unwrap();
    }
    times.split_off(WARM_UP)
}

/// The same through the transport.
async fn passages(connection: &str) -> Vec<Duration> {
    let sending = AzureTransport::new(connection, TOPIC).unwrap();
    let receiving = AzureTransport::new(connection, TOPIC).unwrap();
    let mut subscription = receiving.subscribe().await.unwrap();
    let mut times = Vec::with_capacity(PASSAGES);
    for _ in 0..PASSAGES + WARM_UP {
        let begun = Instant::now();
        let frame = Bytes::from_static(&[7; 100]);
        let (sent, item) = tokio::join!(sending.publish(frame), subscription.next());
        times.push(begun.elapsed());
        sent.unwrap();
        assert!(matches!(item.unwrap(), Item::Frame(_)));
    }
    subscription.close().await;
    times.split_off(WARM_UP)
}

async fn start(connection: &str) -> (Node, Cache<u32, u32>) {
    let transport = AzureTransport::new(connection, TOPIC).unwrap();
    let node = Node::builder("bench").transport(transport).build().unwrap();
    let cache = node.cache("rows").capacity(100_000).build().unwrap();
    assert!(node.status_stream().reaches(State::Live).await);
    (node, cache)
}

/// From `invalidate` on one node to the moment at which the other one has dropped the entry.
async fn invalidations(connection: &str) -> Vec<Duration> {
    let (writer, there) = start(connection).await;
    let (reader, here) = start(connection).await;
    let mut events = here.events();
    let mut times = Vec::with_capacity(PASSAGES);
    for _ in 0..PASSAGES + WARM_UP {
        here.get_or_load(&1, async |_| Ok::<_, std::convert::Infallible>(1)).await.unwrap();
        let begun = Instant::now();
        let receipt = there.invalidate(&1);
        while here.contains(&1) {
            events.next().await;
        }
        times.push(begun.elapsed());
        receipt.published().await.unwrap();
    }
    for node in [writer, reader] {
        node.shutdown(Duration::from_secs(5)).await.unwrap();
    }
    times.split_off(WARM_UP)
}

/// One writer invalidates single keys at a steady rate; eight nodes hear them.
async fn stream(connection: &str) {
    let (writer, cache) = start(connection).await;
    let mut readers = Vec::new();
    for _ in 1..NODES {
        readers.push(start(connection).await);
    }
    let heard = |node: &Node| node.counters().targets_received;
    let before: Vec<u64> = readers.iter().map(|(node, _)| heard(node)).collect();
    let begun = Instant::now();
    let mut key = 0;
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    let mut last = None;
    while key < KEYS_PER_S * STREAM_S {
        ticks.tick().await;
        let due = (begun.elapsed().as_secs_f64() * f64::from(KEYS_PER_S)) as u32;
        while key < due.min(KEYS_PER_S * STREAM_S) {
            last = Some(cache.invalidate(&key));
            key += 1;
        }
    }
    if let Some(last) = last {
        last.published().await.unwrap();
    }
    let published_s = begun.elapsed().as_secs_f64();
    let all = u64::from(KEYS_PER_S * STREAM_S);
    while readers.iter().zip(&before).any(|((node, _), before)| heard(node) - before < all) {
        assert!(begun.elapsed() < Duration::from_secs(60), "not all were heard");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let heard_s = begun.elapsed().as_secs_f64();
    let rate = |seconds: f64| f64::from(KEYS_PER_S * STREAM_S) / seconds;
    println!(
        "\n{all} keys, one by one at {KEYS_PER_S} a second, by one writer to {NODES} nodes: published at {:.0} \
         a second, heard by all at {:.0} a second, in {} frames.",
        rate(published_s),
        rate(heard_s),
        writer.counters().frames_published
    );
}
