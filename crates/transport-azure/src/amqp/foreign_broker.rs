//! What there is of AMQP 1.0 itself in this folder, against a broker that shares no line with the emulator: RabbitMQ
//! with its plugin for AMQP 1.0.
//!
//! It has no `$cbs`, no subscriptions and no numbers on its messages. So these tests stay below the transport: they
//! connect, attach, send, receive and begin again. `/queue/NAME` is RabbitMQ's way to name a queue that is created when
//! somebody attaches to it.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "these tests wait for another process in real time, and may panic"
)]

// The same for every transport.
#[path = "../../../../tests/weather/free_port.rs"]
#[allow(unreachable_pub, reason = "other test programs share it")]
mod free_port;
#[path = "../../../../tests/weather/patience.rs"]
#[allow(unreachable_pub, dead_code, reason = "other test programs share it")]
mod patience;
mod server;

use std::future::poll_fn;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use unstale::transport::{TransportError, TransportErrorKind as Kind};

use super::subscription::AmqpLink;
use super::{Dialer, Publisher};
use crate::order::{Fence, Opener};
use crate::subscription::{End, Link, Received};
use crate::transport::Path;
use crate::{AzureTransport, DataPath};
use patience::soon;
use server::Broker;

/// Longer than anything here takes on a busy machine. Only a failing test waits for so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whatever is waited for by the client itself.
const TIMEOUT: Duration = Duration::from_secs(10);
const MESSAGES: u32 = 2_000;
/// Messages that are on their way to being accepted, at a time.
const IN_FLIGHT: usize = 50;
const PREFETCH: u32 = 100;

impl Broker {
    /// The transport's own dialer, but for the token.
    fn dialer(&self, topic: &str) -> Dialer {
        let connection_string = format!(
            "Endpoint=sb://127.0.0.1:{};SharedAccessKeyName=nobody;SharedAccessKey=nothing;\
             UseDevelopmentEmulator=true",
            self.port()
        );
        let transport = AzureTransport::builder()
            .connection_string(connection_string)
            .topic("invalidations")
            .path(DataPath::Amqp)
            .connect_timeout(TIMEOUT)
            .build()
            .unwrap();
        match transport.path {
            Path::Amqp(path) => {
                Dialer { topic: topic.to_owned(), without_token: true, ..path.dialer }
            }
            #[cfg(feature = "rest")]
            Path::Rest(_) => unreachable!("AMQP was asked for"),
        }
    }

    fn publisher(&self, topic: &str) -> Publisher {
        Publisher::new(self.dialer(topic), TIMEOUT)
    }

    async fn attach(&self, topic: &str, source: &str, prefetch: u32) -> Result<AmqpLink, End> {
        let dialer = self.dialer(topic);
        let attach = Box::pin(AmqpLink::attach(&dialer, source, prefetch));
        soon("an answer to attaching", attach).await
    }

    /// A link to a queue, which gets its fences too.
    async fn link(&self, queue: &str, prefetch: u32) -> AmqpLink {
        self.attach(queue, queue, prefetch).await.unwrap()
    }
}

async fn next(link: &mut AmqpLink) -> Result<Received, End> {
    soon("a message, or the end", poll_fn(|context| link.poll_received(context))).await
}

/// Receives frames with these numbers, in this order.
async fn expect_numbers(link: &mut AmqpLink, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        let received = next(link).await.unwrap();
        assert_eq!(received.frame[..], number.to_be_bytes(), "number {number} was to come");
        assert_eq!(received.fence, None);
    }
}

async fn publish(publisher: &Publisher, number: u32) -> Result<(), TransportError> {
    soon("what became of a frame", publisher.publish(&number.to_be_bytes())).await
}

/// Sends frames with numbers, without waiting for what becomes of one before the next.
async fn publish_all(publisher: &Publisher, numbers: impl IntoIterator<Item = u32>) {
    stream::iter(numbers)
        // One that tokio sends back to the end of the queue would come out of turn.
        .map(|number| tokio::task::unconstrained(publish(publisher, number)))
        .buffered(IN_FLIGHT)
        .for_each(async |accepted| accepted.unwrap())
        .await;
}

// Every case has a queue of its own: RabbitMQ may send to a link for some time after that has gone.

#[tokio::test]
async fn messages_and_fences_pass() {
    let broker = Broker::start().await;
    every_message_comes_in_order(&broker).await;
    no_more_is_sent_ahead_than_was_asked_for(&broker).await;
    a_fence_comes_back_as_it_was(&broker).await;
    a_large_message_comes_in_one_piece(&broker).await;
    what_is_not_there_is_refused(&broker).await;
}

