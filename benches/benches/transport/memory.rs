//! From publishing to receiving inside one process.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::broadcast;
use unstale::Transport;
use unstale::transport::Subscription;
use unstale_benches::Report;
use unstale_memory::Hub;

use crate::Size;
use crate::latency::{Nodes, Turns, passages};
use crate::nodes::one_thread;

/// All subjects with so many receivers.
pub(crate) fn run(report: &mut Report, receivers: usize, size: Size) {
    let turns = one_thread().block_on(async {
        let mut bare = Bare::start(receivers);
        let hub = Hub::new();
        let publisher = hub.transport();
        let mut subscriptions: Vec<Box<dyn Subscription>> = Vec::new();
        for _ in 0..receivers {
            subscriptions.push(hub.transport().subscribe().await.unwrap());
        }
        let of_nodes = Hub::new();
        let mut nodes = Nodes::start_over(|| of_nodes.transport(), receivers).await;
        let mut turns = Turns::default();
        // A passage takes microseconds.
        let count = 10 * size.passages;
        for round in 0..=size.rounds {
            let measured = [
                bare.passages(count).await,
                passages(&publisher, &mut subscriptions, count).await,
                nodes.passages(count).await,
            ];
            if round > 0 {
                turns.add(measured);
            }
        }
        nodes.shut_down().await;
        turns
    });
    let names = ["bare tokio channel", "memory hub", "node to node"];
    turns.report(report, &format!("memory latency, {receivers}"), names);
}

/// A channel of tokio's, and a task for each receiver as a node has one.
struct Bare {
    sender: broadcast::Sender<Bytes>,
    receivers: Vec<broadcast::Receiver<Bytes>>,
}

impl Bare {
    fn start(receivers: usize) -> Self {
        let (sender, first) = broadcast::channel(16);
        let mut all = vec![first];
        all.extend((1..receivers).map(|_| sender.subscribe()));
        Self { sender, receivers: all }
    }

    async fn passages(&mut self, count: usize) -> Vec<Duration> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let begun = Instant::now();
            let received = async {
                for receiver in &mut self.receivers {
                    receiver.recv().await.unwrap();
                }
                begun.elapsed()
            };
            let sent = async { self.sender.send(Bytes::from_static(&[7; 90])).unwrap() };
            times.push(tokio::join!(received, sent).0);
        }
        times
    }
}
