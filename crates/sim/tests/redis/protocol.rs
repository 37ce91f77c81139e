//! What the server says, byte by byte.

use tokio::io::AsyncWriteExt;
use unstale_sim::redis::{Counts, Options, Server};

use crate::support::{Raw, encode, message, soon};

const WRONG_PASSWORD: &str = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
const SUBSCRIBED_2: &str = "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n";
const SUBSCRIBED_3: &str = ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n";

fn hello(header: &str, proto: u8, id: u64) -> String {
    format!(
        "{header}\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.4\r\n$5\r\nproto\r\n:{proto}\r\n\
         $2\r\nid\r\n:{id}\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n"
    )
}

fn guarded() -> Server {
    let users = vec![("app".to_owned(), "hunter3".to_owned())];
    Server::with_options(
        "redis",
        Options { password: Some("hunter2".into()), users, ..Options::default() },
    )
}

#[tokio::test(start_paused = true)]
async fn hello_chooses_the_version() {
    let server = Server::new("redis");
    let mut client = Raw::new(&server, "a");
    client.ask("CLIENT GETNAME", "$-1\r\n").await;
    client.ask("HELLO 3 SETNAME me", &hello("%7", 3, 1)).await;
    client.ask("CLIENT GETNAME", "$2\r\nme\r\n").await;
    client.ask("HELLO", &hello("%7", 3, 1)).await;
    client.ask("hello 2", &hello("*14", 2, 1)).await;
    client.ask("HELLO 4", "-NOPROTO unsupported protocol version\r\n").await;
    client.ask("HELLO 3 WHAT", "-ERR Syntax error in HELLO option 'WHAT'\r\n").await;
    Raw::new(&server, "b").ask("HELLO 3", &hello("%7", 3, 2)).await;
}

