//! Every order does what it says, and nothing else.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use unstale::Transport;
use unstale::transport::{Item, TransportErrorKind as Kind};
use unstale_sim::redis::{Counts, Observer, Options, Server};

use crate::support::{
    CHANNEL, Raw, Witness, encode, frames, message, next, publish, soon, stream_of, subscribe,
    transport,
};

const SUBSCRIBED: &str = "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n";

#[tokio::test(start_paused = true)]
async fn a_message_is_lost_to_one_peer() {
    let server = Server::new("redis");
    let witness = Witness::of(&server);
    let (a, b) = (transport(&server, "a"), transport(&server, "b"));
    let (mut to_a, mut to_b) = (subscribe(&a).await, subscribe(&b).await);
    server.lose_next_to("b", 2);
    for frame in ["1", "2", "3"] {
        publish(&a, frame).await.unwrap();
    }
    assert_eq!(frames(&mut to_a, 1).await, ["1", "2", "3"]);
    assert_eq!(frames(&mut to_b, 1).await, ["3"], "it lives on");
    assert_eq!(witness.take(), ["1 a 1", "1 lost to b: 1", "2 a 2", "2 lost to b: 2", "3 a 3"]);
}

#[tokio::test(start_paused = true)]
async fn an_accepted_message_is_lost_to_all() {
    let (server, replica) = (Server::new("redis"), Server::new("replica"));
    replica.replicate_from(&server);
    let witness = Witness::of(&server);
    let (a, b) = (transport(&server, "a"), transport(&server, "b"));
    let (mut to_a, mut to_b) = (subscribe(&a).await, subscribe(&b).await);
    let mut to_replica = Raw::new(&replica, "c");
    to_replica.say(&format!("SUBSCRIBE {CHANNEL}")).await;
    to_replica.hear(&SUBSCRIBED.replace("$1\r\nc", &format!("$12\r\n{CHANNEL}"))).await;
    server.lose_next_accepted(1);
    publish(&a, "1").await.unwrap();
    publish(&a, "2").await.unwrap();
    assert_eq!(frames(&mut to_a, 1).await, ["2"]);
    assert_eq!(frames(&mut to_b, 1).await, ["2"]);
    to_replica.hear(&message(false, CHANNEL, "2")).await;
    assert_eq!(witness.take(), ["1 a 1", "1 lost to a: 1", "1 lost to b: 1", "2 a 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_publish_is_refused() {
    let server = Server::new("redis");
    let (a, b) = (transport(&server, "a"), transport(&server, "b"));
    let mut subscription = subscribe(&a).await;
    server.refuse_next_publishes("a", 2, "OOM command not allowed when used memory > 'maxmemory'.");
    publish(&b, "b").await.unwrap();
    for _ in 0..2 {
        assert_eq!(publish(&a, "x").await.unwrap_err().kind(), Kind::Throttled);
    }
    publish(&a, "a").await.unwrap();
    server.refuse_next_publishes("a", 1, "NOPERM\r\nno");
    assert_eq!(publish(&a, "x").await.unwrap_err().kind(), Kind::Unauthorized);
    assert_eq!(frames(&mut subscription, 1).await, ["b", "a"]);
    assert_eq!(server.counts().accepted, 2);
}

#[tokio::test(start_paused = true)]
async fn an_accepted_publish_fails() {
    let server = Server::new("redis");
    let a = transport(&server, "a");
    let mut subscription = subscribe(&a).await;
    server.break_after_publish("a", 1);
    assert_eq!(publish(&a, "1").await.unwrap_err().kind(), Kind::Unreachable);
    publish(&a, "2").await.unwrap();
    assert_eq!(frames(&mut subscription, 1).await, ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_publish_is_accepted_late() {
    let server = Server::new("redis");
    let witness = Witness::of(&server);
    let a = transport(&server, "a");
    let mut subscription = subscribe(&a).await;
    server.delay_next_publish("a", 2);
    for frame in ["1", "2"] {
        assert_eq!(publish(&a, frame).await.unwrap_err().kind(), Kind::Unreachable);
    }
    publish(&a, "3").await.unwrap();
    assert_eq!(server.counts().zombies, 2);
    assert_eq!(frames(&mut subscription, 1).await, ["3"]);
    assert_eq!((server.release_zombies(), server.release_zombies()), (2, 0));
    assert_eq!(frames(&mut subscription, 2).await, ["1", "2"]);
    assert_eq!(witness.take(), ["1 a 3", "2 a 1", "3 a 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_accepted_again() {
    let server = Server::new("redis");
    let witness = Witness::of(&server);
    let a = transport(&server, "a");
    let mut subscription = subscribe(&a).await;
    assert!(!server.accept_again(0));
    publish(&a, "1").await.unwrap();
    server.publish_foreign(CHANNEL, "2");
    assert!(server.accept_again(1) && server.accept_again(1) && !server.accept_again(4));
    assert_eq!(frames(&mut subscription, 1).await, ["1", "2", "1", "2"]);
    assert_eq!(witness.take(), ["1 a 1", "2 someone 2", "3 a 1", "4 someone 2"]);
}

#[tokio::test(start_paused = true)]
async fn connections_are_killed() {
    let server = Server::new("redis");
    let (a, b) = (transport(&server, "a"), transport(&server, "b"));
    let (mut to_a, mut to_b) = (subscribe(&a).await, subscribe(&b).await);
    publish(&a, "1").await.unwrap();
    assert_eq!(frames(&mut to_a, 1).await, ["1"]);
    assert_eq!(server.kill_peer("a"), 2);
    assert_eq!(next(&mut to_a).await.unwrap_err().kind(), Kind::Unreachable);
    // The publisher dials anew; those of the other live on.
    publish(&a, "2").await.unwrap();
    assert_eq!(frames(&mut to_b, 1).await, ["1", "2"]);
    let mut to_a = subscribe(&a).await;
    assert_eq!(server.kill_all(), 3);
    for subscription in [&mut to_a, &mut to_b] {
        assert_eq!(next(subscription).await.unwrap_err().kind(), Kind::Unreachable);
    }
    assert_eq!(server.counts(), Counts { accepted: 2, ..Counts::default() });
}

#[tokio::test(start_paused = true)]
async fn a_stalled_server_lives_and_says_nothing() {
    let server = Server::new("redis");
    let a = transport(&server, "a");
    let mut subscription = subscribe(&a).await;
    publish(&a, "1").await.unwrap();
    assert_eq!(next(&mut subscription).await.unwrap(), Item::Frame("1".into()));
    server.stall(true);
    // The transport's own limit ends this, not the server.
    assert_eq!(publish(&a, "2").await.unwrap_err().kind(), Kind::Unreachable);
    assert_eq!(a.subscribe().await.map(|_| ()).unwrap_err().kind(), Kind::Unreachable);
    subscription.fence(1);
    let silence = std::time::Duration::from_secs(100);
    let waiting = tokio::time::timeout(silence, next(&mut subscription)).await;
    assert!(waiting.is_err(), "{waiting:?}");
    assert_eq!(server.counts().accepted, 1);
    server.stall(false);
    // What had been sent is executed, whoever has given it up; the older connection comes first.
    assert_eq!(next(&mut subscription).await.unwrap(), Item::Fenced(1));
    assert_eq!(next(&mut subscription).await.unwrap(), Item::Frame("2".into()));
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_does_not_read_is_cut_off() {
    let options = Options { output_limit_bytes: 10_000, ..Options::default() };
    let server = Server::with_options("redis", options);
    let witness = Witness::of(&server);
    let mut slow = Raw(stream_of(&server, "slow", 64));
    let mut quick = Raw::new(&server, "quick");
    for client in [&mut slow, &mut quick] {
        client.ask("SUBSCRIBE c", SUBSCRIBED).await;
    }
    let frame = "x".repeat(1_000);
    for _ in 0..9 {
        server.publish_foreign("c", frame.clone());
        quick.hear(&message(false, "c", &frame)).await;
    }
    assert_eq!(server.counts().connections, 2);
    server.publish_foreign("c", frame.clone());
    quick.hear(&message(false, "c", &frame)).await;
    assert_eq!(server.counts().connections, 1);
    assert_eq!(witness.take().last().unwrap(), "slow cut off");
    assert_eq!(slow.rest().await.len(), 64, "what had been written");
}

#[tokio::test(start_paused = true)]
async fn one_large_message_cuts_off_at_once() {
    let options = Options { output_limit_bytes: 10_000, ..Options::default() };
    let server = Server::with_options("redis", options);
    let a = transport(&server, "a");
    let mut subscription = subscribe(&a).await;
    soon(a.publish(Bytes::from(vec![7; 20_000]))).await.unwrap();
    assert_eq!(next(&mut subscription).await.unwrap_err().kind(), Kind::Unreachable);
}

#[tokio::test(start_paused = true)]
async fn held_replies_come_when_they_are_let_go() {
    let options = Options { output_limit_bytes: 10_000, ..Options::default() };
    let server = Server::with_options("redis", options);
    let witness = Witness::of(&server);
    let (mut a, mut b) = (Raw::new(&server, "a"), Raw::new(&server, "b"));
    for (client, peer) in [(&mut a, Some("a")), (&mut b, None)] {
        server.hold_replies(peer, true);
        client.say("PING\nSUBSCRIBE c").await;
        soon(async {
            while server.subscribers(b"c") == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        server.publish_foreign("c", "x");
        server.hold_replies(peer, false);
        client.hear("+PONG\r\n").await;
        client.hear(SUBSCRIBED).await;
        client.hear(&message(false, "c", "x")).await;
        client.ask("UNSUBSCRIBE c", "*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n").await;
    }
    a.ask("SUBSCRIBE c", SUBSCRIBED).await;
    server.hold_replies(Some("a"), true);
    witness.take();
    for _ in 0..11 {
        server.publish_foreign("c", "x".repeat(1_000));
    }
    assert_eq!(witness.take().iter().filter(|line| *line == "a cut off").count(), 1);
    assert_eq!(a.rest().await, "");
    b.ask("PING", "+PONG\r\n").await;
}

#[tokio::test(start_paused = true)]
async fn unread_replies_are_bounded_too() {
    let options = Options { reply_limit_bytes: 1_000, ..Options::default() };
    let server = Server::with_options("redis", options);
    let witness = Witness::of(&server);
    let mut client = Raw(stream_of(&server, "slow", 64));
    // The server reads on while it cannot write.
    let sent = soon(client.0.write_all(&encode(&"PING\n".repeat(1_000)))).await;
    assert!(sent.is_err(), "it was cut off meanwhile");
    assert_eq!(witness.take(), ["slow cut off"]);
}

#[tokio::test(start_paused = true)]
async fn healing_takes_every_order_back() {
    let server = Server::new("redis");
    let a = transport(&server, "a");
    let mut subscription = subscribe(&a).await;
    server.delay_next_publish("a", 1);
    publish(&a, "0").await.unwrap_err();
    server.lose_next_to("a", 9);
    server.lose_next_accepted(9);
    server.refuse_next_publishes("a", 9, "ERR no");
    server.break_after_publish("a", 9);
    server.delay_next_publish("a", 9);
    server.hold_replies(Some("a"), true);
    server.hold_replies(None, true);
    server.stall(true);
    server.heal();
    publish(&a, "1").await.unwrap();
    assert_eq!(server.release_zombies(), 0);
    assert_eq!(frames(&mut subscription, 1).await, ["1"]);
}

/// Asks the server back while it is told.
struct Curious(Server, Mutex<Vec<u64>>);

impl Observer for Curious {
    fn accepted(&self, sequence: u64, _: Option<&str>, _: &Bytes) {
        self.1.lock().unwrap().push(sequence);
        if sequence < 3 {
            self.0.publish_foreign("c", "again");
        }
    }

    fn dropped(&self, _: &str, _: &Bytes, _: u64) {}

    fn cut_off(&self, _: &str) {}
}

#[test]
fn an_observer_may_call_back() {
    let server = Server::new("redis");
    let curious = Arc::new(Curious(server.clone(), Mutex::default()));
    server.set_observer(Arc::clone(&curious) as Arc<dyn Observer>);
    server.publish_foreign("c", "once");
    assert_eq!(*curious.1.lock().unwrap(), [1, 2, 3]);
}
