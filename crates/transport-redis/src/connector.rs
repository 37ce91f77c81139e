//! How bytes get to a server and back.

use std::fmt;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::Address;

/// A connection to a server: any ordered byte stream.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Opens byte streams to servers.
///
/// The default is [`NetConnector`]. Give the builder another one to run over a tunnel, or inside a network
/// simulation. TLS is spoken over whatever stream this returns, by the transport.
///
/// # Cancel safety
/// A dropped `connect` future must leave nothing behind. The transport drops it at its connect time-out.
#[async_trait]
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    /// Opens a stream to `address`.
    ///
    /// # Errors
    /// Whatever keeps it from doing so. The text must not contain a secret.
    async fn connect(&self, address: &Address) -> io::Result<Box<dyn Stream>>;
}

/// Connects through the operating system: TCP (without Nagle's delay, with keep-alive) and unix sockets.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetConnector;

/// A node notices a dead connection by its fences long before; this is for connections that it forgot.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10));

#[async_trait]
impl Connector for NetConnector {
    async fn connect(&self, address: &Address) -> io::Result<Box<dyn Stream>> {
        match address {
            Address::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE)?;
                Ok(Box::new(stream))
            }
            #[cfg(unix)]
            Address::Unix(path) => Ok(Box::new(tokio::net::UnixStream::connect(path).await?)),
            #[cfg(not(unix))]
            Address::Unix(_) => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no unix sockets"))
            }
        }
    }
}