#[tokio::test(start_paused = true)]
async fn an_old_server_knows_no_hello() {
    let server = Server::with_options("redis", Options { resp3: false, ..Options::default() });
    let unknown = "-ERR unknown command 'HELLO', with args beginning with: '3' \r\n";
    Raw::new(&server, "a").ask("HELLO 3", unknown).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_does_anything_before_login() {
    let server = guarded();
    let mut client = Raw::new(&server, "a");
    for command in ["PING", "PUBLISH c x", "SUBSCRIBE c", "INFO", "ROLE", "NONSENSE"] {
        client.ask(command, "-NOAUTH Authentication required.\r\n").await;
    }
    client.ask("AUTH hunter3", WRONG_PASSWORD).await;
    client.ask("AUTH app hunter2", WRONG_PASSWORD).await;
    client.ask("HELLO 3 AUTH default no", WRONG_PASSWORD).await;
    client.say("HELLO 3").await;
    client.hear("-NOAUTH HELLO must be called").await;
    assert_eq!(server.counts(), Counts { connections: 1, ..Counts::default() });
}

#[tokio::test(start_paused = true)]
async fn every_right_login_is_one() {
    let server = guarded();
    for login in ["AUTH hunter2", "AUTH default hunter2", "AUTH app hunter3"] {
        let mut client = Raw::new(&server, "a");
        client.ask(login, "+OK\r\n").await;
        client.ask("PING", "+PONG\r\n").await;
    }
    let mut client = Raw::new(&server, "a");
    client.ask("HELLO 3 AUTH app hunter3 SETNAME me", &hello("%7", 3, 4)).await;
    // Who is in stays in; who comes needs the new one.
    server.set_password(Some("hunter4".into()));
    client.ask("PING", "+PONG\r\n").await;
    Raw::new(&server, "a").ask("AUTH hunter2", WRONG_PASSWORD).await;
    Raw::new(&server, "a").ask("AUTH hunter4", "+OK\r\n").await;
    server.set_password(None);
    Raw::new(&server, "a").ask("PING", "+PONG\r\n").await;
    let needless = "-ERR AUTH <password> called without any password configured";
    Raw::new(&server, "a").ask("AUTH hunter4", needless).await;
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_is_answered_in_order_however_it_arrives() {
    let server = Server::new("redis");
    let commands = "PING\nECHO hello\nPING hello\nPUBLISH c x\nEXISTS key\nCLIENT ID";
    let replies = "+PONG\r\n$5\r\nhello\r\n$5\r\nhello\r\n:0\r\n:0\r\n:1\r\n";
    let mut client = Raw::new(&server, "a");
    client.ask(commands, replies).await;
    for byte in encode(commands) {
        client.0.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    client.hear(replies).await;
}

#[tokio::test(start_paused = true)]
async fn version_2_takes_little_once_subscribed() {
    let server = Server::new("redis");
    let mut client = Raw::new(&server, "a");
    client.ask("PING\nSUBSCRIBE c", &format!("+PONG\r\n{SUBSCRIBED_2}")).await;
    client.ask("PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n").await;
    client.ask("PING 7", "*2\r\n$4\r\npong\r\n$1\r\n7\r\n").await;
    for command in ["publish c x", "info", "hello 3", "echo x", "client id"] {
        let name = command.split(' ').next().unwrap();
        let refusal = format!(
            "-ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in \
             this context\r\n"
        );
        client.ask(command, &refusal).await;
    }
    server.publish_foreign("c", "x");
    client.hear(&message(false, "c", "x")).await;
    client.ask("UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n").await;
    client.ask("UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n").await;
    client.ask("PING\nPUBLISH c x", "+PONG\r\n:0\r\n").await;
}

#[tokio::test(start_paused = true)]
async fn version_3_takes_everything_and_keeps_one_order() {
    let server = Server::new("redis");
    let mut client = Raw::new(&server, "a");
    client.ask("HELLO 3", &hello("%7", 3, 1)).await;
    client.ask("SUBSCRIBE c", SUBSCRIBED_3).await;
    let mine = message(true, "c", "mine");
    client.ask("PING\nPUBLISH c mine\nPING 7", &format!("+PONG\r\n:1\r\n{mine}$1\r\n7\r\n")).await;
    // In the order in which the server took them, however many there are.
    for round in 0..100 {
        server.publish_foreign("c", format!("{round}"));
        client.say("PING").await;
        client.hear(&message(true, "c", &round.to_string())).await;
        client.hear("+PONG\r\n").await;
    }
}

#[tokio::test(start_paused = true)]
async fn channels_and_sharded_channels_are_apart() {
    let server = Server::new("redis");
    let mut client = Raw::new(&server, "a");
    client.ask("HELLO 3", &hello("%7", 3, 1)).await;
    client
        .ask(
            "SUBSCRIBE a b\nSSUBSCRIBE a",
            ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n\
             >3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n",
        )
        .await;
    assert_eq!(server.counts().subscriptions, 3);
    assert_eq!((server.subscribers(b"a"), server.subscribers(b"b")), (2, 1));
    let mut other = Raw::new(&server, "b");
    other.ask("SPUBLISH a s\nPUBLISH a p\nPUBLISH z z", ":1\r\n:1\r\n:0\r\n").await;
    client.hear(">3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\ns\r\n").await;
    client.hear(&message(true, "a", "p")).await;
    client
        .ask(
            "SUNSUBSCRIBE a\nUNSUBSCRIBE a z",
            ">3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n>3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n\
             >3\r\n$11\r\nunsubscribe\r\n$1\r\nz\r\n:1\r\n",
        )
        .await;
    other.ask("PUBLISH a p\nPUBLISH b p", ":0\r\n:1\r\n").await;
}

#[tokio::test(start_paused = true)]
async fn who_it_is() {
    let server = Server::new("redis");
    let mut client = Raw::new(&server, "a");
    client.ask("ROLE", "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n").await;
    let (run_id, replication_id) = (server.run_id(), server.replication_id());
    assert!(run_id.len() == 40 && run_id.bytes().all(|digit| digit.is_ascii_hexdigit()));
    assert_ne!(run_id, replication_id);
    let replication = format!(
        "# Replication\r\nrole:master\r\nmaster_replid:{replication_id}\r\nmaster_repl_offset:0\r\n"
    );
    let bytes = replication.len();
    client.ask("INFO replication", &format!("${bytes}\r\n{replication}\r\n")).await;
    client.ask("INFO nonsense", "$0\r\n\r\n").await;
    client.say("INFO server").await;
    let info = format!(
        "# Server\r\nredis_version:7.2.4\r\nredis_mode:standalone\r\nrun_id:{run_id}\r\ntcp_port:6379\r\n"
    );
    client.hear(&format!("${}\r\n{info}\r\n", info.len())).await;
    let both = format!("{info}\r\n{replication}");
    client.ask("INFO", &format!("${}\r\n{both}\r\n", both.len())).await;
    client.ask("HELLO 3", &hello("%7", 3, 1)).await;
    let bytes = replication.len() + 4;
    client.ask("INFO replication", &format!("={bytes}\r\ntxt:{replication}\r\n")).await;
    client.say("CLUSTER SLOTS").await;
    client.hear("*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$5\r\nredis\r\n:6379\r\n$40\r\n").await;
    // Another one is someone else, the same one again is the same.
    assert_ne!(Server::new("other").run_id(), run_id);
    assert_eq!(Server::new("redis").run_id(), run_id);
}

#[tokio::test(start_paused = true)]
async fn what_it_does_not_know_it_says() {
    let server = Server::new("redis");
    let mut client = Raw::new(&server, "a");
    let unknown = "-ERR unknown command 'GET', with args beginning with: 'key' \r\n";
    client.ask("GET key", unknown).await;
    for name in ["publish", "subscribe", "auth", "echo", "role"] {
        let arguments = if name == "role" { " x" } else { "" };
        let wrong = format!("-ERR wrong number of arguments for '{name}' command\r\n");
        client.ask(&format!("{name}{arguments}"), &wrong).await;
    }
    client.ask("CLIENT LIST", "-ERR unknown subcommand 'list'. Try CLIENT HELP.\r\n").await;
    client.ask("CLIENT SETINFO lib-name x\nCLIENT NO-EVICT on", "+OK\r\n+OK\r\n").await;
    client.0.write_all(b"*0\r\n*1\r\n$4\r\nPING\r\n").await.unwrap();
    client.hear("+PONG\r\n").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_protocol_ends_the_connection() {
    for (said, answer) in [
        ("GET / HTTP/1.1\r\n\r\n", "-ERR Protocol error: expected '*', got 'G'\r\n"),
        ("*1\r\n:1\r\n", "-ERR Protocol error: expected '$', got ':'\r\n"),
        ("*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        ("*99999999\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        ("*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        ("*1\r\n$999999999999\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
    ] {
        let server = Server::new("redis");
        let mut client = Raw::new(&server, "a");
        client.0.write_all(said.as_bytes()).await.unwrap();
        assert_eq!(client.rest().await, answer, "{said:?}");
        assert_eq!(server.counts().connections, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn quit_ends_it_after_what_was_asked_before() {
    let server = Server::new("redis");
    let mut client = Raw::new(&server, "a");
    client.say("PING\nQUIT\nPUBLISH c never").await;
    assert_eq!(client.rest().await, "+PONG\r\n+OK\r\n");
    assert_eq!(server.counts(), Counts::default());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_is_forgotten() {
    let server = Server::new("redis");
    let mut client = Raw::new(&server, "a");
    client.ask("SUBSCRIBE c", SUBSCRIBED_2).await;
    assert_eq!(server.counts().subscriptions, 1);
    drop(client);
    // A served future that is dropped leaves nothing behind either.
    let (_ours, theirs) = tokio::io::duplex(64);
    let serving = server.serve(theirs, "b");
    let dropped = tokio::time::timeout(std::time::Duration::from_secs(1), serving).await;
    assert!(dropped.is_err());
    soon(async {
        while server.counts().connections > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(server.counts(), Counts::default());
}
