//! Servers that real ones are not: whatever they say, the subscription goes on rightly or ends.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the played server is a task of its own; helpers are tests too"
)]

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use unstale::Transport;
use unstale::transport::{
    Item, Subscription, SubscriptionExt, TransportError, TransportErrorKind as Kind,
};
use unstale_redis::{Address, Connector, RedisTransport, Stream};

const INFO_SERVER: &str = "run_id:0123456789012345678901234567890123456789\r\n";
const INFO_REPLICATION: &str =
    "role:master\r\nmaster_replid:9876543210987654321098765432109876543210\r\n";
const CONFIRMATION: &str = ">3\r\n$9\r\nsubscribe\r\n$12\r\nunstale:shop\r\n:1\r\n";

/// Hands out one prepared stream.
#[derive(Debug)]
struct Played(Mutex<Option<DuplexStream>>);

#[async_trait]
impl Connector for Played {
    async fn connect(&self, _: &Address) -> io::Result<Box<dyn Stream>> {
        match self.0.lock().unwrap().take() {
            Some(stream) => Ok(Box::new(stream)),
            None => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}

fn transport(stream: DuplexStream) -> RedisTransport {
    RedisTransport::builder()
        .url("redis://played")
        .namespace("shop")
        .connector(Played(Mutex::new(Some(stream))))
        .connect_timeout(Duration::from_secs(5))
        .build()
        .unwrap()
}

/// The next item; time is paused, so a wait without end fails at once.
async fn next(subscription: &mut Box<dyn Subscription>) -> Result<Item, TransportError> {
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, subscription.next()).await.expect("an item or the end")
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// What a server says up to the question that is answered with `confirmation`.
fn handshake(confirmation: &str) -> String {
    let info = bulk(INFO_SERVER) + &bulk(INFO_REPLICATION);
    format!("%1\r\n+proto\r\n:3\r\n+OK\r\n{info}{confirmation}")
}

/// A server that says all this, byte by byte, whatever it is asked, and then falls silent.
fn says(script: String) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(1);
    let (mut reading, mut writing) = tokio::io::split(theirs);
    tokio::spawn(async move {
        let _ = writing.write_all(script.as_bytes()).await;
        std::future::pending::<()>().await;
    });
    tokio::spawn(async move { while reading.read_u8().await.is_ok() {} });
    ours
}

async fn subscribe(script: String) -> Result<Box<dyn Subscription>, TransportError> {
    transport(says(script)).subscribe().await
}

/// Subscribes, asks for fence 7, and is told this.
async fn after_a_fence(said: &str) -> Box<dyn Subscription> {
    let mut subscription = subscribe(handshake(CONFIRMATION) + said).await.unwrap();
    subscription.fence(7);
    subscription
}

#[tokio::test(start_paused = true)]
async fn bytes_that_come_one_by_one_are_understood() {
    let message = ">3\r\n$7\r\nmessage\r\n$12\r\nunstale:shop\r\n$3\r\na\r\n\r\n";
    let verbatim = format!("={}\r\ntxt:{INFO_REPLICATION}\r\n", INFO_REPLICATION.len() + 4);
    let mut subscription = after_a_fence(&format!("{message}{verbatim}{message}$1\r\n7\r\n")).await;
    let frame = Item::Frame(Bytes::from_static(b"a\r\n"));
    assert_eq!(next(&mut subscription).await.unwrap(), frame);
    assert_eq!(next(&mut subscription).await.unwrap(), frame);
    assert_eq!(next(&mut subscription).await.unwrap(), Item::Fenced(7));
}

#[tokio::test(start_paused = true)]
async fn a_fence_needs_both_answers() {
    let info = bulk(INFO_REPLICATION);
    for (said, kind) in [
        // `PING` answered before `INFO`, with another token, with nothing, twice.
        ("$1\r\n7\r\n".to_owned(), Kind::Protocol),
        (format!("{info}$1\r\n8\r\n"), Kind::Protocol),
        (format!("{info}+PONG\r\n"), Kind::Protocol),
        (format!("{info}$-1\r\n"), Kind::Protocol),
        (format!("{info}-ERR no\r\n"), Kind::Protocol),
        // `INFO` that is refused, is a replica's, is another primary's, says nothing.
        ("-NOPERM no\r\n$1\r\n7\r\n".to_owned(), Kind::Unauthorized),
        (bulk("role:slave\r\n"), Kind::Demoted),
        (bulk("role:master\r\nmaster_replid:other\r\n"), Kind::Demoted),
        (bulk(""), Kind::Protocol),
        (":1\r\n".to_owned(), Kind::Protocol),
    ] {
        let mut subscription = after_a_fence(&said).await;
        let error = next(&mut subscription).await.expect_err(&said);
        assert_eq!(error.kind(), kind, "{said:?}: {error}");
        // Polled again it stays ended.
        assert_eq!(next(&mut subscription).await.unwrap_err().kind(), Kind::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asked_for_ends_the_subscription() {
    let unsubscribed = ">3\r\n$11\r\nunsubscribe\r\n$12\r\nunstale:shop\r\n:0\r\n";
    let elsewhere = ">3\r\n$7\r\nmessage\r\n$5\r\nother\r\n$1\r\nx\r\n";
    for said in
        ["+OK\r\n", ":1\r\n", "*0\r\n", ">0\r\n", "_\r\n", "-ERR\r\n", unsubscribed, elsewhere]
    {
        let script = handshake(CONFIRMATION) + said;
        let mut subscription = subscribe(script).await.unwrap();
        let error = next(&mut subscription).await.expect_err(said);
        assert!(error.can_retry(), "{said:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_protocol_end_the_subscription() {
    for said in
        ["HTTP/1.1 400\r\n", "$99999999999999\r\n", ">-9223372036854775808\r\n", "$1\r\nabc"]
    {
        let script = handshake(CONFIRMATION) + said;
        let mut subscription = subscribe(script).await.unwrap();
        let error = next(&mut subscription).await.expect_err(said);
        assert!(matches!(error.kind(), Kind::Protocol | Kind::Demoted), "{said:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_our_confirmation_confirms() {
    for confirmation in [
        ">3\r\n$9\r\nsubscribe\r\n$5\r\nother\r\n:1\r\n",
        ">3\r\n$9\r\nsubscribe\r\n$12\r\nunstale:shop\r\n:0\r\n",
        ">3\r\n$11\r\nunsubscribe\r\n$12\r\nunstale:shop\r\n:1\r\n",
        ">3\r\n$7\r\nmessage\r\n$12\r\nunstale:shop\r\n$1\r\nx\r\n",
        "+OK\r\n",
        ":1\r\n",
    ] {
        let error = subscribe(handshake(confirmation)).await.err().expect(confirmation);
        assert_eq!(error.kind(), Kind::Protocol, "{confirmation:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_waited_for_as_long_as_configured() {
    for script in ["", "%1\r\n+proto\r\n:3\r\n", &handshake("")] {
        let before = tokio::time::Instant::now();
        let error = subscribe(script.to_owned()).await.err().expect(script);
        assert_eq!(error.kind(), Kind::Unreachable, "{error}");
        assert!(error.to_string().contains("5000 ms"), "{error}");
        assert!(before.elapsed() >= Duration::from_secs(5));
    }
}
