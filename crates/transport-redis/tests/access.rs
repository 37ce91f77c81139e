//! Ways to a server: old protocol, passwords, access rules, TLS, unix sockets, connections of one's own.
#![expect(clippy::disallowed_methods, reason = "tests wait for real servers in real time")]

mod support;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use support::{Options, RedisServer, end, fenced, next};
use unstale::Transport;
use unstale::transport::{Item, TransportErrorKind as Kind};
use unstale_redis::{Address, Connector, NetConnector, RedisTransport, Stream, Tls};

const SECRET: &str = "hunter2";

fn frame(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Publishes, receives, and passes a fence.
async fn works(transport: &RedisTransport) {
    let mut subscription = transport.subscribe().await.expect("subscribe");
    for token in 0..3 {
        transport.publish(frame("x")).await.expect("publish");
        let seen = fenced(&mut subscription, token).await.expect("a fence");
        assert_eq!(seen, [frame("x")]);
    }
}

/// The kinds of error that subscribing and publishing give; neither shows the password.
async fn refusals(transport: &RedisTransport) -> (Kind, Kind) {
    let subscribe = transport.subscribe().await.err().expect("no subscription");
    let publish = transport.publish(frame("x")).await.expect_err("no publish");
    for error in [&subscribe, &publish] {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(SECRET), "{shown}");
    }
    (subscribe.kind(), publish.kind())
}

fn old_server() -> Options {
    Options::new().line("rename-command HELLO \"\"")
}

#[tokio::test]
async fn an_old_server_is_asked_over_a_third_connection() {
    let server = old_server().start().await;
    let transport = RedisTransport::new(server.url(), "shop").unwrap();
    works(&transport).await;

    let mut subscription = transport.subscribe().await.unwrap();
    for text in ["pong", "*2\r\n$4\r\npong\r\n$1\r\n0\r\n", ""] {
        transport.publish(frame(text)).await.unwrap();
        assert_eq!(next(&mut subscription).await, Item::Frame(frame(text)));
    }
    // Its other connection goes: nothing could be confirmed any more.
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    assert_eq!(end(&mut subscription).await.kind(), Kind::Unreachable);
}

#[tokio::test]
async fn an_old_server_that_is_demoted_confirms_nothing() {
    let primary = RedisServer::start().await;
    let server = old_server().start().await;
    let transport = RedisTransport::new(server.url(), "shop").unwrap();
    let mut subscription = transport.subscribe().await.unwrap();
    fenced(&mut subscription, 1).await.unwrap();
    server.replicate(&primary).await;
    let error = fenced(&mut subscription, 2).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Demoted, "{error}");
}

#[tokio::test]
async fn passwords_are_needed_and_never_shown() {
    let server = Options::new().password(SECRET).start().await;
    let url = |login: &str| format!("redis://{login}127.0.0.1:{}", server.port());
    let transport = |login| RedisTransport::new(url(login), "shop").unwrap();
    works(&transport(":hunter2@")).await;
    works(&transport("default:hunter2@")).await;
    let separate = RedisTransport::builder().url(url("")).credentials("", SECRET).namespace("shop");
    assert!(!format!("{separate:?}").contains(SECRET));
    works(&separate.build().unwrap()).await;

    let unauthorized = (Kind::Unauthorized, Kind::Unauthorized);
    assert_eq!(refusals(&transport("")).await, unauthorized);
    assert_eq!(refusals(&transport(":hunter23@")).await, unauthorized);
    assert_eq!(refusals(&transport("app:hunter2@")).await, unauthorized);
    let shown = format!("{:?}", transport(":hunter2@"));
    assert!(!shown.contains(SECRET), "{shown}");
}

#[tokio::test]
async fn a_server_that_quotes_commands_does_not_leak_the_password() {
    let server = Options::new().line("rename-command AUTH \"\"").start().await;
    let url = format!("redis://app:{SECRET}@127.0.0.1:{}", server.port());
    let transport = RedisTransport::new(url, "shop").unwrap();
    let unauthorized = (Kind::Unauthorized, Kind::Unauthorized);
    assert_eq!(refusals(&transport).await, unauthorized);
}

#[tokio::test]
async fn the_documented_access_rules_suffice_and_fewer_do_not() {
    let server = RedisServer::start().await;
    let transport = |user: &str| {
        let url = format!("redis://{user}:{SECRET}@127.0.0.1:{}", server.port());
        RedisTransport::new(url, "shop").unwrap()
    };
    let allow = async |user: &str, rules: &[&str]| {
        let password = format!(">{SECRET}");
        let mut command = vec!["ACL", "SETUSER", user, "reset", "on", &password];
        command.extend(rules);
        server.cli(&command).await;
    };
    let needed = ["+subscribe", "+publish", "+ping", "+info", "+role"];
    let channel = "&unstale:shop*";

    allow("enough", &[&needed[..], &[channel]].concat()).await;
    works(&transport("enough")).await;
    allow("enough", &[&needed[..], &[channel, "+hello", "+client|setname"]].concat()).await;
    works(&transport("enough")).await;

    allow("elsewhere", &[&needed[..], &["&other:*"]].concat()).await;
    let unauthorized = (Kind::Unauthorized, Kind::Unauthorized);
    assert_eq!(refusals(&transport("elsewhere")).await, unauthorized);

    allow("roleless", &[&needed[..4], &[channel]].concat()).await;
    let error = transport("roleless").publish(frame("x")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthorized);
    assert!(error.to_string().contains("+role"), "{error}");

    // Permissions that are withdrawn end what they allowed.
    let losing = transport("enough");
    let mut subscription = losing.subscribe().await.unwrap();
    fenced(&mut subscription, 1).await.unwrap();
    allow("enough", &["+ping"]).await;
    end(&mut subscription).await;
}

