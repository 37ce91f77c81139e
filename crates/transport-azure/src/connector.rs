//! How bytes get to the service and back.

use std::fmt;
use std::io;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A connection to a server: any ordered byte stream.
pub trait Stream: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Stream for S {}

/// Opens byte streams to the service, for AMQP and HTTP alike.
///
/// The default is [`NetConnector`]. Give the builder another one to run through a proxy, or inside a network
/// simulation. TLS and websockets are spoken over whatever stream this returns, by the transport.
///
/// # Cancel safety
/// A dropped `connect` future must leave nothing behind. The transport drops it at its connect time-out.
#[async_trait]
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    /// Opens a stream to this port of this host.
    ///
    /// # Errors
    /// Whatever keeps it from doing so. The text must not contain a secret.
    async fn connect(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>>;
}

/// Connects through the operating system: TCP, without Nagle's delay.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetConnector;

#[async_trait]
impl Connector for NetConnector {
    async fn connect(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}