async fn every_message_comes_in_order(broker: &Broker) {
    const QUEUE: &str = "/queue/order";
    let mut link = broker.link(QUEUE, PREFETCH).await;
    let publisher = broker.publisher(QUEUE);
    tokio::join!(
        publish_all(&publisher, 0..MESSAGES / 2),
        expect_numbers(&mut link, 0..MESSAGES / 2)
    );
    // And what has piled up.
    publish_all(&publisher, 0..MESSAGES).await;
    expect_numbers(&mut link, 0..MESSAGES).await;
}

async fn no_more_is_sent_ahead_than_was_asked_for(broker: &Broker) {
    const QUEUE: &str = "/queue/credit";
    const AHEAD: u32 = 10;
    let publisher = broker.publisher(QUEUE);
    publish_all(&publisher, 0..MESSAGES).await;
    let mut first = broker.link(QUEUE, AHEAD).await;
    expect_numbers(&mut first, 0..1).await;
    // RabbitMQ hands out to the one what it may before it looks at the other.
    let mut second = broker.link(QUEUE, PREFETCH).await;
    expect_numbers(&mut second, AHEAD..MESSAGES).await;
    expect_numbers(&mut first, 1..AHEAD).await;
}

async fn a_fence_comes_back_as_it_was(broker: &Broker) {
    const QUEUE: &str = "/queue/fences";
    let opener = Opener { transport: 0x1234_5678_9abc_def0, number: 7 };
    let fence = |token| Fence { addressee: "unstale-1".to_owned(), opener, token };
    let mut link = broker.link(QUEUE, PREFETCH).await;
    soon("the opening", link.send_opening(fence(None))).await.unwrap();
    for token in 0..100 {
        link.push_fence(fence(Some(token)));
    }
    for expected in std::iter::once(None).chain((0..100).map(Some)) {
        let received = next(&mut link).await.unwrap();
        assert_eq!(received.fence, Some(fence(expected)));
        assert!(received.frame.is_empty());
        // An Azure Service Bus would number it; `order.rs` refuses what has no number.
        assert_eq!(received.sequence, None);
    }
}

/// Larger than what goes into one frame of AMQP.
async fn a_large_message_comes_in_one_piece(broker: &Broker) {
    const QUEUE: &str = "/queue/large";
    let frame: Vec<u8> = (0..1_000_003_u32).map(|place| (place % 251) as u8).collect();
    let mut link = broker.link(QUEUE, PREFETCH).await;
    let publisher = broker.publisher(QUEUE);
    soon("what became of a frame", publisher.publish(&frame)).await.unwrap();
    let received = next(&mut link).await.unwrap();
    assert!(received.frame == frame, "{} bytes came", received.frame.len());
}

async fn what_is_not_there_is_refused(broker: &Broker) {
    const QUEUE: &str = "/queue/there";
    // By this name a queue is not created.
    let end =
        broker.attach(QUEUE, "/amq/queue/nowhere", PREFETCH).await.err().expect("no such queue");
    assert_eq!(end.error.kind(), Kind::NotFound, "{}", end.error);
    assert!(end.error.to_string().contains("no queue"), "{}", end.error);
    assert!(end.vanished && end.nobody_reads, "{end:?}");
    // And this is no name at all.
    let end =
        broker.attach(QUEUE, "/nowhere", PREFETCH).await.err().expect("no such kind of address");
    assert_eq!(end.error.kind(), Kind::Configuration, "{}", end.error);
    assert!(!end.vanished && end.nobody_reads, "{end:?}");

    let error = publish(&broker.publisher("/exchange/nowhere"), 0).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
    assert!(error.to_string().contains("no exchange"), "{error}");
}

#[tokio::test]
async fn what_a_killed_broker_ended_is_begun_again() {
    const QUEUE: &str = "/queue/killed";
    let mut broker = Broker::start().await;
    let publisher = broker.publisher(QUEUE);
    let mut link = broker.link(QUEUE, PREFETCH).await;
    publish_all(&publisher, 0..100).await;
    expect_numbers(&mut link, 0..100).await;

    broker.kill();
    let end = next(&mut link).await.err().expect("the end of the link");
    assert_eq!(end.error.kind(), Kind::Unreachable, "{}", end.error);
    assert!(!end.vanished, "{end:?}");
    // The first one may find the connection still open; the second one finds nobody to connect to.
    for _ in 0..2 {
        let error = publish(&publisher, 0).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    }
    let end = broker.attach(QUEUE, QUEUE, PREFETCH).await.err().expect("nobody to attach to");
    assert_eq!(end.error.kind(), Kind::Unreachable, "{}", end.error);

    broker.restart().await;
    // Before the publisher: the queue went with the broker.
    let mut link = broker.link(QUEUE, PREFETCH).await;
    publish_all(&publisher, 0..100).await;
    expect_numbers(&mut link, 0..100).await;
}
