//! Primaries and replicas: what a failover does, and what it does silently.

use unstale::transport::{Item, TransportErrorKind as Kind};
use unstale_sim::redis::Server;

use crate::support::{Raw, Witness, builder, frames, message, next, publish, subscribe, transport};

const SUBSCRIBED: &str = "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n";

async fn subscriber(server: &Server, peer: &str) -> Raw {
    let mut client = Raw::new(server, peer);
    client.ask("SUBSCRIBE c", SUBSCRIBED).await;
    client
}

#[tokio::test(start_paused = true)]
async fn a_replica_hears_its_primary_and_not_the_other_way_round() {
    let (one, two, three) = (Server::new("one"), Server::new("two"), Server::new("three"));
    two.replicate_from(&one);
    three.replicate_from(&two);
    let mut clients = Vec::new();
    for server in [&one, &two, &three] {
        clients.push(subscriber(server, "a").await);
    }
    let mut publisher = Raw::new(&one, "b");
    publisher.ask("PUBLISH c down", ":1\r\n").await;
    for client in &mut clients {
        client.hear(&message(false, "c", "down")).await;
    }
    // Taken, and heard by whoever is connected there.
    Raw::new(&two, "b").ask("PUBLISH c here", ":1\r\n").await;
    clients[1].hear(&message(false, "c", "here")).await;
    publisher.ask("PUBLISH c again", ":1\r\n").await;
    for client in &mut clients {
        client.hear(&message(false, "c", "again")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_says_whom_it_follows() {
    let (one, two) = (Server::new("one"), Server::new("two"));
    let (run_id, history) = (two.run_id(), two.replication_id());
    two.replicate_from(&one);
    assert_eq!((two.run_id(), two.replication_id()), (run_id.clone(), one.replication_id()));
    let mut client = Raw::new(&two, "a");
    let role = |state: &str| {
        let bytes = state.len();
        format!("*5\r\n$5\r\nslave\r\n$3\r\none\r\n:6379\r\n${bytes}\r\n{state}\r\n:0\r\n")
    };
    client.ask("ROLE", &role("connected")).await;
    let followed = one.replication_id();
    let info = format!(
        "# Replication\r\nrole:slave\r\nmaster_host:one\r\nmaster_port:6379\r\nmaster_link_status:up\r\n\
         master_replid:{followed}\r\nmaster_repl_offset:0\r\n"
    );
    client.ask("INFO replication", &format!("${}\r\n{info}\r\n", info.len())).await;
    two.set_link_broken(true);
    client.ask("ROLE", &role("connect")).await;
    one.restart();
    assert_ne!(two.replication_id(), one.replication_id(), "it cannot know");
    two.set_link_broken(false);
    assert_eq!(two.replication_id(), one.replication_id());
    one.restart();
    assert_eq!(two.replication_id(), one.replication_id());
    two.promote();
    assert!(two.is_primary());
    assert_eq!(two.run_id(), run_id);
    assert!(two.replication_id() != one.replication_id() && two.replication_id() != history);
}

#[tokio::test(start_paused = true)]
async fn a_broken_link_loses_what_is_accepted_meanwhile() {
    let (one, two) = (Server::new("one"), Server::new("two"));
    two.replicate_from(&one);
    let mut client = subscriber(&two, "a").await;
    two.set_link_broken(true);
    one.publish_foreign("c", "lost");
    two.set_link_broken(false);
    one.publish_foreign("c", "heard");
    client.hear(&message(false, "c", "heard")).await;
}

#[tokio::test(start_paused = true)]
async fn servers_that_follow_each_other_hear_nobody() {
    let (one, two) = (Server::new("one"), Server::new("two"));
    one.replicate_from(&one);
    assert!(one.is_primary());
    one.replicate_from(&two);
    two.replicate_from(&one);
    let mut client = subscriber(&two, "a").await;
    one.publish_foreign("c", "x");
    two.publish_foreign("c", "y");
    client.hear(&message(false, "c", "y")).await;
}

#[tokio::test(start_paused = true)]
async fn demotion_is_silent_until_one_asks() {
    let (old, new) = (Server::new("old"), Server::new("new"));
    new.replicate_from(&old);
    let witness = Witness::of(&old);
    let a = builder(&[&old, &new], "a").build().unwrap();
    let mut subscription = subscribe(&a).await;
    publish(&a, "before").await.unwrap();
    new.promote();
    old.replicate_from(&new);
    assert_eq!(old.counts().connections, 2, "nobody was told");
    // It was taken by the old one, for those who are there: the transport knows better.
    assert_eq!(publish(&a, "during").await.unwrap_err().kind(), Kind::Demoted);
    assert_eq!(witness.take(), ["1 a before", "2 a during"]);
    for frame in ["before", "during"] {
        assert_eq!(next(&mut subscription).await.unwrap(), Item::Frame(frame.into()));
    }
    subscription.fence(1);
    assert_eq!(next(&mut subscription).await.unwrap_err().kind(), Kind::Demoted);
    let mut subscription = subscribe(&a).await;
    publish(&a, "after").await.unwrap();
    assert_eq!(frames(&mut subscription, 1).await, ["after"]);
    assert_eq!((old.counts().accepted, new.counts().accepted), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn demoted_and_promoted_again_is_another_primary() {
    let (one, two) = (Server::new("one"), Server::new("two"));
    let a = transport(&one, "a");
    let mut before = subscribe(&a).await;
    publish(&a, "before").await.unwrap();
    one.replicate_from(&two);
    one.promote();
    before.fence(1);
    assert_eq!(next(&mut before).await.unwrap(), Item::Frame("before".into()));
    assert_eq!(next(&mut before).await.unwrap_err().kind(), Kind::Demoted);
    let after = subscribe(&a).await;
    assert_ne!(before.sequencer(), after.sequencer());
}
