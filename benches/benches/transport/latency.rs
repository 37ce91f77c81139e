//! From publishing to receiving over Redis, on an idle system, one at a time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use redis::aio::{MultiplexedConnection, PubSubStream};
use unstale::Transport;
use unstale::transport::{Item, Subscription, SubscriptionExt};
use unstale_benches::{Member, RedisServer, Report};
use unstale_redis::RedisTransport;

use crate::Size;
use crate::nodes::{Watched, one_thread};
use crate::raw;

const CHANNEL: &str = "raw";
/// About as long as the frame of one key.
const PAYLOAD: &[u8] = &[7; 90];
/// The entry that comes and goes.
const KEY: u64 = 42;

/// All subjects with so many receivers.
pub(crate) fn run(report: &mut Report, server: &RedisServer, receivers: usize, size: Size) {
    let turns = one_thread().block_on(async {
        let mut raw = Raw::start(server, CHANNEL, receivers).await;
        let mut echoed = Raw::start_echoed(server, receivers).await;
        let mut transport = Ours::start(server, receivers).await;
        let mut nodes = Nodes::start(server, receivers).await;
        let mut turns = Turns::default();
        for round in 0..=size.rounds {
            let measured = [
                raw.passages(size.passages).await,
                echoed.passages(size.passages).await,
                transport.passages(size.passages).await,
                nodes.passages(size.passages).await,
            ];
            // The first one warms up.
            if round > 0 {
                turns.add(measured);
            }
        }
        nodes.shut_down().await;
        turns
    });
    let names = ["raw redis-rs", "raw redis-rs, own echo", "RedisTransport", "node to node"];
    turns.report(report, &format!("redis latency, {receivers}"), names);
}

/// The passages of some subjects, the first of which is the floor.
pub(crate) struct Turns<const SUBJECTS: usize> {
    turns: Vec<[Vec<Duration>; SUBJECTS]>,
}

impl<const SUBJECTS: usize> Default for Turns<SUBJECTS> {
    fn default() -> Self {
        Self { turns: Vec::new() }
    }
}

impl<const SUBJECTS: usize> Turns<SUBJECTS> {
    pub(crate) fn add(&mut self, measured: [Vec<Duration>; SUBJECTS]) {
        self.turns.push(measured);
    }

    /// Quantiles of all passages of a subject, and how many times the floor's they are: the median of what each turn
    /// says of the median; of the 99th percentile a turn has too few.
    pub(crate) fn report(self, report: &mut Report, group: &str, names: [&str; SUBJECTS]) {
        use unstale_benches::Quantiles;

        let all = |subject: usize| {
            let turns = self.turns.iter();
            Quantiles::of(turns.flat_map(|turn| turn[subject].iter().copied()).collect())
        };
        let floor = all(0);
        for (subject, name) in names.into_iter().enumerate() {
            let quantiles = all(subject);
            report.add_quantiles(group, name, quantiles);
            if subject == 0 {
                continue;
            }
            let of_turn = |turn: &[Vec<Duration>; SUBJECTS]| {
                let p50 = |subject: usize| Quantiles::of(turn[subject].clone()).p50_us;
                p50(subject) / p50(0)
            };
            let mut ratios: Vec<f64> = self.turns.iter().map(of_turn).collect();
            ratios.sort_unstable_by(f64::total_cmp);
            report.add(group, format!("{name} / {} p50", names[0]), "×", ratios[ratios.len() / 2]);
            let p99 = quantiles.p99_us / floor.p99_us;
            report.add(group, format!("{name} / {} p99", names[0]), "×", p99);
        }
    }
}

struct Raw {
    channel: &'static str,
    publisher: MultiplexedConnection,
    subscribers: Vec<PubSubStream>,
}

impl Raw {
    async fn start(server: &RedisServer, channel: &'static str, receivers: usize) -> Self {
        let publisher = raw::publisher(server).await;
        let mut subscribers = Vec::new();
        for _ in 0..receivers {
            subscribers.push(raw::subscriber(server, channel).await);
        }
        Self { channel, publisher, subscribers }
    }

    /// The publisher has subscribed too, before all others, as a node has that must know what it has published.
    async fn start_echoed(server: &RedisServer, receivers: usize) -> Self {
        const CHANNEL: &str = "echoed";
        let mut own = raw::subscriber(server, CHANNEL).await;
        tokio::spawn(async move {
            loop {
                raw::next(&mut own).await;
            }
        });
        Self::start(server, CHANNEL, receivers).await
    }

    async fn passages(&mut self, count: usize) -> Vec<Duration> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let begun = Instant::now();
            let received = async {
                for subscriber in &mut self.subscribers {
                    raw::next(subscriber).await;
                }
                begun.elapsed()
            };
            let sent = raw::publish(&mut self.publisher, self.channel, PAYLOAD);
            times.push(tokio::join!(received, sent).0);
        }
        times
    }
}

/// The transport alone.
struct Ours {
    publisher: RedisTransport,
    subscriptions: Vec<Box<dyn Subscription>>,
}

impl Ours {
    async fn start(server: &RedisServer, receivers: usize) -> Self {
        let publisher = RedisTransport::new(server.url(), "transport").unwrap();
        let mut subscriptions = Vec::new();
        for _ in 0..receivers {
            let transport = RedisTransport::new(server.url(), "transport").unwrap();
            subscriptions.push(transport.subscribe().await.unwrap());
        }
        Self { publisher, subscriptions }
    }

    async fn passages(&mut self, count: usize) -> Vec<Duration> {
        passages(&self.publisher, &mut self.subscriptions, count).await
    }
}

/// From a transport to the last of its subscriptions.
pub(crate) async fn passages(
    publisher: &impl Transport,
    subscriptions: &mut [Box<dyn Subscription>],
    count: usize,
) -> Vec<Duration> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        let received = async {
            for subscription in &mut *subscriptions {
                assert!(matches!(subscription.next().await, Ok(Item::Frame(_))));
            }
            begun.elapsed()
        };
        let sent = publisher.publish(Bytes::from_static(PAYLOAD));
        let (received, sent) = tokio::join!(received, sent);
        sent.unwrap();
        times.push(received);
    }
    times
}

/// One node that writes and others that hold a copy.
pub(crate) struct Nodes {
    writer: Member,
    readers: Vec<Watched>,
}

impl Nodes {
    async fn start(server: &RedisServer, receivers: usize) -> Self {
        let transport = || RedisTransport::new(server.url(), "nodes").unwrap();
        Self::start_over(transport, receivers).await
    }

    pub(crate) async fn start_over<T: Transport>(
        transport: impl Fn() -> T,
        receivers: usize,
    ) -> Self {
        let writer = Member::start(transport(), 100).await;
        let mut readers = Vec::new();
        for _ in 0..receivers {
            readers.push(Watched::new(Member::start(transport(), 100).await));
        }
        Self { writer, readers }
    }

    pub(crate) async fn passages(&mut self, count: usize) -> Vec<Duration> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            for reader in &self.readers {
                reader.member.fill(KEY);
            }
            let begun = Instant::now();
            let receipt = self.writer.cache.invalidate(&KEY);
            for reader in &mut self.readers {
                reader.gone(KEY).await;
            }
            times.push(begun.elapsed());
            // The next one meets an idle system.
            receipt.published().await.unwrap();
        }
        times
    }

    pub(crate) async fn shut_down(self) {
        for member in self.readers.into_iter().map(|reader| reader.member).chain([self.writer]) {
            member.shut_down().await;
        }
    }
}
