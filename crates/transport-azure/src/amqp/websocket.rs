//! AMQP in a websocket ("AMQP WebSocket Binding"), on the port of HTTPS.

use fe2o3_amqp_ws::{Error, WebSocketStream};
use unstale::transport::{TransportError, TransportErrorKind as Kind};

use crate::connector::Stream;
use crate::endpoint::Endpoint;
use crate::error::presentable;
use crate::network::Network;

/// Where the service has it.
const PATH: &str = "$servicebus/websocket";

/// A websocket to the service, over a stream and the TLS of our own.
pub(super) async fn open(
    network: &Network,
    endpoint: &Endpoint,
) -> Result<Box<dyn Stream>, TransportError> {
    let (host, encrypted) = (endpoint.host(), endpoint.is_encrypted());
    let root = endpoint.http_root();
    let port = root.port_or_known_default().unwrap_or_default();
    let stream = network.dial(host, port, encrypted).await?;
    let scheme = if encrypted { "wss" } else { "ws" };
    let address = format!("{scheme}://{host}:{port}/{PATH}");
    match WebSocketStream::connect_with_stream(address, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(refused(&error, host, port)),
    }
}

fn refused(error: &Error, host: &str, port: u16) -> TransportError {
    // A proxy that does not let websockets through answers like a web server: only somebody else can help.
    let what = presentable(&error.to_string());
    Kind::Unreachable.error(format!("opening a websocket to {host}:{port}: {what}"))
}
