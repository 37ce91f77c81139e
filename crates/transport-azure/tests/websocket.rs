//! AMQP in websockets: the contract of transports, and what a proxy may do to it.
#![cfg(feature = "websocket")]
#![expect(clippy::unwrap_used, reason = "what a harness cannot do panics")]

#[path = "support/harness.rs"]
mod harness;
mod support;

use harness::{OneNamespace, Strategy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use unstale::Transport;
use unstale::conformance;
use unstale::transport::TransportErrorKind as Kind;
use unstale_azure::{AzureTransport, DataPath};

#[tokio::test]
async fn subscriptions_of_its_own_keep_the_contract() {
    let harness = OneNamespace::start(DataPath::WebSocket, Strategy::Automatic).await;
    conformance::run(&harness).await.assert_passed();
}

#[tokio::test]
async fn given_subscriptions_keep_the_contract() {
    let harness = OneNamespace::start(DataPath::WebSocket, Strategy::Manual).await;
    conformance::run(&harness).await.assert_passed();
}

/// What a proxy says that lets no websockets through.
#[tokio::test]
async fn a_refused_upgrade_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let proxy = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        let answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        String::from_utf8(request).unwrap().to_ascii_lowercase()
    };
    let transport = AzureTransport::builder()
        .connection_string(format!(
            "Endpoint=sb://127.0.0.1:{port};SharedAccessKeyName=all;SharedAccessKey=hunter2;\
             UseDevelopmentEmulator=true"
        ))
        .topic("invalidations")
        .websocket()
        .build()
        .unwrap();
    let (request, published) = tokio::join!(proxy, transport.publish("frame".into()));
    assert!(request.starts_with("get /$servicebus/websocket http/1.1\r\n"), "{request}");
    assert!(request.contains("sec-websocket-protocol: amqp\r\n"), "{request}");
    let error = published.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    let text = error.to_string();
    assert!(text.contains("websocket") && text.contains("403"), "{text}");
}