#[tokio::test]
async fn unix_sockets_work() {
    let server = Options::new().unix_socket().password(SECRET).start().await;
    let url = format!("unix://{}?pass={SECRET}", server.socket().display());
    works(&RedisTransport::new(url, "shop").unwrap()).await;
}

#[tokio::test]
async fn tls_is_spoken_and_certificates_are_checked() {
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let misnamed = rcgen::generate_simple_self_signed(["elsewhere.example".to_owned()]).unwrap();
    let start = |issued: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        Options::new().tls(issued.cert.pem(), issued.signing_key.serialize_pem()).start()
    };
    let trusting = |url: String, certificate: &rcgen::Certificate| {
        RedisTransport::builder()
            .url(url)
            .namespace("shop")
            .tls(Tls::trusting(certificate.pem()).unwrap())
            .build()
            .unwrap()
    };
    let server = start(&issued).await;
    works(&trusting(server.url(), &issued.cert)).await;

    let refused = (Kind::Configuration, Kind::Configuration);
    let untrusted = trusting(server.url(), &other.cert);
    assert_eq!(refusals(&untrusted).await, refused);

    let elsewhere = start(&misnamed).await;
    let wrong_name = trusting(elsewhere.url(), &misnamed.cert);
    assert_eq!(refusals(&wrong_name).await, refused);

    let plain = RedisServer::start().await;
    let no_tls_there = trusting(plain.url().replace("redis:", "rediss:"), &issued.cert);
    let lost = (Kind::Unreachable, Kind::Unreachable);
    assert_eq!(refusals(&no_tls_there).await, lost);

    let tls_forgotten = RedisTransport::new(server.url().replace("rediss:", "redis:"), "shop");
    assert_eq!(refusals(&tls_forgotten.unwrap()).await, lost);
}

#[tokio::test]
async fn a_connection_of_ones_own_publishes() {
    let server = RedisServer::start().await;
    let transport = RedisTransport::builder()
        .url(server.url())
        .namespace("shop")
        .publish_with(server.connection().await)
        .build()
        .unwrap();
    works(&transport).await;

    let primary = RedisServer::start().await;
    let _subscription = transport.subscribe().await.unwrap();
    server.replicate(&primary).await;
    let error = transport.publish(frame("x")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Demoted, "{error}");
}

#[tokio::test]
async fn a_connection_of_ones_own_to_another_server_is_noticed() {
    let server = RedisServer::start().await;
    let other = RedisServer::start().await;
    let transport = RedisTransport::builder()
        .url(server.url())
        .namespace("shop")
        .publish_with(other.connection().await)
        .build()
        .unwrap();
    let mut subscription = transport.subscribe().await.unwrap();
    let error = transport.publish(frame("x")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Demoted);
    assert!(error.to_string().contains("different servers"), "{error}");
    // What others publish is still heard.
    fenced(&mut subscription, 1).await.unwrap();
}

#[tokio::test]
async fn of_several_servers_the_primary_is_found_again_and_again() {
    let servers = [RedisServer::start().await, RedisServer::start().await];
    servers[1].replicate(&servers[0]).await;
    let transport = RedisTransport::builder()
        .urls(servers.iter().map(RedisServer::url))
        .namespace("shop")
        .build()
        .unwrap();
    works(&transport).await;
    let mut subscription = transport.subscribe().await.unwrap();
    let before = subscription.sequencer().cloned();

    servers[1].cli(&["REPLICAOF", "NO", "ONE"]).await;
    servers[0].replicate(&servers[1]).await;
    let error = transport.publish(frame("x")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Demoted, "{error}");
    // The publisher's new connection leads elsewhere, which ends the subscription without a fence.
    let error = transport.publish(frame("x")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Demoted, "{error}");
    assert_eq!(end(&mut subscription).await.kind(), Kind::Demoted);
    works(&transport).await;
    let after = transport.subscribe().await.unwrap().sequencer().cloned();
    assert_ne!(before, after);
}

#[derive(Debug, Default)]
struct Counting {
    connections: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl Connector for Counting {
    async fn connect(&self, address: &Address) -> io::Result<Box<dyn Stream>> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        NetConnector.connect(address).await
    }
}

#[tokio::test]
async fn every_connection_goes_through_the_connector() {
    let server = RedisServer::start().await;
    let counting = Counting::default();
    let connections = Arc::clone(&counting.connections);
    let transport = RedisTransport::builder()
        .url(server.url())
        .namespace("shop")
        .connector(counting)
        .build()
        .unwrap();
    works(&transport).await;
    assert_eq!(connections.load(Ordering::Relaxed), 2, "subscriber and publisher");
}
