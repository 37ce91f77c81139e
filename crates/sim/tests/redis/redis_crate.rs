//! The `redis` crate's own connections.

use futures_util::StreamExt;
use unstale_redis::redis::aio::{MultiplexedConnection, PubSub};
use unstale_redis::redis::{
    self, AsyncConnectionConfig, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo, Value,
};
use unstale_sim::redis::{Options, Server};

use crate::support::{soon, stream};

async fn connect(
    server: &Server,
    info: &RedisConnectionInfo,
) -> redis::RedisResult<(MultiplexedConnection, tokio::sync::mpsc::UnboundedReceiver<PushInfo>)> {
    let (sender, pushes) = tokio::sync::mpsc::unbounded_channel();
    let mut config = AsyncConnectionConfig::new();
    if info.protocol() == ProtocolVersion::RESP3 {
        config = config.set_push_sender(sender);
    }
    let connecting = MultiplexedConnection::new_with_config(info, stream(server, "a"), config);
    let (connection, driver) = soon(connecting).await?;
    tokio::spawn(driver);
    Ok((connection, pushes))
}

#[tokio::test(start_paused = true)]
async fn a_multiplexed_connection_publishes_and_subscribes() {
    let server = Server::new("redis");
    let info = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3);
    let (mut connection, mut pushes) = connect(&server, &info).await.unwrap();
    soon(connection.subscribe("c")).await.unwrap();
    let receivers: Vec<usize> = soon(
        redis::pipe()
            .cmd("PUBLISH")
            .arg("c")
            .arg(b"\x00\r\n\xff")
            .cmd("PUBLISH")
            .arg("other")
            .arg("x")
            .query_async(&mut connection),
    )
    .await
    .unwrap();
    assert_eq!(receivers, [1, 0]);
    let confirmed = soon(pushes.recv()).await.unwrap();
    assert_eq!(confirmed.kind, PushKind::Subscribe);
    let message = soon(pushes.recv()).await.unwrap();
    assert_eq!(message.kind, PushKind::Message);
    let text = |bytes: &[u8]| Value::BulkString(bytes.to_vec());
    assert_eq!(message.data, [text(b"c"), text(b"\x00\r\n\xff")]);
    let role: Vec<Value> = soon(redis::cmd("ROLE").query_async(&mut connection)).await.unwrap();
    assert_eq!(role[0], text(b"master"));
    let info: redis::InfoDict =
        soon(redis::cmd("INFO").query_async(&mut connection)).await.unwrap();
    assert_eq!(info.get::<String>("run_id"), Some(server.run_id()));
    assert_eq!(info.get::<String>("master_replid"), Some(server.replication_id()));
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_of_version_2_hears_everything_in_order() {
    let server = Server::new("redis");
    let info = RedisConnectionInfo::default();
    let mut subscriber = soon(PubSub::new(&info, stream(&server, "a"))).await.unwrap();
    soon(subscriber.subscribe(&["c", "d"])).await.unwrap();
    for number in 0..1000 {
        server.publish_foreign(if number % 2 == 0 { "c" } else { "d" }, number.to_string());
    }
    let mut messages = subscriber.on_message();
    for number in 0..1000 {
        let message = soon(messages.next()).await.unwrap();
        assert_eq!(message.get_payload::<u32>().unwrap(), number);
    }
}

#[tokio::test(start_paused = true)]
async fn logging_in_is_understood() {
    let options = Options { password: Some("hunter2".into()), ..Options::default() };
    let server = Server::with_options("redis", options);
    for protocol in [ProtocolVersion::RESP2, ProtocolVersion::RESP3] {
        let info = RedisConnectionInfo::default().set_protocol(protocol);
        let right = info.clone().set_password("hunter2");
        let (mut connection, _) = connect(&server, &right).await.unwrap();
        let pong: String = soon(redis::cmd("PING").query_async(&mut connection)).await.unwrap();
        assert_eq!(pong, "PONG");
        let wrong = info.set_password("hunter3");
        let error = connect(&server, &wrong).await.map(|_| ()).unwrap_err();
        // Which of the two it makes of this depends on the version.
        let refused = error.kind() == redis::ErrorKind::AuthenticationFailed;
        assert!(refused || error.code() == Some("WRONGPASS"), "{error}");
    }
}
