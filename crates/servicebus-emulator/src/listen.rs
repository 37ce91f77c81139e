//! Real sockets.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::task::{JoinHandle, JoinSet};

use crate::Emulator;

/// A port on which an emulator listens. Dropping it stops that and cuts the connections that came by it.
#[derive(Debug)]
pub struct Listening {
    addr: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Emulator {
    /// Listens on an address; port 0 takes any that is free.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub async fn listen(&self, addr: impl ToSocketAddrs) -> io::Result<Listening> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let emulator = self.clone();
        #[expect(clippy::disallowed_methods, reason = "sockets exist outside of simulations only")]
        let accepting = tokio::spawn(accept(emulator, listener));
        Ok(Listening { addr, accepting })
    }
}

impl Listening {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops and cuts the connections.
    pub fn stop(self) {}
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(emulator: Emulator, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // What fails here is one connection that is gone already, or the machine.
                let Ok((stream, _)) = accepted else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let emulator = emulator.clone();
                connections.spawn(async move { emulator.serve(stream).await });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
