//! How long a frame takes, and the histogram of it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use unstale::transport::{Item, Subscription, TransportError, TransportErrorKind};
use unstale::{Runtime, Transport};

/// A frame that takes longer will not come.
const PATIENCE: Duration = Duration::from_secs(60);
/// The widest bar, in characters.
const BAR: usize = 50;

/// Publishes one frame after the other, and times each from the call of `publish` until it arrives.
pub(crate) async fn measure(
    publisher: &dyn Transport,
    subscriber: &dyn Transport,
    runtime: &dyn Runtime,
    samples: usize,
) -> Result<Latencies, TransportError> {
    let mut subscription = subscriber.subscribe().await?;
    let mut latencies = Vec::with_capacity(samples);
    // One more than is measured: the first one opens the connection that publishes.
    for number in 0..=samples {
        let frame = Bytes::from(format!("frame {number}"));
        let began = runtime.now();
        let (published, arrived) = tokio::join!(publisher.publish(frame.clone()), async {
            tokio::select! {
                heard = hear(&mut subscription, &frame) => heard?,
                () = runtime.sleep_until(began.after(PATIENCE)) => {
                    let text = format!("frame {number} did not arrive within {PATIENCE:?}");
                    return Err(TransportErrorKind::Unreachable.error(text));
                }
            }
            Ok(runtime.now().since(began))
        });
        published?;
        latencies.push(arrived?);
    }
    subscription.close().await;
    Ok(Latencies::new(latencies.split_off(1)))
}

/// Waits for a frame.
async fn hear(
    subscription: &mut Box<dyn Subscription>,
    frame: &Bytes,
) -> Result<(), TransportError> {
    loop {
        let item = std::future::poll_fn(|context| subscription.poll_next(context)).await?;
        if matches!(item, Item::Frame(heard) if heard == frame) {
            return Ok(());
        }
    }
}

/// What was measured, the shortest first.
#[derive(Debug)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    fn new(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        Self(latencies)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest that at least so many percent do not exceed.
    fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// How many lie between each power of two of microseconds and the next one, without empty ends.
    fn buckets(&self) -> Vec<(Duration, usize)> {
        let exponent = |latency: &Duration| latency.as_micros().max(1).ilog2();
        let (Some(first), Some(last)) = (self.0.first(), self.0.last()) else { return Vec::new() };
        let buckets = (exponent(first)..=exponent(last)).map(|bucket| {
            let count = self.0.iter().filter(|&latency| exponent(latency) == bucket).count();
            (Duration::from_micros(1 << bucket), count)
        });
        buckets.collect()
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let buckets = self.buckets();
        let most = buckets.iter().map(|&(_, count)| count).max().unwrap_or(1);
        for (from, count) in buckets {
            let bar = "#".repeat((count * BAR).div_ceil(most));
            writeln!(f, "  from {:>9.3} ms {count:>5}  {bar}", milliseconds(from))?;
        }
        write!(
            f,
            "  {} samples: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            self.count(),
            milliseconds(self.percentile(50)),
            milliseconds(self.percentile(99)),
            milliseconds(self.percentile(100)),
        )
    }
}

#[test]
fn a_histogram_has_what_was_measured() {
    let latencies = Latencies::new((1..=200).rev().map(Duration::from_millis).collect());
    let text = latencies.to_string();
    assert!(text.ends_with("200 samples: p50 100.00 ms, p99 198.00 ms, max 200.00 ms"), "{text}");
    assert_eq!(latencies.buckets().iter().map(|(_, count)| count).sum::<usize>(), 200);
    let (widest, _) = text.lines().map(|line| (line.matches('#').count(), line)).max().unwrap();
    assert_eq!(widest, BAR);
    assert_eq!(Latencies::new(Vec::new()).buckets(), []);
}
