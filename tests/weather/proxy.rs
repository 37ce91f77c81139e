//! A TCP proxy that can misbehave.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does with bytes of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Passes them on.
    Pass,
    /// Reads them and throws them away: a network that is silently gone.
    Swallow,
    /// Passes them on later.
    Delay(Duration),
    /// Does not read: the sender's buffers fill.
    Hold,
}

#[derive(Clone, Copy, Debug)]
struct Weather {
    to_server: Flow,
    to_client: Flow,
    /// Connections of an older epoch are closed.
    epoch: u64,
    accepting: bool,
}

/// Listens on a free port and forwards to a server. Stops when dropped.
pub struct Proxy {
    port: u16,
    weather: Arc<watch::Sender<Weather>>,
    listener: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub async fn start(server_port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (weather, _) = watch::channel(Weather {
            to_server: Flow::Pass,
            to_client: Flow::Pass,
            epoch: 0,
            accepting: true,
        });
        let weather = Arc::new(weather);
        let forecast = weather.subscribe();
        let listener = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut forecast = forecast.clone();
                if forecast.borrow_and_update().accepting {
                    tokio::spawn(forward(client, server_port, forecast));
                }
            }
        });
        Self { port, weather, listener }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sets what happens to bytes in either direction, of connections that exist and that will.
    pub fn set(&self, to_server: Flow, to_client: Flow) {
        self.weather.send_modify(|weather| {
            weather.to_server = to_server;
            weather.to_client = to_client;
        });
    }

    /// Closes all connections; new ones are served.
    pub fn cut(&self) {
        self.weather.send_modify(|weather| weather.epoch += 1);
    }

    /// Whether new connections are served; else they are closed at once.
    pub fn accept(&self, accepting: bool) {
        self.weather.send_modify(|weather| weather.accepting = accepting);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn forward(client: TcpStream, server_port: u16, forecast: watch::Receiver<Weather>) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server_port)).await else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let epoch = forecast.borrow().epoch;
    let mut over = forecast.clone();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Either direction's end, or the proxy's own, closes both.
    tokio::select! {
        () = pump(from_client, to_server, forecast.clone(), |weather| weather.to_server) => {}
        () = pump(from_server, to_client, forecast, |weather| weather.to_client) => {}
        _ = over.wait_for(|weather| weather.epoch != epoch) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut forecast: watch::Receiver<Weather>,
    flow: impl Fn(&Weather) -> Flow,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        if forecast.wait_for(|weather| flow(weather) != Flow::Hold).await.is_err() {
            return;
        }
        let Ok(read @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        let now = flow(&forecast.borrow());
        match now {
            Flow::Swallow => continue,
            Flow::Delay(delay) => tokio::time::sleep(delay).await,
            Flow::Hold => {
                let released = forecast.wait_for(|weather| flow(weather) != Flow::Hold);
                if released.await.is_err() {
                    return;
                }
            }
            Flow::Pass => {}
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
